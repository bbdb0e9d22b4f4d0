#!/bin/bash
# Run the unit test programs named; each prints its own cmocka report, one line a program here.
# UNIT_WRAP: a command to run each with.
set -u
passed=0 failed=0 skipped=0
[ $# -gt 0 ] || { echo "unit: no tests named: 0 passed, 1 failed, 0 skipped"; exit 1; }
for t in "$@"; do
	# shellcheck disable=SC2086
	out=$(timeout 300 ${UNIT_WRAP:-} "$t" 2>&1)
	rc=$?
	p=$(grep -c '^\[       OK' <<<"$out")
	f=$(grep -cE '^\[  FAILED  \] [^0-9]' <<<"$out")
	s=$(grep -cE '^\[  SKIPPED \] [^0-9]' <<<"$out")
	passed=$((passed + p)) skipped=$((skipped + s))
	if [ $rc -ne 0 ]; then
		failed=$((failed + (f > 0 ? f : 1)))
		echo "not ok $(basename "$t") (exit $rc)"
		tail -n 60 <<<"$out"
	else
		echo "ok $(basename "$t") ($p tests)"
	fi
done
echo "unit: $passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
