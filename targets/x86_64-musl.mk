# targets/x86_64-musl.mk
# x86-64, Linux, musl, one static file; also the proof that a target is one file.
CPU	 = x86_64
MUSL_CC	 = gcc
CC	 = musl-cc
LDFLAGS	 = -static
DEPS	 = musl zstd blake3 sodium jansson cmocka
PF_USER	 = files
