# zstd, the library.  It has threads only so that peer-zstd can be linked with
# it; we never ask for them.
# sources: zstd
unpack zstd
cd src-zstd/lib
flags="-O3 -DZSTD_LEGACY_SUPPORT=0 -DZSTD_MULTITHREAD -DXXH_NAMESPACE=ZSTD_
	-I. -Icommon"
case $CPU in
x86_64)
	compile "$flags" common/*.c compress/*.c decompress/*.[cS] dictBuilder/*.c
	;;
alpha)
	# Measured under QEMU: scheduling makes compression faster (67 MB/s
	# against 58) and decompression slower (235 against 285).
	flags="$flags -DZSTD_DISABLE_ASM=1"
	compile "$flags" common/*.c compress/*.c dictBuilder/*.c
	compile "$flags -fno-schedule-insns" decompress/*.c
	;;
*)
	compile "$flags -DZSTD_DISABLE_ASM=1" \
		common/*.c compress/*.c decompress/*.c dictBuilder/*.c
	;;
esac
archive libzstd.a
header zstd.h zstd_errors.h zdict.h
