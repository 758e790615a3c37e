# targets/i386.mk
# Intel 80586 and later, Linux, musl, one static file.  An x86-64 kernel runs it
# directly; `RUN="qemu-i386 -cpu pentium"` proves that it asks for no more.
CROSS	 = i686-linux-gnu-
MUSL_CC	 = $(CROSS)gcc
CC	 = musl-cc -march=i586 -mtune=generic
LDFLAGS	 = -static
DEPS	 = musl zstd blake3 sodium jansson cmocka
PF_USER	 = files
PF_HASH	 = x86
