# crisp: a Kubernetes container runtime in C.  `make help` lists what there is to do.

BUILD ?= build
CC ?= gcc
SAN ?=
OPT ?= -O2 -g
PKGS := libprotobuf-c lmdb jansson yaml-0.1 libxxhash libseccomp zlib libnetfilter_conntrack \
	$(if $(filter selinux,$(WITHOUT)),,libselinux) $(if $(filter apparmor,$(WITHOUT)),,libapparmor)

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
	-Wno-format-nonliteral
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fstack-clash-protection -fcf-protection
CFLAGS := -std=gnu17 -D_GNU_SOURCE -Ulinux -fno-strict-aliasing -ffunction-sections \
	-fdata-sections $(OPT) $(WARN) -Isrc -I. -Igen
ifeq ($(SAN),)
CFLAGS += $(HARDEN)
LDFLAGS := -Wl,--gc-sections -Wl,-z,relro,-z,now
else
CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
LDFLAGS := -fsanitize=$(SAN)
endif

.DEFAULT_GOAL := all

# All processors, unless the command line says how many.
ifeq ($(filter -j% --jobserver%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif

# demo and test install what is missing, pkg-config too, and then call make again: only there, and where
# nothing is built, make goes on without it.
PKG_CONFIG := $(shell command -v pkg-config 2>/dev/null)
ifeq ($(PKG_CONFIG),)
ifneq ($(filter-out demo test test-deps help clean,$(or $(MAKECMDGOALS),all)),)
$(error pkg-config is missing: tools/test-deps.sh --build-only installs what a build needs)
endif
endif
pkg_config = $(if $(PKG_CONFIG),$(shell $(PKG_CONFIG) $(1)))

-include codegen/gen.mk

# An archive of whatever a rule names as its files.
archive = rm -f $@ && ar rcs $@ $^

# The daemon's parts as one archive: each program and test links what it needs.
LIB_SRC := $(sort $(filter-out src/pull/%,$(wildcard src/*/*.c)))
# WITHOUT="selinux apparmor" builds the variants that say there is none.
WITHOUT ?=
LSM_OUT := $(foreach m,selinux apparmor,src/os/$(m)$(if $(filter $(m),$(WITHOUT)),,_none).c)
LIB_SRC := $(filter-out $(LSM_OUT),$(LIB_SRC))
GEN_SRC := $(sort $(wildcard gen/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/%.o) $(GEN_SRC:%.c=$(BUILD)/%.o)
LIB := $(BUILD)/libcrisp.a

# Whatever is compiled with these flags.
C_SRC := $(sort $(LIB_SRC) $(GEN_SRC) src/main.c $(wildcard src/pull/*.c src/pull/*/*.c shim/*.c tools/cli/*.c \
	tests/unit/*.c tests/fuzz/*.c))

LIBS := $(call pkg_config,--libs $(PKGS))

include src/link.mk
include tests/tests.mk
include tools/lint.mk
include tests/harness.mk
include tools/install.mk
include tools/deb/deb.mk
include tests/crash/crash.mk
include tests/sim/sim.mk

all: $(BUILD)/crispd $(BUILD)/crisp-shim $(BUILD)/crisp $(BUILD)/crisp-pull $(BUILD)/compile_commands.json

# Holds the command line of the compiler: what it compiles is compiled again when that changes.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC) $(CFLAGS) $(LDFLAGS)' | cmp -s - $@ || printf '%s\n' '$(CC) $(CFLAGS) $(LDFLAGS)' >$@

# For editors and clang-tidy; clangd looks for it in build/.
$(BUILD)/compile_commands.json: $(BUILD)/flags
	@printf '%s\n' $(C_SRC) | awk -v dir='$(CURDIR)' -v cc='$(CC) $(CFLAGS) -Wno-missing-field-initializers' '{ \
		printf "%s{\"directory\": \"%s\", \"file\": \"%s\", \"command\": \"%s -c %s\"}", \
			NR == 1 ? "[\n" : ",\n", dir, $$0, cc, $$0 } END { print "\n]" }' >$@

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

$(LIB): $(LIB_OBJ)
	$(archive)

-include $(LIB_OBJ:.o=.d)

# A pod from nothing, on a fresh machine: installs what is needed, builds, runs tools/demo.sh.
demo:
	tools/test-deps.sh --demo
	$(MAKE) all
	tools/demo.sh $(BUILD)

demo-test: all
	tools/demo.sh $(BUILD)

# Everything that must pass; what .ci/run calls.
TEST_STAGES ?= check asan tsan crash-mutants sim sim-mutants fault demo-test \
	integration,fuzz-api,conformance kubelet-short
test:
	tools/test-deps.sh
	tools/test-deps.sh --kubelet
	$(MAKE) all
	MAKE=$(MAKE) tests/check.sh $(TEST_STAGES)

help:
	@echo 'make            crispd, crisp-shim, crisp-pull, crisp in $(BUILD)/'
	@echo 'make demo       as root: install packages, build, run a pod from an image'
	@echo 'make test       as root: install packages, pass every test'
	@echo 'make check      style, layers, generated files, unit tests'
	@echo 'make analyze    clang-tidy and gcc -fanalyzer over all files; format, format-check'
	@echo 'make gen        regenerate gen/; gen-check: is it up to date?'
	@echo 'make sim        histories of the whole daemon on a fake node; SIM_SECONDS=40'
	@echo 'make kubelet    a real kubelet on a node of its own (minutes to build)'
	@echo 'make node-e2e   Kubernetes node tests on the same node (minutes to build, half an hour to run)'
	@echo 'make deb        a Debian package in $(BUILD)/deb/; deb-check: with lintian'
	@echo 'make conformance, crash, integration, vm, bench, fuzz, soak, soak-stream, install'

clean:
	rm -rf $(BUILD)

FORCE:
.PHONY: FORCE all demo test help clean
