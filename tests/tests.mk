# Unit tests: one program per tests/unit/test_*.c, linked with the archive; fuzz targets likewise.

UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/unit/%)
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_REPLAY := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/replay/%)
TEST_LIBS := -lcmocka -lpthread -lm

# A program's tests link its archive before the daemon's.
SHIM_TESTS := test_held test_life test_logfmt test_shimio test_spool fuzz_logline fuzz_journal
PULL_TESTS := test_helper test_confine test_credentials test_decompress test_layer test_manifest \
	test_registries test_slots test_pipeline test_trust test_untar test_untar_layers \
	fuzz_authfile fuzz_challenge fuzz_decompress fuzz_lookaside fuzz_manifest fuzz_registries \
	fuzz_signature fuzz_tar fuzz_untar
CLI_TESTS := test_cli
$(foreach t,$(SHIM_TESTS),$(eval EXTRA_$(t) := $(LIBSHIM)))
$(foreach t,$(PULL_TESTS),$(eval EXTRA_$(t) := $(LIBPULL)) \
	$(eval LIBS_$(t) := -Wl,--as-needed $(PULL_LIBS)))
$(foreach t,$(CLI_TESTS),$(eval EXTRA_$(t) := $(LIBCLI)))

# Calls that a test replaces.
LIBS_test_helper += -Wl,--wrap=pthread_create
LIBS_test_shimio := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
LIBS_test_spool := -Wl,--wrap=read,--wrap=write,--wrap=pwrite,--wrap=splice,--wrap=ftruncate
LIBS_test_frames := $(WATCH_READS)
GRPC_test_arrivals := $(GRPC) $(WATCH_READS)
GRPC_test_server := $(GRPC) $(WATCH_READS)
GRPC_test_client := $(GRPC)
GRPC_test_batches := $(GRPC) $(WATCH_READS)

# EXTRA_NAME: objects or archives that a test links before the daemon's archive.
.SECONDEXPANSION:
$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/flags $(LIB) $$(EXTRA_$$*)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -MMD -MP $< $(EXTRA_$*) $(LIB) $(GRPC_$*) $(LIBS) $(LIBS_$*) $(TEST_LIBS) -o $@

# A fuzz target as a plain program that replays its corpus.
$(BUILD)/replay/%: tests/fuzz/%.c tests/fuzz/replay.c $(BUILD)/flags $(LIB) $$(EXTRA_$$*)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -MMD -MP $< tests/fuzz/replay.c $(EXTRA_$*) $(LIB) $(LIBS) $(LIBS_$*) -lpthread -o $@

-include $(UNIT_BIN:%=%.d) $(FUZZ_REPLAY:%=%.d)

unit: $(UNIT_BIN)
	tests/unit/run.sh $(UNIT_BIN)

unit-build: $(UNIT_BIN) $(FUZZ_REPLAY)

fuzz-replay: $(FUZZ_REPLAY)
	@rc=0; for f in $(FUZZ_REPLAY); do \
		n=$${f##*/}; \
		if out=$$($$f tests/fuzz/corpus/$$n 2>&1); then echo "ok $$out"; \
		else rc=1; echo "not ok $$n"; echo "$$out" | tail -n 40; fi; \
	done; exit $$rc

# Each target for FUZZ_SECONDS with libFuzzer (clang), sanitizers on.
FUZZ_SECONDS ?= 60
fuzz:
	tests/fuzz/run.sh $(FUZZ_SECONDS) $(FUZZ_SRC)

# What every change passes.
CHECK_STEPS := tidy tidy-test layers fields format-check shellcheck gen-check docs-check codegen-test smc-test unit fuzz-replay
check:
	@CHECK_ARGS="BUILD=$(BUILD) CC=$(CC)" MAKE=$(MAKE) tests/check.sh $(CHECK_STEPS)

tidy:
	@tools/tidy
tidy-test:
	@tests/tidy/run.sh
layers:
	@tools/layers
# $(BUILD)/fields.txt: each field of the CRI's requests and the files that read it.
fields:
	@BUILD="$(BUILD)" tools/fields
codegen-test: $(BUILD)/protoc-gen-crisp $(BUILD)/cri-diff
	+@BUILD="$(BUILD)" tests/codegen/run.sh
	+@BUILD="$(BUILD)" tests/codegen/bump.sh
	+@BUILD="$(BUILD)" tests/codegen/fields.sh

# The same tests with the sanitizers' eyes, and the crash sweep, which has them always.
ASAN := ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1
asan:
	$(ASAN) CHECK_ARGS="BUILD=$(BUILD)-asan CC=$(CC) SAN=address,undefined" MAKE=$(MAKE) \
		tests/check.sh unit fuzz-replay crash sim

# What has threads.
TSAN_TESTS ?= loop store server pipeline layer slots
tsan:
	TSAN_OPTIONS="suppressions=$(abspath tests/tsan.supp) halt_on_error=1" \
		$(MAKE) BUILD=$(BUILD)-tsan SAN=thread \
		UNIT_SRC="$(wildcard $(TSAN_TESTS:%=tests/unit/test_%.c))" unit

# Everything is built by the other compiler too, and passes.
CLANG ?= clang-14
clang:
	$(MAKE) BUILD=$(BUILD)-clang CC=$(CLANG) all unit-build
	CHECK_ARGS="BUILD=$(BUILD)-clang CC=$(CLANG)" MAKE=$(MAKE) tests/check.sh unit fuzz-replay

# Reads of what was never written: the one thing the sanitizers above do not see.
VALGRIND_TESTS ?= base_mem base_text engine rules store toml conf conf_keys wire cri_validate cri_print
valgrind:
	UNIT_WRAP="valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite" \
		$(MAKE) UNIT_SRC="$(wildcard $(VALGRIND_TESTS:%=tests/unit/test_%.c))" unit

.PHONY: unit unit-build fuzz fuzz-replay check tidy tidy-test layers fields codegen-test asan tsan clang valgrind

# For tests/fuzz/run.sh: what target NAME links besides the archive.
print-extra:
	@echo $(EXTRA_$(NAME))
print-libs:
	@echo $(LIBS) $(LIBS_$(NAME))

.PHONY: print-extra print-libs

# The engine's test has a machine of its own.
DOOR := $(BUILD)/unit/sm
$(DOOR)/sm_door.c $(DOOR)/sm_door.h &: tests/unit/sm/door.sm $(BUILD)/smc
	@mkdir -p $(DOOR)
	$(BUILD)/smc -o $(DOOR) $<
$(BUILD)/unit/test_engine: private CFLAGS += -I$(DOOR) -Itests/unit/sm
$(BUILD)/unit/test_engine: $(DOOR)/sm_door.h
EXTRA_test_engine := $(DOOR)/sm_door.c
FAMILY := $(BUILD)/unit/family
$(FAMILY)/sm_nest.c $(FAMILY)/sm_nest.h $(FAMILY)/sm_bird.c $(FAMILY)/sm_bird.h &: \
		tests/unit/sm/nest.sm tests/unit/sm/bird.sm $(BUILD)/smc
	@mkdir -p $(FAMILY)
	$(BUILD)/smc -o $(FAMILY) tests/unit/sm/nest.sm tests/unit/sm/bird.sm
$(BUILD)/unit/test_family: private CFLAGS += -I$(FAMILY)
$(BUILD)/unit/test_family: $(FAMILY)/sm_nest.h
EXTRA_test_family := $(FAMILY)/sm_nest.c $(FAMILY)/sm_bird.c
