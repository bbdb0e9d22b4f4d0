#!/bin/bash
# Take over another version of the CRI schema: report what differs, bind new RPCs to
# "unimplemented" and keep old names valid so that the build stays green, install the file and its
# tables, generate, list the to-do.
# usage: bump.sh API.PROTO DESCRIPTOR_INCLUDE  (run by `make bump CRI_PROTO=API.PROTO`)
#
# The version is CRI_VERSION, or the vX.Y.Z in the path of API.PROTO.  Nothing is changed when the new
# version cannot talk to the old one, unless BUMP_FORCE=1.
set -u
proto=${1:-}
include=$2
schema=${SCHEMA:-proto/runtime/v1/api.proto}
bindings=${BINDINGS:-states/rpc.bind}
renames=${RENAMES:-proto/renames}
rules=${RULES:-proto/rules}

if [ -z "$proto" ] || [ ! -r "$proto" ]; then
	echo "usage: make bump CRI_PROTO=path/to/api.proto (${proto:-no file} cannot be read)" >&2
	exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/old" "$work/new"
cp "$schema" "$work/old/api.proto"
cp "$proto" "$work/new/api.proto"
for side in old new; do
	protoc -I"$include" -I"$work/$side" --include_imports --include_source_info \
		--descriptor_set_out="$work/$side.ds" google/protobuf/descriptor.proto \
		api.proto || exit 1
done
"$BUILD/cri-diff" "$work/old.ds" "$work/new.ds" >"$work/report"
rc=$?
grep -vE '^(bind|gone|ask|rename) ' "$work/report"
case $rc in
0) ;;
2)
	if [ "${BUMP_FORCE:-0}" != 1 ]; then
		echo "nothing was changed: this version breaks the old one;" \
			"BUMP_FORCE=1 takes it over"
		exit 1
	fi
	;;
*) exit 1 ;;
esac

# take_over FILE: replace it by the text on standard input.
take_over() {
	cat >"$work/text" && cp "$work/text" "$1"
}

# The lines for proto/renames: what was renamed before got its last name.
merge_renames() {
	awk '
		NR == FNR { if ($1 == "rename") { now[$2, $3] = $4; last[++n] = $2 " " $3 " " $4 } next }
		/^#/ || NF != 3 { print; next }
		$1 == "value" || $1 == "field" {
			dot = match($2, /\.[^.]*$/)
			of = substr($2, 1, dot - 1)
			kind = $1 == "value" ? "enum" : "message"
			if ((kind, of) in now)
				of = now[kind, of]
			if (($1, of "." $3) in now)
				$3 = now[$1, of "." $3]
			if (substr($2, dot + 1) != $3)
				print $1, of substr($2, dot), $3
			next
		}
		{ if (($1, $3) in now) $3 = now[$1, $3]; if ($2 != $3) print }
		END { for (i = 1; i <= n; i++) print last[i] }' "$work/report" "$renames"
}

# The same names in the rules and in the bindings; `make gen` names those that this does not find.
sed -nE 's/^rename message ([^ .]*) (.*)/s,^\1\\.,\2.,; s,^(filter |machine .* lists )\1\\b,\\1\2,/p
	s/^rename field ([^.]*)\.(.*) (.*)/s,^\1\\.\2\\b,\1.\3,/p
	s/^rename value .*\.(.*) (.*)/s,(only [^ ]*|unless )\\b\1\\b,\\1\2,/p' "$work/report" >"$work/sed"
for file in "$rules" "$bindings"; do
	sed -E -f "$work/sed" "$file" | take_over "$file"
done
merge_renames | take_over "$renames"

cp "$proto" "$schema"
new=$(sed -n 's/^bind //p' "$work/report" | while read -r rpc; do
	grep -qE "^${rpc//./\\.}[[:space:]]" "$bindings" || echo "$rpc"
done)
if [ -n "$new" ]; then
	{
		printf '\n# New with the last bump\n'
		for rpc in $new; do printf '%-40s unimplemented\n' "$rpc"; done
	} >>"$bindings"
fi
for rpc in $(sed -n 's/^gone //p' "$work/report"); do
	grep -vE "^${rpc//./\\.}[[:space:]]" "$bindings" | take_over "$bindings"
done

# The tables, in a folder named by the version.
old=$(echo tests/conformance/cri-v*)
version=${CRI_VERSION:-$(grep -oE 'v[0-9]+\.[0-9]+\.[0-9]+' <<<"$proto" | tail -1)}
if [ "${BUMP_NO_GEN:-0}" != 1 ]; then
	[ "$old" = "tests/conformance/cri-${version:-${old##*/cri-}}" ] ||
		mv "$old" "tests/conformance/cri-$version"
	"$BUILD/cri-tables" "$work/new.ds" tests/conformance/cri-v* || exit 1
fi

echo
echo "to do:"
[ -z "$new" ] || echo "- $bindings: decide what the new RPCs do; they answer UNIMPLEMENTED now:" $new
grep -qE '^[+] .*secret' "$work/report" &&
	echo "- $rules: is one of the new fields above a secret?"
sed -n 's/^ask //p' "$work/report" | while read -r field; do
	grep -qE "^([^ ]*\.)?${field#*.}[ .]|^${field//./\\.}[ .]" "$rules" || echo "$field"
done >"$work/ask"
[ ! -s "$work/ask" ] ||
	{
		echo "- $rules: new fields of requests without a rule:"
		sed 's/^/    /' "$work/ask"
	}
grep -q '^- ' "$work/report" &&
	echo "- $rules and src: what named the fields that are gone"
if [ -z "$version" ]; then
	echo "- $old: is named by the old version; give CRI_VERSION"
else
	grep -nF "${old##*/cri-v}" README.md src/README.md tests/README.md "$schema" |
		sed -E 's/^([^:]*:[0-9]+):.*/- \1: names the old version/'
fi
[ "${BUMP_NO_GEN:-0}" = 1 ] && exit 0
${MAKE:-make} --no-print-directory gen || exit 1
echo "- old names in the code, which still compile:"
${MAKE:-make} --no-print-directory old-names | sed 's/^/    /'
echo "- make all check"
