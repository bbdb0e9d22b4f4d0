#!/bin/bash
# mutants.sh - plants one plausible mistake at a time in a copy of an effect and expects a history
# of the simulation to find it.
#
# usage: mutants.sh BUILD
#
# A mistake that no history finds means that a check or a trouble is missing in tests/sim.  SIM_CC,
# SIM_LINK, SIM_OBJ and SIM_LIBS come from make.
set -u

build=${1:?usage: mutants.sh BUILD}
top=$(cd "$(dirname "$0")/../.." && pwd)
seconds=${SIM_MUTANT_SECONDS:-240} # at most, on a loaded machine
histories=1500 # that must be enough; most need ten
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$top" || exit 2
count=0
failed=0

report() {
	count=$((count + 1))
	if [ -z "$2" ]; then
		echo "ok $count - $1"
	else
		echo "not ok $count - $1: $2"
		failed=$((failed + 1))
	fi
}

# plant NAME MESSAGE FILE SED-SCRIPT: in the one file of src/*/ called FILE; MESSAGE is part of what the
# history is refused with.
plant() {
	local name=$1 want=$2 file script=$4 object objects=() out=$work/out

	file=$(echo src/*/"$3")
	sed "$script" "$file" >"$work/mutant.c"
	if cmp -s "$work/mutant.c" "$file"; then
		report "$name" "the mistake could not be planted: $file has changed"
		return
	fi
	for object in $SIM_OBJ; do
		[ "$object" = "$build/${file%.c}.o" ] || objects+=("$object")
	done
	# shellcheck disable=SC2086
	if ! { $SIM_CC -Wno-error -I"$(dirname "$file")" -c "$work/mutant.c" -o "$work/mutant.o" &&
		$SIM_LINK "${objects[@]}" "$work/mutant.o" $SIM_LIBS -o "$work/sim"; } >"$out" 2>&1; then
		report "$name" "it does not build: $(grep -m1 error "$out")"
		return
	fi
	if "$work/sim" -1 -s 1 -n $histories -t "$seconds" >"$out" 2>&1; then
		report "$name" "no history finds it: $(grep ' sim: ' "$out")"
	elif grep -q -- "$want" "$out"; then
		report "$name" ""
	else
		report "$name" "found, but not for \"$want\": $(head -1 "$out")"
	fi
}

plant "an answer comes before the durable commit" "before the commit" commits.c \
	's/if (w->durable)$/if (w->durable \&\& w->obj->seq > 3)/'
plant "a deletion leaves nothing for its event" "no row for the event" commits.c 's/if (keep_ended)$/if (keep_ended \&\& n > 9)/'
plant "a watch outlives its object" "." exec.c \
	'/^static void exec_gone/,/^}/s/stream_close(&s->streams\[i\]);//'
plant "a session that a dead daemon left runs on" "does not know it" exec.c \
	'/^bool exec_shim_says/,/^}/s/!marked || st->state/marked || st->state/'
plant "a name is not freed" "." objects.c 's/^\t*object_drop_name(o);/(void)o;/'
plant "a call that waits for an object which goes is never answered" "calls wait\|never answered" commits.c \
	'/^static void engine_gone/,/^}/s/caller_finish(c, NULL, NULL);/(void)c;/'
plant "a job looks at an object on the worker" "on its worker" container.c \
	'/^static int work_erase(/,/^}/s/reach_end_container(c->row,/reach_end_container(world_find(KIND_CONTAINER, j->id)->sm->row,/'
plant "a descriptor leaks" "descriptors are open" container.c \
	'/^static void container_job_free/,/^}/s/close_fdp(&c->pidfd);//'
plant "a mount is left when a container goes" "left behind\|has no row" bundle.c \
	's/r = mount_remove_below(run, e);/r = 0;/'
plant "a connection that failed is not tried again" "stays in" shim.c \
	'/^void shm_effect_connect/,/^}/s/report(p, SHM_EVENT_NO_MEANS, &e);/;/'
plant "an exit is lost when it arrives during the adoption" "." shim.c \
	'/^void pod_adopted/,/^}/s/on_container(p, &ans->status, &ans->fd);/if (ans->status.state != SHIM_ENDED) &/'
plant "an outcome is reported for a wrong generation" "." shim.c \
	'/^static struct line_wait \*wait_new/,/^}/s/w->gen = o->sm->effect_gen;/w->gen = o->sm->effect_gen - (o->sm->seq > 3);/'
plant "host ports stay open when a pod goes" "leaves its ports\|left behind\|has no row" podports.c \
	'/^int podports_close/,/^}/s/if (r == 0 && lock < 0)$/if (lock != -2)/'
plant "host ports stay closed when they cannot be opened" "closed ports" podports.c \
	'/^int podports_open/,/^}/s/if (r < 0)$/if (r < -99)/'
plant "a failed CNI ADD is taken for done" "." sandbox.c \
	'/^static void done_network_up/,/^}/s/if (j->result < 0)$/if (j->result < 0 \&\& !o)/'

echo "1..$count"
echo "# sim-mutants: $((count - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
