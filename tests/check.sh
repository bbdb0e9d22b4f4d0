#!/bin/bash
# check.sh STEP... - run make targets one after the other, show what each says, count everything.
#
# A step's numbers are those of its last line "N passed, N failed"; else its lines "ok" and "not ok"; else
# it is one test.  A step that fails without naming a test is one failure.  Runs all steps, whatever fails.
set -u
passed=0 failed=0 skipped=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

for step in "$@"; do
	p=0 f=0 s=0 began=$SECONDS
	echo "== $step"
	# Not this make's job server: the steps are few and each has jobs of its own.
	MAKEFLAGS='' ${MAKE:-make} -j"$(nproc)" --no-print-directory -s ${CHECK_ARGS:-} "$step" >"$out" 2>&1
	rc=$?
	summary=$(grep -oE '[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?' "$out" | tail -1)
	if [ -n "$summary" ]; then
		read -r p f s < <(tr -dc '0-9 \n' <<<"$summary" | tr -s ' ')
		s=${s:-0}
	else
		p=$(grep -c '^ok\b' "$out")
		f=$(grep -c '^not ok\b' "$out")
		[ $((p + f)) -gt 0 ] || p=1
	fi
	if [ $rc -ne 0 ] && [ "$f" -eq 0 ]; then
		f=1
	fi
	if [ $rc -eq 0 ]; then
		grep -v '^ok\b' "$out"
		echo "ok $step ($p passed${s:+, $s skipped}, $((SECONDS - began)) s)"
	else
		cat "$out"
		echo "not ok $step ($f failed, $((SECONDS - began)) s)"
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
