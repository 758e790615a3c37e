# targets/x86_64.mk
# The machine this is built on: Linux, glibc, Debian's libraries.  zstd and
# BLAKE3 decide bytes and speed, so they are the pinned sources here as well.
CPU	 = x86_64
DEPS	 = zstd blake3
