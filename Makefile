# SPDX-License-Identifier: Apache-2.0
#
#   make [TARGET=x86_64]        build/$(TARGET)/despool
#   make check                  every test on every target, then a total
#   make TARGET=alpha check     the tests of one target
#   make demo [SRC=DIR]         the main job on a real tree, on all targets
#   make lint bench nightly
#   make install DESTDIR= PREFIX=
#
# A target is a file targets/$(TARGET).mk; targets/defaults.mk says what it may
# contain.  All output goes below build/$(TARGET)/.  Built dependencies come
# from a cache outside the tree, see targets/deps/build.

ONE_TARGET := $(TARGET)
TARGET	?= x86_64
MAKEFLAGS += --no-builtin-rules $(if $(filter 0,$(MAKELEVEL)),-j$(shell nproc))
PREFIX	 = /usr/local
DESTDIR	 =

include targets/defaults.mk
include targets/$(TARGET).mk
FACTS	:= $(MAKEFILE_LIST)

B	:= build/$(TARGET)
D	:= $(B)/deps
export PATH := $(CURDIR)/$(D)/bin:$(PATH)

# Warnings are errors only when somebody asks: `make WERROR=-Werror`; check does.

WERROR	 =
WARN	 = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes \
	   -Wmissing-prototypes -Wvla -Wundef -Wpointer-arith -Wwrite-strings \
	   -Wno-psabi
PORTABLE = -D_POSIX_C_SOURCE=200809L -D_FILE_OFFSET_BITS=64 -Wconversion
SYSTEM	 = -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
COMPILE	 = $(CC) -std=c11 $(CFLAGS) $(SANITIZE) $(WARN) $(WERROR) -pthread \
	   -MMD -MP -I. -isystem $(D)/include
LINK	 = $(CC) $(CFLAGS) $(SANITIZE) $(LDFLAGS)
LINK_END = -L$(D)/lib $(LIBS)

# `make V=1` shows whole commands.

say	 = $(if $(V),,@echo '$(TARGET): $1';)

# The sources.  Of each contract platform/pf_NAME.h one way is linked: what the
# target says as PF_NAME, else the first of PF_WAYS that there is a file for.

CORE	:= $(wildcard core/*/*.c)
PROGRAM	:= $(wildcard programs/*.c)
PF_ALL	:= $(shell ls platform/pf_*.h 2>/dev/null | sed 's,.*/pf_\(.*\)\.h,\1:\U\1,')
pf_name	 = $(firstword $(subst :, ,$1))
pf_way	 = $(PF_$(lastword $(subst :, ,$1)))
pf_file	 = $(firstword $(if $(call pf_way,$1), \
	   platform/$(call pf_way,$1)/pf_$(call pf_name,$1).c, \
	   $(wildcard $(PF_WAYS:%=platform/%/pf_$(call pf_name,$1).c))))
PLATFORM := $(foreach pf,$(PF_ALL),$(call pf_file,$(pf)))

LIB_OBJ	:= $(patsubst %.c,$(B)/%.o,$(CORE) $(PLATFORM))
PROG_OBJ := $(patsubst %.c,$(B)/%.o,$(PROGRAM))

# Unit tests have faults to inject: platform/fault, linked before the library,
# takes the place of platform/none.

FAULT	:= $(patsubst %.c,$(B)/%.o,$(wildcard platform/fault/*.c))
UNIT	:= $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*_test.c))
UNIT_LIB := $(patsubst %.c,$(B)/%.o,$(filter-out %_test.c,$(wildcard tests/unit/*.c)))
FUZZ	:= $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_MAIN ?= $(B)/tests/fuzz/replay.o
TOOLS	:= $(patsubst %.c,$(B)/%,$(wildcard tests/tools/*.c))

all: $(B)/despool ;@:
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all lib tests fuzz check check-one demo bench peer-zstd nightly \
	lint format install clean
.SECONDARY:

$(B)/despool: $(PROG_OBJ) $(B)/libdespool.a
	$(call say,link $@)$(LINK) -o $@ $(PROG_OBJ) $(B)/libdespool.a $(LINK_END)

lib: $(B)/libdespool.a
$(B)/libdespool.a: $(LIB_OBJ) $(B)/sources
	@rm -f $@
	$(call say,ar $@)$(AR) rcsD $@ $(LIB_OBJ)

# Changes when a source comes or goes, so that the library forgets it too.

$(B)/sources: FORCE
	@mkdir -p $(B)
	@echo '$(LIB_OBJ)' | cmp -s - $@ || echo '$(LIB_OBJ)' >$@
FORCE:

$(B)/core/%.o: core/%.c $(D)/done
	@mkdir -p $(@D)
	$(call say,cc $<)$(COMPILE) $(PORTABLE) -c $< -o $@

$(B)/programs/%.o: programs/%.c $(D)/done
	@mkdir -p $(@D)
	$(call say,cc $<)$(COMPILE) $(PORTABLE) -c $< -o $@

$(B)/%.o: %.c $(D)/done
	@mkdir -p $(@D)
	$(call say,cc $<)$(COMPILE) $(SYSTEM) -c $< -o $@

$(UNIT): $(B)/%: $(B)/%.o $(UNIT_LIB) $(FAULT) $(B)/libdespool.a
	$(call say,link $@)$(LINK) -o $@ $< $(UNIT_LIB) $(FAULT) $(B)/libdespool.a $(LINK_END) $(TEST_LIBS)

$(FUZZ): $(B)/%: $(B)/%.o $(FUZZ_MAIN) $(B)/libdespool.a
	$(call say,link $@)$(LINK) $(FUZZ_LINK) -o $@ $^ $(LINK_END)

$(TOOLS): $(B)/%: $(B)/%.o $(B)/libdespool.a
	$(call say,link $@)$(LINK) -o $@ $^ $(LINK_END)

# Dependencies: $(D)/include, $(D)/lib, and $(D)/bin for tools of the build.

DEPS_ENV = CPU="$(CPU)" CC="$(CC)" AR="$(AR)" CFLAGS="$(strip $(CFLAGS))" \
	   LDFLAGS="$(strip $(LDFLAGS))" MUSL_CC="$(MUSL_CC)"

$(D)/done: targets/deps.lock $(wildcard targets/deps/*) $(FACTS)
	@$(DEPS_ENV) targets/deps/build $(D) $(DEPS)
	@touch $@

peer-zstd: $(B)/zstd
$(B)/zstd: $(D)/done
	@$(DEPS_ENV) targets/deps/build $(B)/peer $(filter musl,$(DEPS)) zstd peer-zstd
	@cp $(B)/peer/bin/zstd $@

# Tests.  Without TARGET all of them, each on every target.

CHECKS	 = x86_64 x86_64-asan x86_64-tsan i386 i386@pentium alpha
PENTIUM	 = qemu-i386 -cpu pentium

tests: $(B)/despool $(UNIT) $(FUZZ) $(TOOLS)
fuzz: $(FUZZ)

check-one: tests
	@TARGET="$(TARGET)" RUN="$(RUN)" UNIT="$(UNIT)" FUZZ="$(FUZZ)" tests/run $(CHECK_NAME)

ifneq ($(ONE_TARGET),)
check: check-one
else
check: $(CHECKS:%=check@%)
	@tests/run --total $(CHECKS)
endif

# One after the other; a failure is remembered by tests/run and told at the end.

check@%:
	@+case $* in \
	*@pentium) set -- RUN="$(PENTIUM)" CHECK_NAME="$*" ;; \
	*) set -- CHECK_NAME="$*" ;; \
	esac; \
	rm -f build/check/$*; \
	$(MAKE) --no-print-directory TARGET="$(firstword $(subst @, ,$*))" \
		WERROR=-Werror "$$@" check-one || :
$(foreach i,2 3 4 5 6,$(eval \
	check@$(word $(i),$(CHECKS)): check@$(word $(shell expr $(i) - 1),$(CHECKS))))

demo:
	@+for t in x86_64 i386 alpha; do \
		$(MAKE) --no-print-directory TARGET=$$t all || exit; done
	@SRC="$(SRC)" ci/demo-run

lint:
	@ci/lint

format:
	clang-format -i $(shell git ls-files -co --exclude-standard '*.c' '*.h')

bench:
	@+for t in x86_64 i386 alpha; do \
		$(MAKE) --no-print-directory TARGET=$$t all peer-zstd || exit; done
	bench/run $(BENCH_ARGS)

# Each fuzz target under libFuzzer for FUZZ_SECONDS, then the tests' long form.

FUZZ_SECONDS = 300
nightly:
	+ci/nightly $(FUZZ_SECONDS)

# For scripts: `make TARGET=alpha show-RUN` prints a fact.

show-%:
	@echo '$(strip $($*))'

install: $(B)/despool
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/share/doc/despool"
	install $(B)/despool "$(DESTDIR)$(PREFIX)/bin/despool"
	install -m 644 LICENSE $(wildcard README.md ARCHITECTURE.md docs/*.md) \
		"$(DESTDIR)$(PREFIX)/share/doc/despool"

clean:
	rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
