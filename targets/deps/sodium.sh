# libsodium, all of it in plain C: what is not called is not linked.
# sources: sodium
unpack sodium
cd src-sodium/src/libsodium
sed -e 's/@VERSION@/1.0.18/' -e 's/@SODIUM_LIBRARY_VERSION_MAJOR@/10/' \
	-e 's/@SODIUM_LIBRARY_VERSION_MINOR@/3/' \
	-e '/@SODIUM_LIBRARY_MINIMAL_DEF@/d' \
	include/sodium/version.h.in >include/sodium/version.h
flags="-DCONFIGURED=1 -D_GNU_SOURCE -DNATIVE_LITTLE_ENDIAN=1
	-DHAVE_PTHREAD=1 -DHAVE_ATOMIC_OPS=1 -DHAVE_C_VARARRAYS=1
	-DHAVE_INLINE_ASM=1 -DHAVE_WEAK_SYMBOLS=1 -DHAVE_SYS_MMAN_H=1
	-DHAVE_MMAP=1 -DHAVE_MLOCK=1 -DHAVE_MADVISE=1 -DHAVE_MPROTECT=1
	-DHAVE_POSIX_MEMALIGN=1 -DHAVE_GETPID=1 -DHAVE_NANOSLEEP=1
	-DHAVE_EXPLICIT_BZERO=1 -fwrapv -fno-strict-aliasing
	-Iinclude -Iinclude/sodium"
case $CPU in
x86_64 | alpha) flags="$flags -DHAVE_TI_MODE=1" ;;
esac
find . -name '*.c' | LC_ALL=C sort >files
# shellcheck disable=SC2046 # no name has a space in it
compile "$flags" $(cat files)
archive libsodium.a
header include/sodium.h
mkdir "$prefix/include/sodium"
cp include/sodium/*.h "$prefix/include/sodium/"
