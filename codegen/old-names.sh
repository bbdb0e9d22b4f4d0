#!/bin/bash
# List the uses in C of names that the CRI schema has changed, from proto/renames.
# usage: old-names.sh SET.ds  (run by `make old-names`, with BUILD, CC and CFLAGS)
#
# FIX=1: replace those of values, messages and enums, whose names mean nothing else.  A field's name
# can be that of other fields, too: what uses the old one does not compile with CRI_NEW_NAMES.
set -u
set=$1
renames=${RENAMES:-proto/renames}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$BUILD/cri-renames" "$set" "$renames" >"$work/names" || exit 1
if [ ! -s "$work/names" ]; then
	echo "no old names: $renames has none"
	exit 0
fi
find src shim tools tests -name '*.[ch]' | sort >"$work/files"
awk '$1 == "id" { print $2 }' "$work/names" >"$work/ids"
awk '$1 == "field" { print $2 }' "$work/names" >"$work/fields"

if [ "${FIX:-0}" = 1 ]; then
	awk '$1 == "id" { printf "s/\\b%s\\b/%s/g\n", $2, $3 }' "$work/names" >"$work/sed"
	xargs grep -lwFf "$work/ids" <"$work/files" | xargs -r sed -i -f "$work/sed"
fi
{
	xargs grep -nowFf "$work/ids" /dev/null <"$work/files"
	[ ! -s "$work/fields" ] || xargs grep -lwFf "$work/fields" <"$work/files" | grep '\.c$' |
		while read -r file; do
			# shellcheck disable=SC2086
			LC_ALL=C $CC $CFLAGS -DCRI_NEW_NAMES -fsyntax-only "$file" 2>&1
		done | sed -nE "s/^([^:]+:[0-9]+):[0-9]+: error: .*(no member named|designator) '([^']*)'.*/\1:\3/p"
} | sort -t: -k1,1 -k2,2n -u >"$work/uses"
awk -F'[ :]' 'NR == FNR { now[$2] = $3; next } { print $1 ":" $2 ": " $3 " is called " now[$3] " now" }' \
	"$work/names" "$work/uses"
if [ -s "$work/uses" ]; then
	echo "$(wc -l <"$work/uses") uses of old names; change them, then remove the lines of $renames"
else
	echo "no use of an old name is left: remove the lines of $renames"
fi
