# Unit tests: one program per tests/unit/test_*.c, linked with the archive; fuzz targets likewise.

UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/unit/%)
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_REPLAY := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/replay/%)
TEST_LIBS := -lcmocka -lpthread -lm

# EXTRA_test_NAME: object files a test needs that are not in the archive (the shim's, the puller's).
$(BUILD)/unit/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -MMD -MP $< $(EXTRA_$*) $(LIB) $(GRPC_$*) $(LIBS) $(LIBS_$*) $(TEST_LIBS) -o $@

# A fuzz target as a plain program that replays its corpus.
$(BUILD)/replay/%: tests/fuzz/%.c tests/fuzz/replay.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -MMD -MP $< tests/fuzz/replay.c $(EXTRA_$*) $(LIB) $(LIBS) $(LIBS_$*) -lpthread -o $@

-include $(UNIT_BIN:%=%.d) $(FUZZ_REPLAY:%=%.d)

unit: $(UNIT_BIN)
	tests/unit/run.sh $(UNIT_BIN)

fuzz-replay: $(FUZZ_REPLAY)
	@for f in $(FUZZ_REPLAY); do \
		n=$$(basename $$f); echo "replay $$n"; $$f tests/fuzz/corpus/$$n || exit 1; done

# Each target for FUZZ_SECONDS with libFuzzer (clang), sanitizers on.
FUZZ_SECONDS ?= 60
fuzz:
	tests/fuzz/run.sh $(FUZZ_SECONDS) $(FUZZ_SRC)

.PHONY: unit fuzz fuzz-replay

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
$(BUILD)/unit/test_engine: private CFLAGS += -I$(DOOR)
$(BUILD)/unit/test_engine: $(DOOR)/sm_door.h
EXTRA_test_engine := $(DOOR)/sm_door.c
