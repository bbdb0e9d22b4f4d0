# What reads the sources without running them, beside tools/tidy and tools/layers.

CLANG_FORMAT ?= clang-format-14
CLANG_TIDY ?= clang-tidy-14

SHELL_SRC := $(shell git ls-files '*.sh' .ci/run tools/tidy tools/layers tools/fields tools/test-table tools/hooks/pre-commit tools/crisp.bash gen/crispd.bash tools/deb/postinst tools/deb/postrm 2>/dev/null)
FORMAT_SRC := $(shell git ls-files '*.[ch]' 2>/dev/null | grep -vE '^gen/|^codegen/stage0/|/golden/')

# Warnings and errors; .shellcheckrc says what is left out.
shellcheck:
	@printf '%s\n' $(SHELL_SRC) | xargs -P $$(nproc) -n 12 shellcheck -S warning

# Both take minutes and are no part of `make test`.
analyze: analyze-tidy analyze-gcc

ifdef ANALYZE
# What needs more states than the analyzer has is left out, and so are its guesses: at pointers that
# xcalloc and map_get return, and at values that another function fills in.
CFLAGS += -fanalyzer -Wno-analyzer-too-complex -Wno-analyzer-null-dereference \
	-Wno-analyzer-possible-null-dereference -Wno-analyzer-use-of-uninitialized-value
# False findings.  The directory stays in an array that xrealloc has moved.
$(BUILD)/src/image/treesum.o: private CFLAGS += -Wno-analyzer-malloc-leak
# load_file returns 0 with a name alone.
$(BUILD)/src/net/cni_list.o: private CFLAGS += -Wno-analyzer-null-argument
# list_del takes the session from the list that is emptied.
$(BUILD)/src/pod/stream.o: private CFLAGS += -Wno-analyzer-use-after-free -Wno-analyzer-double-free
endif

# podinit.c wants the name of a program that the build makes.
TIDY_SRC := $(filter-out gen/% tests/% shim/podinit.c,$(C_SRC))
analyze-tidy: $(BUILD)/compile_commands.json
	printf '%s\n' $(TIDY_SRC) | xargs -P $$(nproc) -n 8 $(CLANG_TIDY) --quiet -p $(BUILD)

# -k: all findings, not the first.
analyze-gcc:
	$(MAKE) -k ANALYZE=1 BUILD=$(BUILD)-analyze OPT='-O1 -g' $(patsubst %.c,$(BUILD)-analyze/%.o,$(TIDY_SRC))

format:
	echo $(FORMAT_SRC) | xargs -n 20 -P "$$(nproc)" $(CLANG_FORMAT) -i

# Names the files that `make format` would change.
format-check:
	@echo $(FORMAT_SRC) | xargs -n 20 -P "$$(nproc)" $(CLANG_FORMAT) --dry-run -Werror 2>&1 | \
		sed -n 's/^\([^:]*\):.*clang-format-violations.*/\1: run `make format`/p' | sort -u >$(BUILD)/format; \
	cat $(BUILD)/format; [ ! -s $(BUILD)/format ]
	@echo "ok format ($(words $(FORMAT_SRC)) files)"

.PHONY: shellcheck analyze analyze-tidy analyze-gcc format format-check
