#!/bin/bash
# run.sh - protoc-gen-crisp: the output for lamp.proto equals golden/ and compiles strictly; each
# bad input is refused with its line; gen/ compiles with -Wconversion.
#
# usage: run.sh [--accept], from the top of the tree; BUILD as for make.  --accept rewrites golden/.
set -u
build=${BUILD:-build}
make --no-print-directory -s BUILD="$build" "$build/protoc-gen-crisp" "$build/confc" \
	"$build/codegen/google/protobuf/descriptor.proto" "$build/codegen/cri.ds" || exit 1
here=tests/codegen
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

ok() { echo "ok $1"; }
not_ok() {
	echo "not ok $1"
	sed 's/^/    /' "${2:-/dev/null}"
	failed=$((failed + 1))
}

# generate OUT PROTO RULES BIND
generate() {
	rm -rf "$1" && mkdir -p "$1" &&
		protoc -I"$build/codegen" -I"$here" --include_imports --include_source_info \
			--descriptor_set_out="$1/set" google/protobuf/descriptor.proto \
			"${2##*/}" &&
		protoc --plugin=protoc-gen-crisp="$build/protoc-gen-crisp" --crisp_out="$1" \
			--crisp_opt="rules=$3,bind=$4" --crisp_opt="source=$2" \
			--descriptor_set_in="$1/set" "${2##*/}"
}

# generate_conf OUT PROTO KEYS: what fills messages from the configuration
generate_conf() {
	mkdir -p "$1" &&
		protoc -I$here --plugin=protoc-gen-crisp="$build/protoc-gen-crisp" --crisp_out="$1" \
			--crisp_opt="keys=$3" --crisp_opt="source=$2" "${2##*/}"
}

# generate_keys OUT KEYS: what confc writes
generate_keys() { mkdir -p "$1" && "$build/confc" -o "$1" "$2"; }

out=$work/out
if generate "$out" $here/lamp.proto $here/good.rules $here/good.bind 2>"$work/err" &&
	generate_conf "$out" $here/order.proto $here/good.keys 2>"$work/err" &&
	generate_keys "$out" $here/good.keys 2>"$work/err"; then
	mkdir "$work/golden" && cp "$out"/cri_* "$out"/*_conf.[ch] "$out"/{conf_*,crisp*} "$work/golden"
	[ "${1:-}" != --accept ] || cp "$work"/golden/* $here/golden/
	if diff -r $here/golden "$work/golden" >"$work/diff"; then
		ok "golden output"
	else
		not_ok "golden output (run.sh --accept takes it over)" "$work/diff"
	fi
else
	not_ok "golden output" "$work/err"
fi

# A second run gives the same bytes.
generate "$work/again" $here/lamp.proto $here/good.rules $here/good.bind
generate_conf "$work/again" $here/order.proto $here/good.keys
generate_keys "$work/again" $here/good.keys
for f in "$work"/golden/*; do
	cmp -s "$f" "$work/again/${f##*/}" || not_ok "same bytes twice: ${f##*/}"
done
ok "same bytes twice"

strict="-std=gnu17 -D_GNU_SOURCE -Ulinux -O2 -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes
	-Wmissing-prototypes -Wvla -Wformat=2 -Wconversion"
protoc-c --descriptor_set_in="$out/set" --c_out="$out" lamp.proto
protoc-c -I$here --c_out="$out" order.proto
for cc in gcc clang-14; do
	command -v $cc >/dev/null || { echo "skip $cc is not installed"; continue; }
	bad=0
	for f in "$out"/{cri_*,*_conf,conf_keys}.c gen/{cri_*,*_conf,conf_keys}.c; do
		inc=$([[ $f = gen/* ]] && echo "-Igen -I." || echo "-I$out -I$here -I.")
		# shellcheck disable=SC2086
		$cc $strict $inc -Isrc -c "$f" -o "$work/x.o" 2>>"$work/cc" || bad=1
	done
	[ $bad = 0 ] && ok "strict compile, $cc" || not_ok "strict compile, $cc" "$work/cc"
	# shellcheck disable=SC2086
	if $cc $strict -g -fsanitize=address,undefined -Isrc -I"$out" -I$here $here/dispatch.c \
		"$out"/cri_{rpc,validate,print}.c "$out/lamp.pb-c.c" -lprotobuf-c \
		-o "$work/dispatch" 2>"$work/err" && "$work/dispatch" 2>>"$work/err"; then
		ok "dispatch, $cc"
	else
		not_ok "dispatch, $cc" "$work/err"
	fi
done

# A handler that nobody wrote is a link error that names it.
sed 's/^int rpc_new_repair(/int rpc_new_repair_not(/' $here/dispatch.c >"$work/dispatch.c"
if gcc -std=gnu17 -D_GNU_SOURCE -Isrc -I"$out" -I$here "$work/dispatch.c" \
	"$out"/cri_{rpc,validate,print}.c "$out/lamp.pb-c.c" -lprotobuf-c -o "$work/x" 2>"$work/err" ||
	! grep -q 'undefined reference to .rpc_new_repair' "$work/err"; then
	not_ok "missing handler" "$work/err"
else
	ok "missing handler"
fi

# states/rpc.bind is what runs: RPCs with each other's words do each other's work, the fields of a
# filter with each other's tests select by each other's.
# come_to BIND: builds a table from it and prints what swap.c sees.
come_to() {
	rm -rf "$work/table" && mkdir "$work/table" &&
		protoc --plugin=protoc-gen-crisp="$build/protoc-gen-crisp" \
			--crisp_out="$work/table" --crisp_opt="rules=proto/rules,bind=$1" \
			--crisp_opt=source=proto/runtime/v1/api.proto \
			--crisp_opt=source=proto/crisp/v1/admin.proto \
			--descriptor_set_in="$build/codegen/cri.ds" api.proto admin.proto &&
		gcc -std=gnu17 -D_GNU_SOURCE -Ulinux -Isrc -I. -Igen -no-pie \
			-Wl,--unresolved-symbols=ignore-all $here/swap.c src/api/{events,reads}.c \
			src/base/{buf,str,util}.c "$work/table/cri_rpc.c" gen/sm_*.c gen/api.pb-c.c \
			-lprotobuf-c -o "$work/swap" && "$work/swap"
}
cat >"$work/want" <<-'EOF'
	ListContainers all: aa1 aa2 bb3
	ListContainerStats all: aa1 bb3
	ListContainers id=aa: aa1 aa2
	ListContainerStats id=aa: aa1
	ListContainers pod=aa: bb3
	ListContainerStats pod=aa: bb3
	ListContainers state=exited: aa2
	ListContainerStats state=exited: aa1 bb3
	ListContainers app=db: bb3
	ListContainerStats app=db: bb3
	ContainerStatus gone: error 5
	ImageStatus gone: no listing
	StopPodSandbox here: sandbox.stop
	RemovePodSandbox here: sandbox.remove
	StopPodSandbox gone: OK
	RemovePodSandbox gone: OK
	StopPodSandbox broken: OK
	RemovePodSandbox broken: removed from quarantine
EOF
cat >"$work/want-swapped" <<-'EOF'
	ListContainers all: aa1 bb3
	ListContainerStats all: aa1 aa2 bb3
	ListContainers id=aa: bb3
	ListContainerStats id=aa: aa1 aa2
	ListContainers pod=aa: aa1
	ListContainerStats pod=aa: bb3
	ListContainers state=exited:
	ListContainerStats state=exited: aa1 aa2 bb3
	ListContainers app=db: bb3
	ListContainerStats app=db: bb3
	ContainerStatus gone: no row
	ImageStatus gone: error 5
	StopPodSandbox here: sandbox.remove
	RemovePodSandbox here: sandbox.stop
	StopPodSandbox gone: OK
	RemovePodSandbox gone: OK
	StopPodSandbox broken: removed from quarantine
	RemovePodSandbox broken: OK
EOF
sed -E 's/^(RuntimeService\.)Stop(PodSandbox )/\1Other\2/
	s/^(RuntimeService\.)Remove(PodSandbox )/\1Stop\2/
	s/^(RuntimeService\.)Other/\1Remove/
	s/^(RuntimeService\.ListContainerStats .*) unless .*/\1/
	s/^RuntimeService\.ListContainers .*/& unless CONTAINER_EXITED/
	s/^(ImageService\.ImageStatus .*) gone=ok/\1/
	s/^RuntimeService\.ContainerStatus .*/& gone=ok/
	s/^(filter ContainerFilter .*id=)prefix(.*id=)parent/\1parent\2prefix/' states/rpc.bind >"$work/swapped.bind"
cp states/rpc.bind "$work/bind"
for of in "bind want" "swapped.bind want-swapped"; do
	if come_to "$work/${of% *}" >"$work/got" 2>"$work/err" &&
		diff "$work/${of#* }" "$work/got" >>"$work/err"; then
		ok "what RPCs come to, ${of#* }"
	else
		not_ok "what RPCs come to, ${of#* }" "$work/err"
	fi
done

for f in $here/bad-*; do
	proto=$here/lamp.proto rules=$here/good.rules bind=$here/good.bind
	case $f in
	*.rules) rules=$f ;;
	*.bind) bind=$f ;;
	*.proto) proto=$f ;;
	esac
	name=${f##*/}
	make=(generate "$out" "$proto" "$rules" "$bind")
	[[ $f != *.keys ]] || make=(generate_keys "$out" "$f")
	[[ $f != */bad-conf* ]] || make=(generate_conf "$out" "$proto" "$here/good.keys")
	if "${make[@]}" >"$work/err" 2>&1; then
		not_ok "$name: accepted"
		continue
	fi
	good=1 want=0
	while IFS= read -r line; do
		[[ $line =~ ^[0-9A-Za-z.-]+: ]] && want=$((want + 1)) line=$here/$line
		grep -qF -- "$line" "$work/err" || { good=0; echo "missing: $line" >>"$work/err"; }
	done < <(sed -nE 's,^(#|//) expect ,,p' "$f")
	[ $want -gt 0 ] || good=0
	grep -qE "(^|: )$want mistakes?\$" "$work/err" || good=0
	[ $good = 1 ] && ok "$name" || not_ok "$name" "$work/err"
done

# Files and options that are not there.
if generate "$out" $here/lamp.proto "$work/none" $here/good.bind >"$work/err" 2>&1 ||
	! grep -qF "$work/none: cannot be read: No such file" "$work/err"; then
	not_ok "missing rules file" "$work/err"
else
	ok "missing rules file"
fi
if generate_conf "$out" $here/order.proto "$work/none" >"$work/err" 2>&1 ||
	! grep -qF "$work/none: cannot be read: No such file" "$work/err"; then
	not_ok "missing table of keys" "$work/err"
else
	ok "missing table of keys"
fi
if "$build/protoc-gen-crisp" </dev/null >"$work/err" 2>&1 ||
	! grep -q 'no plugin request' "$work/err"; then
	not_ok "no request" "$work/err"
else
	ok "no request"
fi

echo "codegen: $failed failed"
[ $failed -eq 0 ]
