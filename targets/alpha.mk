# targets/alpha.mk
# DEC Alpha EV56 and later, Linux, glibc (musl has no Alpha port), one static
# file; run here by QEMU user mode.
CROSS	 = alpha-linux-gnu-
CFLAGS	+= -mcpu=ev56 -mieee
LDFLAGS	 = -static -Wl,--no-relax	# ld's TLS relaxation breaks static Alpha programs
RUN	 = qemu-alpha
PF_USER	 = files
