# targets/x86_64-tsan.mk
# x86_64 with ThreadSanitizer; the first data race ends the program.  Where it
# is allowed, run with a fixed address layout: gcc 12's run-time fails to start
# under kernels that randomise more bits than it knows.
include targets/x86_64.mk
SANITIZE = -fsanitize=thread -fno-omit-frame-pointer -Wno-maybe-uninitialized
RUN	:= $(shell setarch -R true 2>/dev/null && echo setarch -R)
export TSAN_OPTIONS = halt_on_error=1:second_deadlock_stack=1:atexit_sleep_ms=0
