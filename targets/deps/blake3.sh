# BLAKE3, the C implementation; what the processor offers is found at run time.
# sources: blake3
unpack blake3
cd src-blake3/usr/share/cargo/registry/blake3-*/c
case $CPU in
x86_64)
	compile -O3 blake3.c blake3_dispatch.c blake3_portable.c \
		blake3_sse2_x86-64_unix.S blake3_sse41_x86-64_unix.S \
		blake3_avx2_x86-64_unix.S blake3_avx512_x86-64_unix.S
	;;
i386)
	# Its "testing" is a variable for what to use: see platform/x86/pf_hash.c.
	compile "-O3 -DBLAKE3_TESTING" \
		blake3.c blake3_dispatch.c blake3_portable.c
	compile "-O3 -msse2" blake3_sse2.c
	compile "-O3 -msse4.1" blake3_sse41.c
	compile "-O3 -mavx2" blake3_avx2.c
	compile "-O3 -mavx512f -mavx512vl" blake3_avx512.c
	;;
alpha)
	# Scheduling for Alpha's pipelines makes gcc spill the 16 words of
	# state: under QEMU 170 MB/s with it, 280 without.
	compile "-O2 -fno-schedule-insns -fno-schedule-insns2" \
		blake3.c blake3_dispatch.c blake3_portable.c
	;;
*)
	compile "-O3 -DBLAKE3_USE_NEON=0" \
		blake3.c blake3_dispatch.c blake3_portable.c
	;;
esac
archive libblake3.a
header blake3.h
