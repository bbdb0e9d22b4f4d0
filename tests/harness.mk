# Tests against the running daemon: each builds what it needs, then runs a script that explains itself.

PROGRAMS := $(BUILD)/crispd $(BUILD)/crisp-shim $(BUILD)/crisp $(BUILD)/crisp-pull
HARNESS := CRISP_TEST_BUILD=$(abspath $(BUILD))

# Packages, Go, crictl and critest; quick when they are there.
test-deps:
	tools/test-deps.sh

integration: $(PROGRAMS) test-deps
	$(HARNESS) tests/integration/run.sh

conformance: $(PROGRAMS) test-deps
	$(HARNESS) tests/conformance/run.sh

# Kubernetes' kubelet on a node of its own; LIVES="default gates events reboot" (all), or short.
kubelet: $(PROGRAMS)
	tools/test-deps.sh --kubelet
	$(HARNESS) tests/kubelet/run.sh $(LIVES)

# What a kubelet measures on crispd, beside the same kubelet on containerd.
kubelet-series: $(PROGRAMS)
	tools/test-deps.sh --peer
	$(HARNESS) tests/kubelet/series.sh

# Kubernetes' node tests; GROUP= of tests/node-e2e/groups.tsv, FOCUS, SKIP, TIMEOUT, PROCS as tests/node-e2e/run.sh says.
node-e2e: $(PROGRAMS)
	tools/test-deps.sh --node-e2e
	$(HARNESS) tests/node-e2e/run.sh $(GROUP)

node-e2e-update: $(PROGRAMS)
	tools/test-deps.sh --node-e2e
	$(HARNESS) tests/node-e2e/run.sh --update $(GROUP)

# What of it fits into `make test`.
kubelet-short: $(PROGRAMS)
	tools/test-deps.sh --kubelet
	$(HARNESS) tests/kubelet/run.sh short

.PHONY: kubelet kubelet-short kubelet-series node-e2e node-e2e-update

# Integration scripts in a virtual machine: cgroup v2 with both managers, systemd, AppArmor.
vm: $(PROGRAMS)
	tools/test-deps.sh --vm
	$(HARNESS) tests/vm/run.sh

# Take the present results as the record that `make conformance` compares with.
conformance-update: $(PROGRAMS) test-deps
	$(HARNESS) tests/conformance/run.sh --update

bench: $(PROGRAMS) test-deps
	$(HARNESS) tests/bench/run.sh

# Pulls beside Debian's containerd.
bench-pull: $(PROGRAMS) test-deps
	$(HARNESS) tests/bench/pull.sh

# What the shims of many pods cost, beside conmon and containerd's.
bench-pss: $(PROGRAMS) test-deps
	$(HARNESS) tests/bench/pss.sh

# Logs, beside Debian's conmon and containerd.
bench-log: $(PROGRAMS) test-deps
	$(HARNESS) tests/bench/log.sh

# Execs and forwarded ports, beside the bare runtime and containerd.
bench-stream: $(PROGRAMS) test-deps
	$(HARNESS) tests/bench/stream.sh

# All that shims and streams are measured by, in one run.
bench-node: $(PROGRAMS) test-deps
	$(HARNESS) tests/bench/log.sh
	$(HARNESS) tests/bench/stream.sh
	$(HARNESS) tests/bench/pss.sh

# What another pod pays for 100 hostile containers on its node.
bench-hostile: $(PROGRAMS) test-deps
	$(HARNESS) tests/bench/hostile.sh

.PHONY: bench-pss bench-log bench-stream bench-node bench-hostile

soak: $(PROGRAMS) test-deps
	$(HARNESS) tests/bench/soak.sh

# Daemon and shims are killed for a minute each while a container counts.
soak-restart: $(PROGRAMS) test-deps
	$(HARNESS) NUMBERS_SECONDS=60 tests/integration/recovery/numbers.sh

# Streaming sessions by the hundred against a daemon and shims with sanitizers, then for a quarter of
# the time against those without, whose memory is to be seen as it is; SOAK_SECONDS (600), SOAK_MIB (1024).
SOAK_SECONDS ?= 600
soak-stream: $(PROGRAMS) test-deps
	$(MAKE) BUILD=$(BUILD)-asan CC="$(CC)" SAN=address,undefined all
	CRISP_TEST_BUILD=$(abspath $(BUILD))-asan SOAK_SECONDS=$(SOAK_SECONDS) tests/bench/soak-stream.sh
	$(HARNESS) SOAK_SECONDS=$$(($(SOAK_SECONDS) / 4)) tests/bench/soak-stream.sh

# Who allocates: needs Debian's heaptrack, and prints what is still held at the end.
soak-heap: $(PROGRAMS) test-deps
	$(HARNESS) CRISP_TEST_WRAP="heaptrack -o $(abspath $(BUILD))/soak-heap" tests/bench/soak.sh
	heaptrack_print -p 0 -T 0 -a 0 -f $(BUILD)/soak-heap.zst

# The whole API against a daemon and shims with sanitizers, for FUZZ_SECONDS; FUZZ_SEED replays.
fuzz-api: $(BUILD)/fuzz-api
	tools/test-deps.sh --no-critest
	$(MAKE) BUILD=$(BUILD)-asan CC="$(CC)" SAN=address,undefined all
	CRISP_TEST_BUILD=$(abspath $(BUILD))-asan FUZZ_API=$(abspath $(BUILD))/fuzz-api \
		FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/api.sh

.PHONY: fuzz-api soak-stream test-deps integration vm conformance conformance-update bench bench-pull soak soak-restart soak-heap
