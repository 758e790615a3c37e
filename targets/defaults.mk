# targets/defaults.mk
# What holds for a target unless its own file says otherwise.  A target file
# states facts, no rules:
#
#   CPU          the machine, for the recipes of targets/deps: x86_64, i386 ...
#   CROSS        prefix of the toolchain
#   CFLAGS       code generation; also for built dependencies
#   SANITIZE     flags for our own code only, compiling and linking
#   LDFLAGS      linking
#   RUN          what goes before every program of this target to run it here
#   DEPS         dependencies built from the sources pinned in deps.lock
#   PF_NAME      the way in which platform/pf_name.h is kept (a folder)

CPU	 = $(TARGET)
CROSS	 =
CC	 = $(CROSS)gcc
AR	 = $(CROSS)gcc-ar
CFLAGS	 = -O2 -g
SANITIZE =
LDFLAGS	 =
RUN	 =

# Of what the program needs, a target whose system has none of it builds all.
DEPS	 = zstd blake3 sodium jansson cmocka
LIBS	 = -lzstd -lblake3 -lsodium -ljansson -pthread
TEST_LIBS = -lcmocka

# A contract is kept in the first of these ways that there is a file for.
PF_WAYS	 = linux posix files none
PF_FAULT = none
