# targets/x86_64-fuzz.mk
# x86_64 for `make nightly`: clang, libFuzzer, AddressSanitizer and
# UndefinedBehaviorSanitizer.  libFuzzer takes the place of tests/fuzz/replay.c.
include targets/x86_64.mk
CC	 = clang
SANITIZE = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FUZZ_MAIN =
FUZZ_LINK = -fsanitize=fuzzer
