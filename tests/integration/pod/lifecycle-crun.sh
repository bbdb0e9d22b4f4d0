#!/bin/bash
# lifecycle-crun.sh - the commands of lifecycle.sh with crun; where the node has both versions of cgroups, which crun refuses,
# without version 2.
set -u
command -v crun >/dev/null || { echo "1..0 # SKIP crun is missing: run tools/test-deps.sh"; exit 77; }
# shellcheck disable=SC2016  # the inner shell expands
exec env CRISP_TEST_RUNTIME=crun unshare --mount bash -c '! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
exec bash "$1"' bash "$(dirname "$0")/lifecycle.sh"
