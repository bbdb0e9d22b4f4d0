# One rule a program.  The shim's, the puller's and the command's files are archives too, which are
# linked with their main file and with their tests (tests/tests.mk).

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

$(BUILD)/crispd: $(BUILD)/src/main.o $(LIB)
	$(CC) $(CFLAGS) $(LDFLAGS) $< $(LIB) $(GRPC) $(WATCH_READS) $(LIBS) -o $@

CLI_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tools/cli/*.c)))
LIBCLI := $(BUILD)/libcli.a

$(BUILD)/crisp: $(LIBCLI) $(LIB)
	$(CC) $(CFLAGS) $(LDFLAGS) $(LIBCLI) $(LIB) $(GRPC) -Wl,--as-needed $(LIBS) -o $@

-include $(BUILD)/src/main.d $(CLI_OBJ:.o=.d)

# The shim is static: 127 KiB of PSS against 159 on a node with 20 pods, and it keeps running when the
# libc on disk is replaced.  (-static without PIE would save 12 KiB more and give up ASLR.)  The
# sanitizers need it dynamic.
SHIM_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard shim/*.c)))
SHIM_BASE := $(patsubst %,$(BUILD)/src/%.o,$(addprefix base/,buf clock err fs log nofile proc rmtree str \
	util) shimproto/exitrec shimproto/shimproto)
SHIM_STATIC := $(if $(SAN),,-static-pie)
LIBSHIM := $(BUILD)/libshim.a

$(BUILD)/crisp-shim: $(LIBSHIM) $(SHIM_BASE)
	$(CC) $(CFLAGS) $(LDFLAGS) $(SHIM_STATIC) $(LIBSHIM) $(SHIM_BASE) -o $@

# The pod's init is a program of its own without libc, carried inside the shim.
$(BUILD)/shim/init.elf: shim/init/init.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 $(WARN) -Os -ffreestanding -fno-stack-protector -fno-pie -fcf-protection=none \
		-fno-asynchronous-unwind-tables -nostdlib -static -Wl,--build-id=none -Wl,-z,noseparate-code \
		-Wl,-s $< -o $@
$(BUILD)/shim/podinit.o: $(BUILD)/shim/init.elf
$(BUILD)/shim/podinit.o: private CFLAGS += -DPODINIT_ELF='"$(BUILD)/shim/init.elf"'

-include $(SHIM_OBJ:.o=.d)

# The puller: nothing but it meets TLS and decompression.
PULL_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard src/pull/*.c src/pull/*/*.c)))
PULL_LIBS := -lcurl -lssl -lcrypto -lisal -lzstd -lyaml
LIBPULL := $(BUILD)/libpull.a

$(BUILD)/crisp-pull: $(LIBPULL) $(LIB)
	$(CC) $(CFLAGS) $(LDFLAGS) $(LIBPULL) $(LIB) $(PULL_LIBS) $(LIBS) -o $@

-include $(PULL_OBJ:.o=.d)

$(LIBSHIM): $(SHIM_OBJ)
$(LIBPULL): $(PULL_OBJ)
$(LIBCLI): $(CLI_OBJ)
$(LIBSHIM) $(LIBPULL) $(LIBCLI):
	$(archive)

# The client of `make fuzz-api`; without sanitizers, which are for the daemon and its shims.
$(BUILD)/fuzz-api: tests/fuzz/api.c $(LIB)
	$(CC) $(CFLAGS) $(LDFLAGS) -MMD -MP $< $(LIB) $(GRPC) $(LIBS) -o $@
-include $(BUILD)/fuzz-api.d
