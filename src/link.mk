# One rule a program.  Object files of a program that are not in libcrisp.a are listed with it.

# gRPC C core goes in statically, together with everything it stands on: a shared libgrpc brings 50
# more libraries and doubles the daemon's memory.  libc stays shared.  The archives of absl call each
# other in circles, hence the group; --gc-sections drops what no call reaches.
ABSL := $(sort $(filter -labsl_%,$(call pkg_config,--static --libs grpc_unsecure)))
GRPC := -Wl,-Bstatic,--start-group -lgrpc_unsecure -lgpr -laddress_sorting -lupb -lcares -lz \
	$(ABSL) -lstdc++ -Wl,--end-group,-Bdynamic -static-libgcc -lm -lpthread
# Under TSan they are shared: only calls that come from a shared library can be left out of its view
# (tests/tsan.supp).
ifneq ($(findstring thread,$(SAN)),)
GRPC := -lgrpc_unsecure -lgpr
endif
# The server looks at what the library reads: src/api/frames.h.
WATCH_READS := -Wl,--wrap=recvmsg
GRPC_test_server := $(GRPC) $(WATCH_READS)
GRPC_test_client := $(GRPC)
LIBS_test_frames := $(WATCH_READS)

$(BUILD)/crispd: $(BUILD)/src/main.o $(LIB)
	$(CC) $(CFLAGS) $(LDFLAGS) $< $(LIB) $(GRPC) $(WATCH_READS) $(LIBS) -o $@

CLI_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tools/crisp.c tools/crisp_*.c)))

$(BUILD)/crisp: $(CLI_OBJ) $(LIB)
	$(CC) $(CFLAGS) $(LDFLAGS) $(CLI_OBJ) $(LIB) $(GRPC) -Wl,--as-needed -lprotobuf-c -ljansson -lxxhash -lz -o $@

-include $(BUILD)/src/main.d $(CLI_OBJ:.o=.d)

# The shim is static: 127 KiB of PSS against 159 on a node with 20 pods, and it keeps running when the
# libc on disk is replaced.  (-static without PIE would save 12 KiB more and give up ASLR.)  The
# sanitizers need it dynamic.
SHIM_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard shim/*.c)))
SHIM_BASE := $(patsubst %,$(BUILD)/src/base/%.o,buf clock err exitrec files fs log proc rmtree shimproto str util)
SHIM_STATIC := $(if $(SAN),,-static-pie)

$(BUILD)/crisp-shim: $(SHIM_OBJ) $(SHIM_BASE)
	$(CC) $(CFLAGS) $(LDFLAGS) $(SHIM_STATIC) $(SHIM_OBJ) $(SHIM_BASE) -o $@

# The pod's init is a program of its own without libc, carried inside the shim.
$(BUILD)/shim/init.elf: shim/init/init.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 $(WARN) -Os -ffreestanding -fno-stack-protector -fno-pie -fcf-protection=none \
		-fno-asynchronous-unwind-tables -nostdlib -static -Wl,--build-id=none -Wl,-z,noseparate-code \
		-Wl,-s $< -o $@
$(BUILD)/shim/podinit.o: $(BUILD)/shim/init.elf
$(BUILD)/shim/podinit.o: private CFLAGS += -DPODINIT_ELF='"$(BUILD)/shim/init.elf"'

-include $(SHIM_OBJ:.o=.d)

# The parts of the command that are tested without a daemon.
EXTRA_test_cli := $(BUILD)/tools/crisp_table.o $(BUILD)/tools/crisp_json.o $(BUILD)/tools/crisp_log.o
$(BUILD)/unit/test_cli: $(EXTRA_test_cli)

EXTRA_test_held := $(BUILD)/shim/held.o $(BUILD)/shim/selfcare.o
$(BUILD)/unit/test_held: $(EXTRA_test_held)
EXTRA_test_logfmt := $(BUILD)/shim/logline.o $(BUILD)/shim/logfile.o $(BUILD)/shim/rtlog.o
EXTRA_fuzz_logline := $(BUILD)/shim/logline.o $(BUILD)/shim/rtlog.o
$(BUILD)/unit/test_logfmt: $(EXTRA_test_logfmt)
$(BUILD)/replay/fuzz_logline: $(EXTRA_fuzz_logline)
EXTRA_test_shimio := $(patsubst %,$(BUILD)/shim/%.o,jail journal logfile logline pages poll selfcare spawner stage stdio)
LIBS_test_shimio := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
EXTRA_test_shimstage := $(EXTRA_test_shimio)
LIBS_test_shimstage := -Wl,--wrap=read,--wrap=write,--wrap=pwrite,--wrap=splice,--wrap=ftruncate
$(BUILD)/unit/test_shimio $(BUILD)/unit/test_shimstage: $(EXTRA_test_shimio)
EXTRA_fuzz_journal := $(patsubst %,$(BUILD)/shim/%.o,jail journal pages poll selfcare spawner)
$(BUILD)/replay/fuzz_journal: $(EXTRA_fuzz_journal)

# The puller: nothing but it meets TLS and decompression.
PULL_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard src/pull/*.c)))
PULL_LIBS := -lcurl -lssl -lcrypto -lisal -lzstd -lyaml

$(BUILD)/crisp-pull: $(PULL_OBJ) $(LIB)
	$(CC) $(CFLAGS) $(LDFLAGS) $(PULL_OBJ) $(LIB) $(PULL_LIBS) $(LIBS) -o $@

-include $(PULL_OBJ:.o=.d)

# What unpacks, for its tests.
UNPACK_OBJ := $(patsubst %,$(BUILD)/src/pull/%.o,attr decompress digest inherit layer stage stop tree unpack)
UNPACK_LIBS := -lcrypto -lisal -lzstd
EXTRA_test_untar := $(UNPACK_OBJ)
LIBS_test_untar := $(UNPACK_LIBS)
EXTRA_test_untar_layers := $(UNPACK_OBJ)
LIBS_test_untar_layers := $(UNPACK_LIBS)
EXTRA_test_layer := $(UNPACK_OBJ)
LIBS_test_layer := $(UNPACK_LIBS)
EXTRA_test_decompress := $(UNPACK_OBJ)
LIBS_test_decompress := $(UNPACK_LIBS)
EXTRA_test_stage := $(UNPACK_OBJ)
LIBS_test_stage := $(UNPACK_LIBS)
EXTRA_fuzz_untar := $(UNPACK_OBJ)
EXTRA_fuzz_decompress := $(UNPACK_OBJ)
LIBS_fuzz_decompress := $(UNPACK_LIBS)
LIBS_fuzz_untar := $(UNPACK_LIBS)
$(patsubst %,$(BUILD)/unit/test_%,untar untar_layers layer decompress stage): $(UNPACK_OBJ)
$(BUILD)/replay/fuzz_untar $(BUILD)/replay/fuzz_decompress: $(UNPACK_OBJ)

# What confines the puller's processes, for the test that tries to leave.
EXTRA_test_confine := $(patsubst %,$(BUILD)/src/pull/%.o,child confine confine_filter)
$(BUILD)/unit/test_confine: $(EXTRA_test_confine)

# The puller's processes, whose threads fail to start.
EXTRA_test_child := $(filter-out %/main.o,$(PULL_OBJ))
LIBS_test_child := $(PULL_LIBS) -Wl,--wrap=pthread_create
$(BUILD)/unit/test_child: $(EXTRA_test_child)

EXTRA_test_slots := $(patsubst %,$(BUILD)/src/pull/%.o,slots stop)
$(BUILD)/unit/test_slots: $(EXTRA_test_slots)

# Credentials as text.
EXTRA_test_cred := $(BUILD)/src/pull/cred.o
LIBS_test_cred := -lcrypto
EXTRA_fuzz_authfile := $(BUILD)/src/pull/cred.o
LIBS_fuzz_authfile := -lcrypto
$(BUILD)/unit/test_cred: $(EXTRA_test_cred)
$(BUILD)/replay/fuzz_authfile: $(EXTRA_fuzz_authfile)

# What reads and verifies signatures, likewise.
TRUST_OBJ := $(patsubst %,$(BUILD)/src/pull/%.o,lookaside sigpayload sigstore)
TRUST_LIBS := -lcrypto -lyaml
EXTRA_test_trust := $(TRUST_OBJ)
LIBS_test_trust := $(TRUST_LIBS)
EXTRA_fuzz_lookaside := $(TRUST_OBJ)
LIBS_fuzz_lookaside := $(TRUST_LIBS)
EXTRA_fuzz_signature := $(TRUST_OBJ)
LIBS_fuzz_signature := $(TRUST_LIBS)
$(BUILD)/unit/test_trust $(BUILD)/replay/fuzz_lookaside $(BUILD)/replay/fuzz_signature: $(TRUST_OBJ)

# The client of `make fuzz-api`; without sanitizers, which are for the daemon and its shims.
$(BUILD)/fuzz-api: tests/fuzz/api.c $(LIB)
	$(CC) $(CFLAGS) $(LDFLAGS) -MMD -MP $< $(LIB) $(GRPC) $(LIBS) -o $@
-include $(BUILD)/fuzz-api.d
