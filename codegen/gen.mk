# From proto/ and states/ to gen/.  gen/ is checked in, so a plain build needs none of this.
#
#   make gen          write gen/ anew
#   make gen-check    fail when gen/ is not byte for byte what its sources generate
#   make bump CRI_PROTO=FILE   take over another version of the CRI schema
#   make stage0       write codegen/stage0 anew, after an update of protobuf

CODEGEN := $(BUILD)/codegen
CODEGEN_CFLAGS := -std=gnu17 -D_GNU_SOURCE -Ulinux $(OPT) $(WARN) -Icodegen/stage0
CODEGEN_STAGE0 := codegen/stage0/google/protobuf/descriptor.pb-c.c \
	codegen/stage0/google/protobuf/compiler/plugin.pb-c.c
CODEGEN_SCHEMA := codegen/protoc-gen-crisp-schema.c codegen/emit.c

PLUGIN_SRC := $(sort $(wildcard codegen/protoc-gen-crisp*.c)) codegen/emit.c $(CODEGEN_STAGE0)
SMC_SRC := $(sort $(wildcard codegen/smc*.c)) codegen/emit.c
DIFF_SRC := codegen/cri-diff.c $(CODEGEN_SCHEMA) $(CODEGEN_STAGE0)

SM_FILES := $(sort $(wildcard states/*.sm))
# Schemas that become messages of ours and nothing else.
PLAIN_PROTOS := $(sort $(wildcard proto/*.proto))
CRI_PROTOS := proto/runtime/v1/api.proto proto/crisp/v1/admin.proto

$(BUILD)/protoc-gen-crisp: $(PLUGIN_SRC) $(wildcard codegen/*.h)
	@mkdir -p $(@D)
	$(CC) $(CODEGEN_CFLAGS) $(PLUGIN_SRC) -lprotobuf-c -o $@

$(BUILD)/smc: $(SMC_SRC) $(wildcard codegen/*.h)
	@mkdir -p $(@D)
	$(CC) $(CODEGEN_CFLAGS) $(SMC_SRC) -o $@

$(BUILD)/cri-diff: $(DIFF_SRC) $(wildcard codegen/*.h)
	@mkdir -p $(@D)
	$(CC) $(CODEGEN_CFLAGS) $(DIFF_SRC) -lprotobuf-c -o $@

# The schema is kept as upstream writes it, with [debug_redact = true], an option that protoc learnt
# after 3.21.  protoc takes options from descriptor.proto when it is given one, so it gets the
# system's with that field added; a newer one has it and stays as it is.
PROTO_INCLUDE := $(call pkg_config,--variable=prefix protobuf)/include

$(CODEGEN)/google/protobuf/descriptor.proto: $(PROTO_INCLUDE)/google/protobuf/descriptor.proto
	@mkdir -p $(@D)
	@if grep -q debug_redact $<; then cp $< $@; else \
		awk '/^message FieldOptions \{/ { f = 1 } { print } \
			f && /optional bool deprecated = 3/ { \
				print "  optional bool debug_redact = 16 [default = false];"; f = 0 }' \
			$< >$@; fi

# $(call descriptor_set,PROTOS): protoc's arguments for a set with comments and everything imported.
descriptor_set = -I$(CODEGEN) $(addprefix -I,$(sort $(dir $(1)))) --include_imports \
	--include_source_info google/protobuf/descriptor.proto $(notdir $(1))

$(CODEGEN)/cri.ds: $(CRI_PROTOS) $(CODEGEN)/google/protobuf/descriptor.proto
	protoc $(call descriptor_set,$(CRI_PROTOS)) --descriptor_set_out=$@

# What the tests compare with the tables of tests/conformance: the CRI schema alone.
$(CODEGEN)/api.ds: proto/runtime/v1/api.proto $(CODEGEN)/google/protobuf/descriptor.proto
	protoc $(call descriptor_set,$<) --descriptor_set_out=$@

GEN_TOOLS := $(BUILD)/protoc-gen-crisp $(BUILD)/smc $(CODEGEN)/cri.ds
comma := ,

$(CODEGEN)/out: $(GEN_TOOLS) $(SM_FILES) $(PLAIN_PROTOS) proto/rules states/rpc.bind src/conf/keys.c
	@rm -rf $@ $@.new && mkdir -p $@.new
	protoc-c --descriptor_set_in=$(CODEGEN)/cri.ds --c_out=$@.new $(notdir $(CRI_PROTOS))
	$(if $(PLAIN_PROTOS),protoc-c -Iproto --c_out=$@.new $(PLAIN_PROTOS))
	protoc --plugin=protoc-gen-crisp=$(BUILD)/protoc-gen-crisp --crisp_out=$@.new \
		--crisp_opt=rules=proto/rules,bind=states/rpc.bind \
		$(foreach p,$(CRI_PROTOS),--crisp_opt=source=$(p)) \
		--descriptor_set_in=$(CODEGEN)/cri.ds $(notdir $(CRI_PROTOS))
	$(if $(PLAIN_PROTOS),protoc --plugin=protoc-gen-crisp=$(BUILD)/protoc-gen-crisp --crisp_out=$@.new \
		--crisp_opt=keys=src/conf/keys.c $(foreach p,$(PLAIN_PROTOS),--crisp_opt=source=$(p)) \
		-Iproto $(PLAIN_PROTOS))
	$(if $(SM_FILES),$(BUILD)/smc -o $@.new $(SM_FILES))
	@mv $@.new $@

# Only what changed is written, so that only that is compiled again.
gen: $(CODEGEN)/out
	@mkdir -p gen
	@for f in $(CODEGEN)/out/*; do cmp -s $$f gen/$${f##*/} || cp $$f gen/; done
	@for f in gen/*; do test -e $(CODEGEN)/out/$${f##*/} || { echo "rm $$f"; rm $$f; }; done

gen-check: $(CODEGEN)/out
	@diff -r gen $(CODEGEN)/out >$(CODEGEN)/diff || { head -40 $(CODEGEN)/diff; \
		echo "gen/ is not what its sources generate: run \`make gen\` and commit the result"; \
		exit 1; }
	@echo "gen/ is up to date"

bump: $(BUILD)/cri-diff $(CODEGEN)/google/protobuf/descriptor.proto
	@BUILD="$(BUILD)" MAKE="$(MAKE) BUILD=$(BUILD)" codegen/bump.sh "$(CRI_PROTO)" $(CODEGEN)

stage0: $(CODEGEN)/google/protobuf/descriptor.proto
	protoc-c -I$(CODEGEN) -I$(PROTO_INCLUDE) --c_out=codegen/stage0 \
		google/protobuf/descriptor.proto google/protobuf/compiler/plugin.proto

.PHONY: gen gen-check bump stage0

# tests/unit/test_schema.c reads the descriptor set itself.
CODEGEN_STAGE0_OBJ := $(BUILD)/codegen/stage0/google/protobuf/descriptor.pb-c.o
EXTRA_test_schema := $(CODEGEN_STAGE0_OBJ)
$(CODEGEN_STAGE0_OBJ): private CFLAGS += -Icodegen/stage0
$(BUILD)/unit/test_schema: private CFLAGS += -Icodegen/stage0 \
	-DSCHEMA_SET='"$(abspath $(CODEGEN)/api.ds)"' \
	-DSCHEMA_TABLES='"$(abspath tests/conformance/cri-v0.36.3)"'
$(BUILD)/unit/test_schema: $(CODEGEN_STAGE0_OBJ) $(CODEGEN)/api.ds
