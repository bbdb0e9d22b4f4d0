#!/bin/bash
# bump.sh - make bump binds additions, refuses breaks, keeps old names good in C; it takes a tree
# with the CRI schema v0.36.3, and one with v0.33.0, to this tree's: it generates gen/ and the old
# names, the code compiles with old and with new names, the to-do list names each.
#
# usage: bump.sh, from the top of the tree; BUILD as for make.  The schemas are written from the tables
# in cri/ and tests/conformance.
set -u
build=${BUILD:-build}
tools=(protoc-gen-crisp smc cri-diff cri-renames cri-tables)
make --no-print-directory -s BUILD="$build" "${tools[@]/#/$build/}" \
	"$build/codegen/google/protobuf/descriptor.proto" || exit 1
here=tests/codegen
now=$(echo tests/conformance/cri-v*)
version=${now##*/cri-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

ok() { echo "ok $1"; }
not_ok() {
	echo "not ok $1"
	tail -n 60 "${2:-/dev/null}" | sed 's/^/    /'
	failed=$((failed + 1))
}

# bump OLD-SCHEMA NEW: on copies, without generating
bump() {
	cp $here/bump-old.proto "$work/schema.proto"
	printf 'Lamps.SwitchOn    event lamp.on\nLamps.SwitchOnAll read\n' >"$work/bind"
	printf 'SwitchOnRequest.name required\nSwitchOnRequest.level range 1..\n' >"$work/rules"
	printf '# words\nvalue Colour.BLANK WHITE\nvalue Colour.COLOUR_WHITE WHITE\nfield SwitchOnRequest.watts level\n' \
		>"$work/renames"
	SCHEMA=$work/schema.proto BINDINGS=$work/bind RENAMES=$work/renames RULES=$work/rules BUMP_NO_GEN=1 BUILD=$build codegen/bump.sh \
		"$1" "$build/codegen" >"$work/report" 2>&1
}
expect_report() {
	local line
	for line in "${@:2}"; do
		grep -qxF -- "$line" "$work/report" ||
			{
				echo "missing: $line" >>"$work/report"
				not_ok "$1" "$work/report"
				return
			}
	done
	ok "$1"
}
if bump $here/bump-ok.proto && cmp -s $here/bump-ok.proto "$work/schema.proto" &&
	grep -qE '^Lamps.Dim +unimplemented$' "$work/bind"; then
	expect_report "bump, additions" '+ rpc Lamps.Dim: DimRequest -> SwitchOnResponse' \
		'+ message DimRequest' '+ enum Colour: GREEN = 2' \
		'- SwitchOnRequest.level (2) is gone: remove its rule and what reads it' \
		'+ SwitchOnRequest.handler is now deprecated' \
		'+ SwitchOnRequest.token (5, string, redacted): does it need a rule, is it a secret?' \
		'6 differences, 0 of them incompatible'
else
	not_ok "bump, additions" "$work/report"
fi
if ! bump $here/bump-break.proto && cmp -s $here/bump-old.proto "$work/schema.proto" &&
	! grep -q SwitchOff "$work/bind"; then
	expect_report "bump, incompatible" '! rpc Lamps.SwitchOn is gone' \
		'! SwitchOnRequest.name was string, is int64' \
		'! SwitchOnRequest.level was int32, is repeated int32' \
		'! SwitchOnRequest.handler changed its number from 3' \
		'! enum Colour: RED changed its number from 1' '7 differences, 5 of them incompatible'
else
	not_ok "bump, incompatible" "$work/report"
fi
if BUMP_FORCE=1 bump $here/bump-break.proto &&
	grep -qE '^Lamps.SwitchOff +unimplemented$' "$work/bind" &&
	! grep -qE '^Lamps.SwitchOn ' "$work/bind" &&
	grep -q '^Lamps.SwitchOnAll read' "$work/bind"; then
	ok "bump, forced"
else
	not_ok "bump, forced" "$work/report"
fi

cat >"$work/want" <<-'EOF'
	# words
	value Colour.BLANK COLOUR_WHITE
	field LightRequest.watts brightness
	message SwitchOnRequest LightRequest
	field LightRequest.level brightness
	field LightRequest.rooms places
	value Colour.WHITE COLOUR_WHITE
EOF
printf 'LightRequest.name required\nLightRequest.brightness range 1..\n' >"$work/want-rules"
if bump $here/bump-names.proto && diff "$work/want" "$work/renames" >>"$work/report" &&
	diff "$work/want-rules" "$work/rules" >>"$work/report"; then
	expect_report "bump, other names" '~ message SwitchOnRequest is called LightRequest now' \
		'~ LightRequest.level (2) is called brightness now' \
		'~ enum Colour: WHITE (0) is called COLOUR_WHITE now' '4 differences, 0 of them incompatible'
else
	not_ok "bump, other names" "$work/report"
fi

# Both names are good in C; with CRI_NEW_NAMES the new ones alone.
protoc -I$here --include_imports --descriptor_set_out="$work/names.ds" bump-names.proto &&
	protoc-c --descriptor_set_in="$work/names.ds" --c_out="$work" bump-names.proto &&
	"$build/cri-renames" "$work/names.ds" "$work/renames" "$work/bump-names.pb-c.h"
for cc in gcc clang-14; do
	command -v $cc >/dev/null || continue
	use() {
		$cc -std=gnu17 -Wall -Wextra -Werror -Wconversion "$@" -I"$work" $here/old-names.c \
			"$work/bump-names.pb-c.c" -lprotobuf-c -o "$work/use" 2>>"$work/err" && "$work/use"
	}
	: >"$work/err"
	if use -DOLD && use && use -DCRI_NEW_NAMES && ! use -DOLD -DCRI_NEW_NAMES; then
		ok "old and new names, $cc"
	else
		not_ok "old and new names, $cc" "$work/err"
	fi
done
printf 'value Colour.BLUE AZURE\nfield level brightness\n' >"$work/renames"
"$build/cri-renames" "$work/names.ds" "$work/renames" >"$work/err" 2>&1
if grep -qF "$work/renames:1: Colour.BLUE: the schema has no AZURE; remove this line" "$work/err" &&
	grep -qF "$work/renames:2: write value ENUM.OLD NEW, field MESSAGE.OLD NEW" "$work/err"; then
	ok "bad lines of renames"
else
	not_ok "bad lines of renames" "$work/err"
fi

# schema TABLES: the .proto that they describe
schema() { awk -f $here/tables.awk "$1/fields.tsv" "$1/enums.tsv" "$1/rpcs.tsv"; }

mkdir "$work/$version"
schema "$now" >"$work/$version/api.proto"

# old_tree DIR TABLES: a copy of this tree with that schema, where signals have their old names and the
# RPCs that only the new schema has, and no code serves, no binding; they are in $unbound.
old_tree() {
	mkdir "$1" "$1/build"
	cp -a Makefile README.md codegen proto states gen src shim tools tests "$1" || return
	cp -p "${tools[@]/#/$build/}" "$1/build"
	mv "$1/$now" "$1/tests/conformance/cri-${2##*/}"
	schema "$2" >"$1/proto/runtime/v1/api.proto"
	sed -i '/^[^#]/d' "$1/proto/renames"
	unbound=$(awk -F'\t' 'NR == FNR { old[$1 "." $2] = 1; next } !(($1 "." $2) in old) { print $1 "." $2 }' \
		"$2/rpcs.tsv" "$now/rpcs.tsv" | while read -r rpc; do
		grep -oE "^${rpc//./\\.} +(refused|unimplemented)" states/rpc.bind | sed 's/ .*//'
	done)
	for rpc in $unbound; do sed -i "/^${rpc//./\\.} /d" "$1/states/rpc.bind"; done
	sed -i 's/V1__SIGNAL__SIGNAL_/V1__SIGNAL__/' "$1"/src/oci/*.c "$1"/tests/unit/test_oci_spec.c
}

# code FILE: sorted, without comments, old names and the reasons of refused RPCs
code() {
	gcc -fpreprocessed -dD -E -P "$1" | grep -vE '^#define RUNTIME__V1__SIGNAL__|\.refusal = ' |
		sed '/^#ifndef CRI_NEW_NAMES/,/^#endif/d' | sort
}
same_gen() {
	local f
	for f in gen/api.pb-c.[ch] gen/cri_*.[ch]; do
		diff <(code "$f") <(code "$1/$f") || { echo "$f"; return 1; }
	done
}

# compiles DIR FLAG FILE...
compiles() {
	(cd "$1" && printf '%s\n' "${@:3}" | xargs -P 2 -n 8 gcc -std=gnu17 -D_GNU_SOURCE -Ulinux -Wall -Wextra \
		-Werror -Wmissing-prototypes -Isrc -I. -Igen "$2" -fsyntax-only)
}

# What has names of the CRI; and what of it has those that are renamed.
mapfile -t users < <(grep -lE 'V1__' src/*/*.c src/*.c tools/cli/*.c && ls gen/api.pb-c.c gen/cri_*.c)
renamed=(src/oci/signals.c src/oci/spec.c)

# same_tables DIR: as this tree's, in any order
same_tables() {
	local f
	for f in fields enums rpcs; do diff <(sort "$now/$f.tsv") <(sort "$1/$f.tsv") || return 1; done
}

for tables in "$here"/cri/v*; do
	old=${tables##*/}
	tree=$work/$old
	old_tree "$tree" "$tables" || exit 1
	if make -C "$tree" --no-print-directory -s BUILD=build bump CRI_PROTO="$work/$version/api.proto" \
		>"$work/report" 2>&1; then
		ok "$old to $version"
	else
		not_ok "$old to $version" "$work/report"
		continue
	fi
	{
		echo '~ enum Signal: SIGRTMAX (65) is called SIGNAL_SIGRTMAX now'
		echo '+ Mount.mount_options (11, repeated string): does it need a rule, is it a secret?'
		for rpc in $unbound; do echo "+ rpc $rpc: "; done
		[ -z "$unbound" ] || echo "they answer UNIMPLEMENTED now: ${unbound//$'\n'/ }"
		echo "src/oci/signals.c:$(grep -n 'SIGNAL_SIGRTMAX,' src/oci/signals.c | cut -d: -f1):" \
			'RUNTIME__V1__SIGNAL__SIGRTMAX is called RUNTIME__V1__SIGNAL__SIGNAL_SIGRTMAX now'
	} >"$work/want"
	grep -oFf "$work/want" "$work/report" | sort -u | diff <(sort -u "$work/want") - >"$work/err" &&
		ok "$old: the to-do list" || { cat "$work/report" >>"$work/err"; not_ok "$old: the to-do list" "$work/err"; }
	same_tables "$tree/tests/conformance/cri-$version" >"$work/err" 2>&1 &&
		ok "$old: the tables" || not_ok "$old: the tables" "$work/err"
	same_gen "$tree" >"$work/err" 2>&1 && ok "$old: gen/" || not_ok "$old: gen/" "$work/err"
	compiles "$tree" -UCRI_NEW_NAMES "${users[@]}" >"$work/err" 2>&1 && ok "$old: old names compile" ||
		not_ok "$old: old names compile" "$work/err"
	users=("${renamed[@]}") # gen/ is the same after the next bump
done

# The old names, changed by make, are gone.
make -C "$tree" --no-print-directory -s BUILD=build old-names FIX=1 >"$work/report" 2>&1
if grep -q '^no use of an old name is left' "$work/report" && cmp src/oci/signals.c "$tree/src/oci/signals.c" &&
	compiles "$tree" -DCRI_NEW_NAMES "${renamed[@]}" >>"$work/report" 2>&1; then
	ok "old names are replaced"
else
	not_ok "old names are replaced" "$work/report"
fi

# This tree's own schema and tables are one.
mkdir "$work/tables"
make --no-print-directory -s BUILD="$build" "$build/codegen/api.ds" &&
	"$build/cri-tables" "$build/codegen/api.ds" "$work/tables" && same_tables "$work/tables" >"$work/err" 2>&1 &&
	ok "api.proto equals its tables" || not_ok "api.proto equals its tables" "$work/err"

echo "bump: $failed failed"
[ $failed -eq 0 ]
