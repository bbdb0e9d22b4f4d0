#!/bin/bash
# Take over another version of the CRI schema: report what differs, bind new RPCs to
# "unimplemented" so that the build stays green, install the file, generate, list the to-do.
# usage: bump.sh API.PROTO DESCRIPTOR_INCLUDE  (run by `make bump CRI_PROTO=API.PROTO`)
#
# Nothing is changed when the new version cannot talk to the old one, unless BUMP_FORCE=1.
set -u
proto=${1:-}
include=$2
schema=${SCHEMA:-proto/runtime/v1/api.proto}
bindings=${BINDINGS:-states/rpc.bind}

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
grep -vE '^(bind|gone) ' "$work/report"
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

cp "$proto" "$schema"
new=$(sed -n 's/^bind //p' "$work/report")
if [ -n "$new" ]; then
	{
		printf '\n# New with the last bump\n'
		for rpc in $new; do printf '%-40s unimplemented\n' "$rpc"; done
	} >>"$bindings"
fi
for rpc in $(sed -n 's/^gone //p' "$work/report"); do
	grep -vE "^${rpc//./\\.}[[:space:]]" "$bindings" >"$work/bindings"
	cp "$work/bindings" "$bindings"
done

echo
echo "to do:"
[ -z "$new" ] || echo "- $bindings: decide what the new RPCs do; they answer UNIMPLEMENTED now"
grep -q '^[+] .*rule' "$work/report" &&
	echo "- proto/rules: rules and secrets of the new fields above"
grep -q '^- ' "$work/report" &&
	echo "- proto/rules and src: what named the fields that are gone"
echo "- tests/conformance: the tables of the new version, for tests/unit/test_schema.c; its name in"
echo "  codegen/gen.mk"
echo "- make gen check"
[ "${BUMP_NO_GEN:-0}" = 1 ] || ${MAKE:-make} --no-print-directory gen
