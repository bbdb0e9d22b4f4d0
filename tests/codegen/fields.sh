#!/bin/bash
# fields.sh - tools/fields tells reads from writes, follows rpc.bind, descriptors and deprecated fields, asks
# for no field below an unread one, and names each line of proto/unread that is missing or wrong.
#
# usage: fields.sh, from the top of the tree; BUILD as for make.
set -u
build=${BUILD:-build}
command -v "${CLANG:-clang-14}" >/dev/null || { echo "skip fields: clang-14 is not installed"; exit 0; }
make --no-print-directory -s BUILD="$build" "$build/cri-tables" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{tools,gen,src/a,states,proto,tests/conformance/cri-v1}
cp tools/fields tools/fields.awk "$work/tools"
cp tests/codegen/fields.proto "$work/api.proto"
protoc -I"$work" --descriptor_set_out="$work/set" --include_imports api.proto &&
	protoc-c -I"$work" --c_out="$work/gen" api.proto &&
	"$build/cri-tables" "$work/set" "$work/tests/conformance/cri-v1" || exit 1
cat >"$work/src/a/one.c" <<'EOF'
#include "gen/api.pb-c.h"
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
const char *one(const Runtime__V1__AskRequest *r)
{
	Runtime__V1__AskRequest o = RUNTIME__V1__ASK_REQUEST__INIT;

	o.written = "";
	o = (Runtime__V1__AskRequest){ .written = o.read };
	return r->read[0] == 'x' ? r->inner->default_ : r->old;
}
const void *two = &runtime__v1__credentials__descriptor;
EOF
echo 'int by = offsetof(Runtime__V1__AskRequest, bound);' >"$work/gen/cri_rpc.c"
printf 'RuntimeService.Ask     direct\nRuntimeService.Refused refused by the test\n' >"$work/states/rpc.bind"
cat >"$work/proto/unread" <<'EOF'
AskRequest.kept    ignored on purpose
AskRequest.read    ignored once
AskRequest.nothing open    some day
Inner.skipped      later
EOF
cat >"$work/want" <<'EOF'
proto/unread:2: src/a/one.c reads AskRequest.read; remove the line
proto/unread:3: no request has AskRequest.nothing; remove the line
proto/unread:4: write MESSAGE.FIELD, ignored or open, and why
proto/unread: no code reads AskRequest.forgotten (Ask): act on it, or write here why not
proto/unread: no code reads AskRequest.reflected (Ask): act on it, or write here why not
proto/unread: no code reads AskRequest.written (Ask): act on it, or write here why not
EOF
(cd "$work" && BUILD=build tools/fields) >"$work/got" 2>&1
if diff <(sort "$work/want") <(sort "$work/got") >"$work/diff"; then
	echo "ok fields, mistakes"
else
	echo "not ok fields, mistakes"
	sed 's/^/    /' "$work/diff"
	exit 1
fi

# A reader of the message makes its descriptor's fields count.
echo 'const void *three(const Runtime__V1__AskRequest *r) { return r->reflected; }' >>"$work/src/a/one.c"
printf 'AskRequest.%s ignored why\n' kept written forgotten >"$work/proto/unread"
echo 'Inner.skipped open some day' >>"$work/proto/unread"
(cd "$work" && BUILD=build tools/fields) >"$work/got" 2>&1
if grep -q '^ok fields (7 read, 4 with a reason' "$work/got" &&
	grep -q '^Credentials.user	string	Ask	src/a/one.c$' "$work/build/fields.txt" &&
	grep -q '^AskRequest.bound	string	Ask	states/rpc.bind$' "$work/build/fields.txt"; then
	echo "ok fields, table"
else
	echo "not ok fields, table"
	cat "$work/got" "$work/build/fields.txt"
	exit 1
fi
