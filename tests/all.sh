#!/bin/bash
# all.sh - every stage of the tests, one after the other; the last line adds them up.
#
# A stage is a make target that prints `N passed, N failed, N skipped` as it ends.  One that fails
# does not keep the others from running.
set -u
cd "$(dirname "$0")/.."
stages=(${CRISP_TEST_STAGES:-check asan tsan crash integration conformance})
passed=0 failed=0 skipped=0

log=$(mktemp)
trap 'rm -f "$log"' EXIT
make -j"$(nproc)" all || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
for stage in "${stages[@]}"; do
	echo "== $stage"
	rc=0
	make "$stage" 2>&1 | tee "$log"
	rc=${PIPESTATUS[0]}
	counts=$(grep -oE '[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped' "$log" | tail -n 1)
	if [ -z "$counts" ]; then
		counts="0 passed, $((rc != 0)) failed, 0 skipped"
	fi
	read -r p _ f _ s _ <<<"$counts"
	# A stage that ends badly without a failed test has failed all the same.
	[ "$rc" -eq 0 ] || [ "$f" -gt 0 ] || f=1
	echo "== $stage: $p passed, $f failed, $s skipped"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
