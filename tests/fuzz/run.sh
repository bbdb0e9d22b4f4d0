#!/bin/bash
# Fuzz each target for a number of seconds with libFuzzer, ASan and UBSan.
# usage: run.sh SECONDS TARGET.c...
set -eu
seconds=$1
shift
build=${BUILD:-build}/fuzz
make BUILD="$build" CC=clang-14 SAN=address,undefined,fuzzer-no-link "$build/libcrisp.a"
for src in "$@"; do
	name=$(basename "$src" .c)
	extra=$(make -s BUILD="$build" print-extra NAME="$name")
	# shellcheck disable=SC2086
	[ -z "$extra" ] ||
		make BUILD="$build" CC=clang-14 SAN=address,undefined,fuzzer-no-link $extra
	mkdir -p "$build/corpus/$name"
	# shellcheck disable=SC2086
	clang-14 -std=gnu17 -D_GNU_SOURCE -Ulinux -g -O1 -fsanitize=address,undefined,fuzzer \
		-Isrc -I. -Igen "$src" $extra "$build/libcrisp.a" \
		$(make -s BUILD="$build" print-libs NAME="$name") -lpthread -o "$build/$name"
	echo "fuzz $name for $seconds s"
	"$build/$name" -max_total_time="$seconds" -print_final_stats=1 -artifact_prefix="$build/$name-" \
		"$build/corpus/$name" "tests/fuzz/corpus/$name"
done
