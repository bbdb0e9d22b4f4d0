# The simulation: the daemon's objects, but for what simulates the node, linked with tests/sim.

comma := ,

SIM_SRC := $(sort $(wildcard tests/sim/*.c))
# And the table of the shim's containers: the fake shim permits what the shim does.
SIM_OBJ := $(SIM_SRC:%.c=$(BUILD)/%.o) $(BUILD)/shim/life.o
# What of the daemon is replaced; the rest, wherever it stands, is the product's.
SIM_OUT := $(filter-out $(patsubst %,src/os/%.c,caps cgroup_limits figures seccomp seccomp_table),$(wildcard src/os/*.c)) \
	$(wildcard src/net/*.c src/loop/*.c) $(filter-out $(patsubst %,src/stream/%.c,dynlib http selfcert tls tokens),$(wildcard src/stream/*.c)) src/base/clock.c src/base/proc.c \
	$(wildcard $(patsubst %,src/*/%.c,puller verifier shimlink)) \
	$(patsubst %,src/api/%.c,arrivals call client feed frames grpc_env links listen server wire)
SIM_LIB := $(filter-out $(SIM_OUT:%.c=$(BUILD)/%.o),$(LIB_OBJ))
SIM_WRAP := $(patsubst %,-Wl$(comma)--wrap=%,poll __poll_chk pidfd_open pidfd_send_signal fs_each getrandom \
	image_mount pod_userns_try store_open store_commit log_line world_find)

$(BUILD)/tests/sim/%.o: private CFLAGS += -Itests/sim
$(BUILD)/tests/fault/%.o: private CFLAGS += -Itests/sim

# main.c with another name for its main.
$(BUILD)/tests/sim/crispd.o: src/main.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -Dmain=crispd_main -Wno-missing-prototypes -MMD -MP -c $< -o $@

$(BUILD)/sim: $(SIM_OBJ) $(BUILD)/tests/sim/crispd.o $(SIM_LIB)
	$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--gc-sections $(SIM_WRAP) $^ $(LIBS) -lpthread -o $@

-include $(SIM_OBJ:.o=.d) $(BUILD)/tests/sim/crispd.d

# make test has both: the sanitizers see more, without them there are ten times as many histories.
SIM_SECONDS ?= $(if $(SAN),20,40)
# Memory that was freed is overwritten, also without a sanitizer.
SIM_ENV := ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 \
	GLIBC_TUNABLES=glibc.malloc.perturb=165:glibc.malloc.tcache_count=0
sim: $(BUILD)/sim
	$(SIM_ENV) $(BUILD)/sim -t $(SIM_SECONDS)

# Mistakes planted in copies of the effects: a history must find each.
sim-mutants: $(BUILD)/sim
	@$(SIM_ENV) SIM_CC="$(CC) $(CFLAGS)" SIM_LINK="$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--gc-sections $(SIM_WRAP)" \
		SIM_OBJ="$(SIM_OBJ) $(BUILD)/tests/sim/crispd.o $(SIM_LIB)" SIM_LIBS="$(LIBS) -lpthread" \
		tests/sim/mutants.sh $(BUILD)

# Fixed histories, in which the Nth call to the node fails.
FAULT_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/fault/*.c)))
$(BUILD)/fault: $(FAULT_OBJ) $(filter-out %/main.o,$(SIM_OBJ)) $(BUILD)/tests/sim/crispd.o $(SIM_LIB)
	$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--gc-sections $(SIM_WRAP) $^ $(LIBS) -lpthread -o $@

-include $(FAULT_OBJ:.o=.d)

fault: $(BUILD)/fault
	$(SIM_ENV) $(BUILD)/fault

.PHONY: sim sim-mutants fault
