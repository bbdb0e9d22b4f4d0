#!/bin/bash
# cdi-files.sh - crisp and the CDI project's own library judge the same specification files alike, good
# and bad ones in JSON and YAML, and find the same devices. No daemon runs.
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"

GOCLIENT=$CACHE/bin/goclient
[ -x "$GOCLIENT" ] || bail "goclient is missing: run tools/test-deps.sh first"

# Each file alone in a directory.
for file in "$TOP"/tests/fuzz/corpus/fuzz_cdi/{good,bad}-*; do
	mkdir -p "$SCRATCH/files/${file##*/}"
	cp "$file" "$SCRATCH/files/${file##*/}/"
done
"$GOCLIENT" cdi "$SCRATCH"/files/* >"$SCRATCH/library" 2>"$SCRATCH/stderr" || bail "goclient: $(tail -n 3 "$SCRATCH/stderr")"

# crisp_verdict DIR: as goclient prints it
crisp_verdict() {
	local json
	if json=$("$BUILD_DIR/crisp" -o json cdi --dir "$1" 2>&1); then
		echo "good $(jq -r '[.devices[].name] | join(" ")' <<<"$json")"
	else
		jq -r '"bad " + .errors[0]' <<<"$json"
	fi
}
# verdicts PATTERN: of those whose names match, beside one another where they differ
verdicts() {
	local dir crisp library
	for dir in "$SCRATCH"/files/$1; do
		crisp=$(crisp_verdict "$dir")
		library=$(awk -v dir="$dir" '$1 == dir { sub(/^[^ ]* /, ""); print }' "$SCRATCH/library")
		# Errors have words of their own.
		[ "${crisp%% *}" = "${1%%-*}" ] && [ "${library%% *}" = "${1%%-*}" ] &&
			{ [ "${crisp%% *}" = bad ] || [ "$crisp" = "$library" ]; } && continue
		echo "${dir##*/}: crisp: $crisp, library: $library"
	done
}
GOOD=$(ls -d "$SCRATCH"/files/good-* | wc -l) BAD=$(ls -d "$SCRATCH"/files/bad-* | wc -l)
check "there are $GOOD good and $BAD bad files" test "$GOOD" -ge 25 -a "$BAD" -ge 25
check_is "both accept the good ones, with the same devices" "" verdicts 'good-*'
check_is "both refuse the bad ones" "" verdicts 'bad-*'
check_is "each refusal of crisp names the file" "" eval 'for dir in "$SCRATCH"/files/bad-*; do
	[[ "$(crisp_verdict "$dir")" == "bad $dir/${dir##*/}: "* ]] || echo "${dir##*/}"; done'

# All in one directory: devices of several files are conflicts, which both find.
mkdir "$SCRATCH/all"
cp "$SCRATCH"/files/good-*/* "$SCRATCH/all/"
"$GOCLIENT" cdi "$SCRATCH/all" >"$SCRATCH/library"
check "the library finds conflicts" grep -q 'conflicting device .*vendor.com/gpu=gpu0' "$SCRATCH/library"
check_fails "and so does crisp" "device .*vendor.com/gpu=gpu0.* is in both" "$BUILD_DIR/crisp" cdi --dir "$SCRATCH/all"
harness_end
