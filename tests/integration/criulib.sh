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
