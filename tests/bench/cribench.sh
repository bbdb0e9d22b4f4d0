# cribench.sh - what the scripts here share: the persistent client, built once into the cache, how
# memory is read, and a run directory as nodes have it. Source it after the integration harness's lib.sh.

# runroot_mount: /run of a node is a tmpfs; before daemon_start
runroot_mount() { mkdir -p "$RUNROOT" && mount -t tmpfs tmpfs "$RUNROOT" || bail "no tmpfs at $RUNROOT"; }

cribench_build() {
	local hash go
	hash=$(cat "$TOP"/tests/bench/cribench/* | sha256sum | cut -c 1-16)
	CRIBENCH=$CACHE/bin/cribench-$hash
	[ -x "$CRIBENCH" ] && return 0
	for go in "$CACHE/go/bin/go" /usr/local/go/bin/go "$(command -v go || true)"; do
		[ -x "$go" ] || continue
		(cd "$TOP/tests/bench/cribench" && CGO_ENABLED=0 GOFLAGS="-mod=readonly -buildvcs=false" "$go" build -o "$CRIBENCH.new" .) >&2 &&
			mv "$CRIBENCH.new" "$CRIBENCH" && return 0
	done
	bail "cribench does not build: run tools/test-deps.sh first"
}

cribench() {
	"$CRIBENCH" -socket "$SOCKET" -image "$BUSYBOX" -n "$N" -pods "$PODS" -cgroup-parent "$CGROUP_PARENT" -log-dir "$SCRATCH/logs" \
		-daemon "$(daemon_pid)" "$@"
}

# pss PID...: KiB each of the processes uses, its share of shared pages included, one a line
pss() {
	local pid
	for pid in "$@"; do awk '$1 == "Pss:" { print $2 }' "/proc/$pid/smaps_rollup"; done 2>/dev/null
}
