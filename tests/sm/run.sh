#!/bin/bash
# run.sh - smc: good-*.sm compile to exactly golden/, bad-*.sm are refused with each error's line,
# and each diagnostic has a fixture.
#
# good-*.sm must compile to exactly golden/.  bad-*.sm open with one "# LINE: message" for each
# error, and smc must print these and nothing else (bad-empty.sm has no room for a word).  A diagnostic in smc's sources that no
# fixture provokes is a failure: a proof that was never seen to fail proves nothing.
# "# with: FILE" in a fixture names a machine that is given with it.
# UPDATE=1 rewrites golden/.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
smc=$(realpath "${1:?usage: run.sh SMC}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
count=0

# check NAME COMMAND...: one line of the report; the command's output explains a failure.
check() {
	local name=$1
	shift
	count=$((count + 1))
	if "$@" >"$work/why" 2>&1; then
		echo "ok $count - $name"
	else
		echo "not ok $count - $name"
		sed 's/^/#   /' "$work/why"
		failed=$((failed + 1))
	fi
}

# What the fixture says, and what smc says, in the same form.
refuses() {
	local file=$1 out=$work/refused

	rm -rf "$out"
	mkdir "$out"
	# shellcheck disable=SC2046
	(cd "$here" && "$smc" -o "$out" "$file" $(sed -n 's/^# with: //p' "$file")) 2>"$work/stderr"
	if [ $? -ne 1 ]; then
		echo "smc did not fail"
		return 1
	fi
	if [ -n "$(ls -A "$out")" ]; then
		echo "smc wrote output for a file with errors"
		return 1
	fi
	sed "s/^$file:\([0-9]*\): error: /\1: /" "$work/stderr" >"$work/got"
	if [ -s "$here/$file" ]; then
		sed -n 's/^# \([0-9][0-9]*: .*\)/\1/p' "$here/$file" >"$work/want"
	else
		echo "1: there is no machine in this file; write machine NAME prefix PREFIX" \
			"version N row TYPE [unstored]" >"$work/want"
	fi
	cat "$work/got" >>"$work/provoked"
	[ -s "$work/want" ] || { echo "no expected message in the fixture"; return 1; }
	diff "$work/want" "$work/got"
}

# A printf format becomes a shell pattern; the message may go on behind it.
provoked() {
	local format=$1 pattern message

	pattern=$(printf '%s\n' "$format" | sed -e 's/%\.\*s\|%02x\|%[sdu]/\x01/g' \
		-e 's/[][*?\\]/\\&/g' -e 's/\x01/*/g')
	while IFS= read -r message; do
		# shellcheck disable=SC2053
		[[ ${message#*: } == $pattern* ]] && return 0
	done <"$work/provoked"
	echo "write tests/sm/bad-NAME.sm with: $format"
	return 1
}

fails_with() {
	local want=$1
	shift
	"$@" >"$work/out" 2>&1 && { echo "it did not fail"; return 1; }
	grep -qF -- "$want" "$work/out" || { echo "wanted: $want"; cat "$work/out"; return 1; }
}

golden() {
	"$smc" -o "$work/golden" "$here"/good-*.sm || return 1
	[ -z "${UPDATE:-}" ] || cp "$work"/golden/* "$here/golden/"
	diff -r "$here/golden" "$work/golden"
}

# The same bytes whatever the folder, the name given and the time.
deterministic() {
	(cd "$here" && "$smc" -o "$work/again" ./good-*.sm) || return 1
	diff -r "$work/golden" "$work/again"
}

compiles() {
	local cc=$1 machine

	"$smc" -o "$work/real" "$top"/states/*.sm || return 1
	for machine in "$work"/real/sm_*.c; do
		"$cc" -std=gnu17 -D_GNU_SOURCE -Ulinux -Wall -Wextra -Werror -Wshadow \
			-Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wconversion \
			-I"$top/src" -I"$top/gen" -c "$machine" -o "$work/x.o" || return 1
	done
}

draws() {
	local dot

	for dot in "$work"/real/*.dot "$work"/golden/*.dot; do
		dot -Tsvg "$dot" -o "$work/x.svg" || return 1
		grep -q '<polygon' "$work/x.svg" || return 1
	done
}

mkdir "$work/golden" "$work/again" "$work/real"
: >"$work/provoked"

check "good-*.sm give golden/" golden
check "the output depends on the file alone" deterministic
for cc in gcc clang clang-14; do
	if command -v $cc >/dev/null; then
		check "the real machines compile with $cc -Wconversion" compiles $cc
	fi
done
if command -v dot >/dev/null; then
	check "graphviz draws every machine" draws
fi

for file in "$here"/bad-*.sm; do
	check "$(basename "$file")" refuses "$(basename "$file")"
done
while IFS= read -r format; do
	check "provoked: $format" provoked "$format"
done < <(awk -f "$here/diagnostics.awk" "$top"/codegen/smc_*.c | sort -u)

head -c 140000 /dev/zero | tr '\0' '#' >"$work/large.sm"
printf 'machine\0lamp\n' >"$work/nul.sm"
check "no file" fails_with "cannot read: No such file" "$smc" -o "$work" "$work/none.sm"
check "a file that is too large" fails_with "larger than" "$smc" -o "$work" "$work/large.sm"
check "a NUL byte" fails_with "NUL byte at offset 7" "$smc" -o "$work" "$work/nul.sm"
check "no output folder" fails_with "cannot write" "$smc" -o "$work/none" "$here"/good-*.sm
check "no option" fails_with "usage: smc -o DIR" "$smc" "$here/good-lamp.sm"
check "no input" fails_with "usage: smc -o DIR" "$smc" -o "$work"

echo "1..$count"
echo "# sm: $((count - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
