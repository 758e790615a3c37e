# targets/x86_64-asan.mk
# x86_64 with AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer;
# the first finding ends the program.
include targets/x86_64.mk
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-maybe-uninitialized
export ASAN_OPTIONS = detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS = print_stacktrace=1
