# criulib.sh - the CRIU of tests of checkpoints, and one that misbehaves when it is told to. Source it after lib.sh and
# harness_begin. Skips all where CRIU does not work.

CRIU=$CACHE/peers/criu/bin/criu
[ -x "$CRIU" ] || skip_all "criu could not be fetched: run tools/test-deps.sh with a mirror"
CRIU_SAYS=$("$CRIU" check 2>&1) || skip_all "criu does not work here: $(tail -n 1 <<<"$CRIU_SAYS")"

# criu_moody [FIRST]: a criu in PATH that does what files in $SCRATCH/mood say, from its FIRST run as the runtime's server
# on (default: each run): fails, dies (it is killed), slow (it waits until the file is gone; `begun` appears). A removed
# `count` begins anew.
criu_moody() {
	mkdir -p "$SCRATCH/bin" "$SCRATCH/mood"
	cat >"$SCRATCH/bin/criu" <<-SH
	#!/bin/bash
	mood=$SCRATCH/mood first=${1:-0} n=0
	[ "\$1" != swrk ] || { echo x >>\$mood/count; n=\$(wc -l <\$mood/count); }
	if [ \$n -ge \$first ]; then
		[ ! -e \$mood/fails ] || { echo "criu says no" >&2; exit 1; }
		[ ! -e \$mood/dies ] || kill -KILL \$\$
		if [ -e \$mood/slow ]; then touch \$mood/begun; while [ -e \$mood/slow ]; do sleep 0.05; done; fi
	fi
	exec "$CRIU" "\$@"
	SH
	chmod 755 "$SCRATCH/bin/criu"
	PATH=$SCRATCH/bin:$PATH
}

# A container that counts; one made from its checkpoint counts on. The archive is $ARCHIVE.
OWN_PID='.linux.security_context.namespace_options.pid = 1'
COUNTER="$OWN_PID | "'.command = ["sh", "-c", "i=0; while :; do i=$((i + 1)); echo $i; echo $i >/number; sleep 0.05 & wait $!; done"]'
ARCHIVE=$SCRATCH/out/a.tar
number() { log_text "$1" "$1" | tail -n 1; }
# counts_past POD N: it writes a number above N
counts_past() { poll 20 eval "[ \"\$(number $1)\" -gt $2 ]"; }
# saved POD NAME [JQ [IMAGE]]: create a container from an archive, or from the image of a checkpoint
saved() {
	ctr_config "$2" "${4:-$ARCHIVE}" "$COUNTER | ${3:-.}" >/dev/null
	crictl create "$1" "$SCRATCH/ctr-$2.json" "$SCRATCH/pod-${2%%.*}.json"
}
