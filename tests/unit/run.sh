#!/bin/bash
# Run the unit test programs named, as many at a time as there are processors; each prints its own
# cmocka report, one line a program here.
# UNIT_WRAP: a command to run each with.  UNIT_JOBS: how many at a time.
set -u
[ $# -gt 0 ] || { echo "unit: no tests named: 0 passed, 1 failed, 0 skipped"; exit 1; }
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

run_one() {
	local name=${1##*/} out rc p f s

	# shellcheck disable=SC2086
	out=$(timeout 300 ${UNIT_WRAP:-} "$1" 2>&1)
	rc=$?
	p=$(grep -c '^\[       OK' <<<"$out")
	f=$(grep -cE '^\[  FAILED  \] [^0-9]' <<<"$out")
	s=$(grep -cE '^\[  SKIPPED \] [^0-9]' <<<"$out")
	if [ $rc -ne 0 ]; then
		f=$((f > 0 ? f : 1))
		out="not ok $name (exit $rc)"$'\n'$(tail -n 60 <<<"$out")
	else
		f=0
		out="ok $name ($p tests)"
	fi
	echo "$p $f $s" >"$results/$name"
	echo "$out"
}
export -f run_one
export results UNIT_WRAP
printf '%s\0' "$@" | xargs -0 -n 1 -P "${UNIT_JOBS:-$(nproc)}" bash -c 'run_one "$1"' run_one

# A program without a result was killed together with its shell.
passed=0 failed=0 skipped=0
for t in "$@"; do
	if read -r p f s 2>/dev/null <"$results/${t##*/}"; then
		passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	else
		failed=$((failed + 1))
	fi
done
echo "unit: $passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
