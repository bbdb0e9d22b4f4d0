# The crash sweep: the machines' tables and rules on the real engine and store, effects replaced by
# fakes, built with its own flags because it is run under AddressSanitizer (SWEEP_SAN=none: without).

SWEEP_SAN ?= address,undefined
SWEEP_FLAGS := $(if $(filter none,$(SWEEP_SAN)),,-fsanitize=$(SWEEP_SAN) -fno-omit-frame-pointer \
	-fno-sanitize-recover=all)
SWEEP_CFLAGS := -std=gnu17 -D_GNU_SOURCE -Ulinux -fno-strict-aliasing $(OPT) $(WARN) -Isrc -I. -Igen \
	$(SWEEP_FLAGS)
# The boot id and the moment between the two halves of a commit belong to the sweep.
SWEEP_WRAP := -Wl,--wrap=clock_boot_id -Wl,--wrap=mdb_txn_commit
# LMDB is linked statically, for --wrap to reach its large buffers (tests/crash/blocks.c).
SWEEP_WRAP += -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=free
SWEEP_LIBS := -lprotobuf-c -l:liblmdb.a -lxxhash -lpthread
SWEEP_SRC := $(sort $(wildcard tests/crash/*.c)) $(sort $(wildcard src/sm/*.c)) $(sort $(wildcard src/store/*.c)) \
	$(sort $(wildcard src/*/payloads.c src/*/records.c src/*/*_rules.c)) src/base/arena.c src/base/buf.c src/base/clock.c \
	src/base/err.c src/base/fs.c src/base/map.c src/image/annotations.c src/base/rmtree.c src/base/str.c src/base/util.c
SWEEP_GEN_SRC := $(sort $(wildcard gen/sm_*.c)) gen/state.pb-c.c gen/api.pb-c.c
SWEEP_OBJ := $(SWEEP_SRC:%.c=$(BUILD)/sweep/%.o) $(SWEEP_GEN_SRC:%.c=$(BUILD)/sweep/%.o)

$(BUILD)/sweep/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(SWEEP_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/crash-sweep: $(SWEEP_OBJ)
	$(CC) $(SWEEP_FLAGS) $(SWEEP_WRAP) $(SWEEP_OBJ) $(SWEEP_LIBS) -o $@

-include $(SWEEP_OBJ:.o=.d)

# smc: what it accepts, what it refuses, and that every refusal has been seen.
smc-test: $(BUILD)/smc
	tests/sm/run.sh $(BUILD)/smc

crash: $(BUILD)/crash-sweep
	$(BUILD)/crash-sweep

# Mistakes planted in copies of the machines: smc or the sweep must reject each.  Checks of the sweep
# find them, not sanitizers: those are left out, with a build folder of its own.
crash-mutants: $(BUILD)/smc
	@$(MAKE) BUILD=$(BUILD)-plain SWEEP_SAN=none SMC=$(abspath $(BUILD))/smc mutants

mutants: $(BUILD)/crash-sweep
	@SWEEP_CC="$(CC) $(SWEEP_CFLAGS)" SWEEP_LINK="$(CC) $(SWEEP_FLAGS) $(SWEEP_WRAP)" \
		SWEEP_OBJ="$(SWEEP_OBJ)" SWEEP_LIBS="$(SWEEP_LIBS)" tests/crash/mutants.sh $(SMC)

.PHONY: smc-test crash crash-mutants mutants
