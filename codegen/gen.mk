# From proto/ and states/ to gen/.  gen/ is checked in, so a plain build needs none of this.
#
#   make gen          write gen/ anew
#   make gen-check    fail when gen/ is not byte for byte what its sources generate
#   make docs         draw the machines, states/*.svg, and write the table of tests/README.md;
#                     docs-check: are they up to date?
#   make bump CRI_PROTO=FILE   take over another version of the CRI schema
#   make old-names    list the uses of names that the schema has changed; FIX=1 replaces them
#   make stage0       write codegen/stage0 anew, after an update of protobuf

CODEGEN := $(BUILD)/codegen
CODEGEN_CFLAGS := -std=gnu17 -D_GNU_SOURCE -Ulinux $(OPT) $(WARN) -Icodegen/stage0
CODEGEN_STAGE0 := codegen/stage0/google/protobuf/descriptor.pb-c.c \
	codegen/stage0/google/protobuf/compiler/plugin.pb-c.c
CODEGEN_SCHEMA := codegen/protoc-gen-crisp-schema.c codegen/emit.c

PLUGIN_SRC := $(sort $(wildcard codegen/protoc-gen-crisp*.c)) codegen/keytable.c codegen/emit.c \
	$(CODEGEN_STAGE0)
SMC_SRC := $(sort $(wildcard codegen/smc*.c)) codegen/emit.c
# Programs about descriptor sets, each of one file.
SET_TOOLS := cri-diff cri-renames cri-tables
SET_SRC := $(CODEGEN_SCHEMA) codegen/protoc-gen-crisp-input.c $(CODEGEN_STAGE0)
CONFC_SRC := $(sort $(wildcard codegen/confc*.c)) codegen/keytable.c $(SET_SRC)

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

$(BUILD)/confc: $(CONFC_SRC) $(wildcard codegen/*.h)
	@mkdir -p $(@D)
	$(CC) $(CODEGEN_CFLAGS) $(CONFC_SRC) -lprotobuf-c -o $@

$(SET_TOOLS:%=$(BUILD)/%): $(BUILD)/%: codegen/%.c $(SET_SRC) $(wildcard codegen/*.h)
	@mkdir -p $(@D)
	$(CC) $(CODEGEN_CFLAGS) $< $(SET_SRC) -lprotobuf-c -o $@

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

GEN_TOOLS := $(BUILD)/protoc-gen-crisp $(BUILD)/smc $(BUILD)/confc $(BUILD)/cri-renames $(CODEGEN)/cri.ds
KEYS := src/conf/crisp.keys
comma := ,

$(CODEGEN)/out: $(GEN_TOOLS) $(SM_FILES) $(PLAIN_PROTOS) proto/rules proto/renames states/rpc.bind \
		$(KEYS)
	@rm -rf $@ $@.new && mkdir -p $@.new
	protoc-c --descriptor_set_in=$(CODEGEN)/cri.ds --c_out=$@.new $(notdir $(CRI_PROTOS))
	$(BUILD)/cri-renames $(CODEGEN)/cri.ds proto/renames $@.new/api.pb-c.h
	$(if $(PLAIN_PROTOS),protoc-c -Iproto --c_out=$@.new $(PLAIN_PROTOS))
	protoc --plugin=protoc-gen-crisp=$(BUILD)/protoc-gen-crisp --crisp_out=$@.new \
		--crisp_opt=rules=proto/rules,bind=states/rpc.bind \
		$(foreach p,$(CRI_PROTOS),--crisp_opt=source=$(p)) \
		--descriptor_set_in=$(CODEGEN)/cri.ds $(notdir $(CRI_PROTOS))
	$(if $(PLAIN_PROTOS),protoc --plugin=protoc-gen-crisp=$(BUILD)/protoc-gen-crisp --crisp_out=$@.new \
		--crisp_opt=keys=$(KEYS) $(foreach p,$(PLAIN_PROTOS),--crisp_opt=source=$(p)) \
		-Iproto $(PLAIN_PROTOS))
	$(BUILD)/confc -o $@.new $(KEYS)
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

# The drawings beside the tables, without the version of what drew them.
draw = dot -Tsvg gen/sm_$(1).dot | sed '/^<!-- Generated by graphviz/,/-->/d'
MACHINES := $(SM_FILES:states/%.sm=%)

docs:
	$(foreach m,$(MACHINES),$(call draw,$(m)) >states/$(m).svg &&) :
	tools/test-table >$(BUILD)/tests.md && cp $(BUILD)/tests.md tests/README.md

# What is said in a drawing; where it stands depends on the fonts of the machine.
said = grep -oE '<title>.*|>[^<]+</text>'

docs-check:
	@for m in $(MACHINES); do \
		$(call draw,$$m) | $(said) >$(BUILD)/$$m.said; \
		$(said) states/$$m.svg | cmp -s - $(BUILD)/$$m.said || { \
			echo "states/$$m.svg is not what its table says: run \`make docs\` and commit it"; \
			exit 1; }; \
	done
	@tools/test-table >$(BUILD)/tests.md
	@cmp -s $(BUILD)/tests.md tests/README.md || { \
		echo "tests/README.md is not what the tests' headers say: run \`make docs\` and commit it"; exit 1; }
	@echo "states/*.svg and tests/README.md are up to date"

bump: $(BUILD)/cri-diff $(BUILD)/cri-tables $(CODEGEN)/google/protobuf/descriptor.proto
	@BUILD="$(BUILD)" MAKE="$(MAKE) BUILD=$(BUILD)" codegen/bump.sh "$(CRI_PROTO)" $(CODEGEN)

old-names: $(BUILD)/cri-renames $(CODEGEN)/cri.ds
	@BUILD="$(BUILD)" CC="$(CC)" CFLAGS="$(CFLAGS)" FIX="$(FIX)" codegen/old-names.sh $(CODEGEN)/cri.ds

stage0: $(CODEGEN)/google/protobuf/descriptor.proto
	protoc-c -I$(CODEGEN) -I$(PROTO_INCLUDE) --c_out=codegen/stage0 \
		google/protobuf/descriptor.proto google/protobuf/compiler/plugin.proto

.PHONY: gen gen-check docs docs-check bump old-names stage0
