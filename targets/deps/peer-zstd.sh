# The zstd program, for bench to compare with: linked with the very library that
# we use.
# sources: zstd
# needs: zstd
unpack zstd
cd src-zstd/programs
compile "-O3 -DXXH_NAMESPACE=ZSTD_ -DZSTD_MULTITHREAD -I../lib -I../lib/common" ./*.c
mkdir "$prefix/bin"
# shellcheck disable=SC2086 # words
$CC $CFLAGS obj/*.o "$out/lib/libzstd.a" -o "$prefix/bin/zstd" $LDFLAGS -pthread
