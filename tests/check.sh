#!/bin/bash
# check.sh STEP[,STEP...]... - run make targets one after the other, those with a comma between them
# at the same time; show what each says, count everything.
#
# A step's numbers are those of its last line "N passed, N failed"; else its lines "ok" and "not ok"; else
# it is one test.  A step that fails without naming a test is one failure.  Runs all steps, whatever fails.
set -u
passed=0 failed=0 skipped=0
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# The output goes to $out/STEP, status and seconds to $out/STEP.rc.
step_run() {
	local began=$SECONDS rc=0
	# Not this make's job server: the steps are few and each has jobs of its own.
	MAKEFLAGS='' ${MAKE:-make} -j"$(nproc)" --no-print-directory -s ${CHECK_ARGS:-} "$1" >"$out/$1" 2>&1 || rc=$?
	echo "$rc $((SECONDS - began))" >"$out/$1.rc"
}

step_report() {
	local p=0 f=0 s=0 rc=1 took=0 summary
	read -r rc took <"$out/$1.rc"
	summary=$(grep -oE '[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?' "$out/$1" | tail -1)
	if [ -n "$summary" ]; then
		read -r p f s < <(tr -dc '0-9 \n' <<<"$summary" | tr -s ' ')
		s=${s:-0}
	else
		p=$(grep -c '^ok\b' "$out/$1")
		f=$(grep -c '^not ok\b' "$out/$1")
		[ $((p + f)) -gt 0 ] || [ "$rc" -ne 0 ] || p=1
	fi
	[ "$rc" -eq 0 ] || [ "$f" -gt 0 ] || f=1
	if [ "$rc" -eq 0 ]; then
		grep -v '^ok\b' "$out/$1"
		echo "ok $1 ($p passed${s:+, $s skipped}, $took s)"
	else
		cat "$out/$1"
		echo "not ok $1 ($f failed, $took s)"
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

for group in "$@"; do
	echo "== ${group//,/ }"
	for step in ${group//,/ }; do step_run "$step" & done
	wait
	for step in ${group//,/ }; do step_report "$step"; done
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
