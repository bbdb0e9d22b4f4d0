#!/bin/bash
# run.sh - run integration scripts, several at a time, each in a world of its own; one line for
# each, then a summary.
#
# usage: run.sh [-j N] [SCRIPT...]      (default: all scripts in the folders beside this file, one more
# at a time than there are processors, since scripts wait a lot)
#   CRISP_TEST_LIMIT   seconds before one script is given up (default 900)
# A script's whole output is shown when it fails.  Scripts with a line "# Takes minutes." begin first,
# so that none of them is the last to end.
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
JOBS=$(($(nproc) + 1))
if [ "${1:-}" = -j ]; then JOBS=$2; shift 2; fi
if [ $# = 0 ]; then
	mapfile -t ALL < <(grep -lx '# Takes minutes.' "$HERE"/*/*.sh && grep -Lx '# Takes minutes.' "$HERE"/*/*.sh)
	set -- "${ALL[@]}"
fi
OUT=$(mktemp -d "${TMPDIR:-/tmp}/crisp-results.XXXXXX")
trap 'rm -rf "$OUT"' EXIT

run_one() {
	local name=${1##*/} rc=0 began=$SECONDS
	timeout -k 60 "${CRISP_TEST_LIMIT:-900}" bash "$1" >"$OUT/$name.log" 2>&1 || rc=$?
	echo "$rc" >"$OUT/$name.rc"
	case $rc in
	0) echo "ok       $name ($(grep -c '^ok ' "$OUT/$name.log") checks, $((SECONDS - began)) s)" ;;
	77) echo "skipped  $name: $(sed -n 's/^1\.\.0 # SKIP //p' "$OUT/$name.log")" ;;
	*)
		echo "FAILED   $name (status $rc, $((SECONDS - began)) s)"
		sed 's/^/    /' "$OUT/$name.log"
		;;
	esac
}
export -f run_one
export OUT
printf '%s\0' "$@" | xargs -0 -r -n 1 -P "$JOBS" bash -c 'run_one "$1"' run_one

# What left no status was killed together with its shell: that is a failure too.
passed=0 failed=0 skipped=0
for script in "$@"; do
	case $(cat "$OUT/${script##*/}.rc" 2>/dev/null) in
	0) passed=$((passed + 1)) ;;
	77) skipped=$((skipped + 1)) ;;
	*) failed=$((failed + 1)) ;;
	esac
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
