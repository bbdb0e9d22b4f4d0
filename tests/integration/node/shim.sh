#!/bin/bash
# shim.sh - crisp-shim with a real OCI runtime over the daemon's own link (shimdrv.c), without a
# daemon: create, start, kill, exec, terminals, attach, rotation of logs, `log_size_max`, gap
# records of a full disk, exit records.
set -u
. "$(dirname "$0")/../lib.sh"
[ "$(id -u)" = 0 ] || skip_all "only root can run containers"
if [ -z "${SHIM_TEST_INSIDE:-}" ]; then
	exec unshare --mount --propagation private -- env SHIM_TEST_INSIDE=1 bash "$0" "$@"
fi
SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/crisp-shim.XXXXXX")
chmod 755 "$SCRATCH"
CGROUP_PARENT=/crisp-shim-test-$$
export TEST_CGROUP=$CGROUP_PARENT
# Where memory is accounted: the v1 hierarchy when it is mounted, else the one of v2.
TEST_MEMORY=$(awk '$0 ~ / - cgroup / && $NF ~ /(^|,)memory(,|$)/ { print $5; exit }' /proc/self/mountinfo)
export TEST_MEMORY=${TEST_MEMORY:-/sys/fs/cgroup}

cleanup() {
	local rc=$?
	trap - EXIT INT TERM HUP
	[ $rc = 0 ] || tail -n 40 "$SCRATCH"/pods/*/shim.log 2>/dev/null | diag
	local pid
	for pid in $(cut -d ' ' -f 1 "$SCRATCH"/pods/*/shim.pid 2>/dev/null); do
		[ "$(readlink "/proc/$pid/exe")" != "$BUILD_DIR/crisp-shim" ] || kill -KILL "$pid"
	done
	for pid in $(cut -d ' ' -f 1 "$SCRATCH"/pods/*/init.pid 2>/dev/null); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != crisp-init ] || kill -KILL "$pid"
	done
	cgroups_remove
	mounts_remove
	if [ -n "${CRISP_TEST_KEEP:-}" ]; then echo "# kept: $SCRATCH"; else rm -rf --one-file-system "$SCRATCH"; fi
	exit $rc
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

mkdir -p "$SCRATCH"/{rootfs/{bin,proc,dev,sys,etc,out},logs,exits,out,runc,bundles}
cp /bin/busybox "$SCRATCH/rootfs/bin/busybox"
for name in sh sleep cat ls echo tail head tr stty test; do ln -s busybox "$SCRATCH/rootfs/bin/$name"; done
# shellcheck disable=SC2086  # words are wanted
cc -std=gnu17 -D_GNU_SOURCE -Ulinux -O1 ${CRISP_TEST_CFLAGS:-} -I"$TOP/src" -I"$TOP" -o "$SCRATCH/shimdrv" "$LIB_DIR/shimdrv.c" \
	"$LIB_DIR/shimdrv_lib.c" "$BUILD_DIR/libcrisp.a" -lpthread || bail "shimdrv does not compile"
timeout 600 "$SCRATCH/shimdrv" "$BUILD_DIR/crisp-shim" "${TEST_RUNTIME:-$(command -v runc)}" "$SCRATCH" \
	2>"$SCRATCH/stderr"
rc=$?
cat "$SCRATCH/stderr" >&2
exit $rc
