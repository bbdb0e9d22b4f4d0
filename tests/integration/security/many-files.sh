#!/bin/bash
# many-files.sh - a container fills its writable layer with many, deep and sparse files: statistics
# answer at once with the last known values, other containers' go on, and the daemon's memory stays
# constant.
#
# Environment: MANY_FILES  files in one directory (100,000; 600,000 was the attack)
#              MANY_DEEP   directories below each other (15,000)
#
# Takes minutes.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
FILES=${MANY_FILES:-100000}
DEEP=${MANY_DEEP:-15000}
GROWTH_KIB=6144
cat >"$SCRATCH/config.d/50-metrics.conf" <<-CONF
	[crio.metrics]
	enable_metrics = true
	metrics_socket = "$SCRATCH/run/metrics.sock"
	metrics_port = 9191
CONF
cat >"$SCRATCH/fill.c" <<'C'
/* Fill a directory: files N | deep N | sparse | links N | games */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 0;
	char name[64];

	if (strcmp(argv[1], "games") == 0) {
		mkdir("game", 0700);
		mkdir("game/a", 0700);
		for (;;) {
			if (rename("game/a", "game/b") || symlink("/", "game/a") || unlink("game/a") ||
			    rename("game/b", "game/a"))
				return 1;
			usleep(1000);
		}
	}
	mkdir(argv[1], 0700);
	if (chdir(argv[1]))
		return 1;
	for (long i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%ld", i);
		if (strcmp(argv[1], "files") == 0 && mknod(name, S_IFREG | 0600, 0))
			return 1;
		if (strcmp(argv[1], "deep") == 0 && (mkdir("d", 0700) || chdir("d")))
			return 1;
		if (strcmp(argv[1], "links") == 0 && (i ? link("0", name) : mknod(name, S_IFREG | 0600, 0)))
			return 1;
	}
	if (strcmp(argv[1], "sparse") == 0) {
		int fd = open("s", O_CREAT | O_WRONLY, 0600);

		for (long i = 0; i < 100; i++)
			if (pwrite(fd, "x", 1, i << 34) != 1)
				return 1;
	}
	return 0;
}
C
cc -O1 -static -o "$SCRATCH/fill" "$SCRATCH/fill.c" || bail "fill does not compile"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"
check "a pod" pod_run p "$HOST_NET"
POD=$OUT
MOUNT=".mounts = [{host_path: \"$SCRATCH/fill\", container_path: \"/fill\", readonly: true}]"
check "a container that fills its layer" ctr_run "$POD" p.bad "$MOUNT"
BAD=$OUT
check "another one" ctr_run "$POD" p.good
GOOD=$OUT

layer() { crictl stats -s 0 -a -o json --id "$1" | jq -r "[.stats[0].writableLayer | .$2.value, .timestamp] | .[${3:-0}]"; }
at_least() { local now; now=$(layer "$1" "$2") && [ "$now" != null ] && [ "$now" -ge "$3" ]; }
rss() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$(daemon_pid)/status"; }
peak() { awk '$1 == "VmHWM:" { print $2 }' "/proc/$(daemon_pid)/status"; }
ask() {
	local i
	for i in 1 2 3 4; do
		crictl stats -s 0 -a -o json && crictl statsp -s 0 -o json && crictl imagefsinfo &&
			curl -fsS --unix-socket "$SCRATCH/run/metrics.sock" http://localhost/metrics || return
	done >/dev/null
}

check "figures before" poll 30 at_least "$BAD" inodesUsed 1
check "all questions are answered before" ask
BEFORE=$(rss)

# --- one directory with many files ---

check "$FILES files" crictl exec --sync "$BAD" /fill files "$FILES"
check "all questions are answered" ask
check "the other container writes" crictl exec --sync "$GOOD" sh -c 'for i in 1 2 3 4 5; do echo >/f$i; done'
check "its figures follow, whatever the first has" poll 60 at_least "$GOOD" inodesUsed 5
check "the files are counted" poll 120 at_least "$BAD" inodesUsed "$FILES"
check "and are in ImageFsInfo" eval '[ "$(crictl imagefsinfo | jq -r ".status.containerFilesystems[0].inodesUsed.value")" -ge $FILES ]'

# --- deep, sparse, linked, moving ---

check "$DEEP directories below each other" crictl exec --sync "$BAD" /fill deep "$DEEP"
check "are counted" poll 120 at_least "$BAD" inodesUsed $((FILES + DEEP))
BYTES=$(layer "$BAD" usedBytes)
check "a sparse file of 1.6 TB" crictl exec --sync "$BAD" /fill sparse
check "a file with 2,000 names" crictl exec --sync "$BAD" /fill links 2000
check "are counted, too" poll 120 at_least "$BAD" inodesUsed $((FILES + DEEP + 4))
check "by what they take" [ "$(layer "$BAD" usedBytes)" -lt $((BYTES + 16777216)) ]
check "and once" [ "$(layer "$BAD" inodesUsed)" -lt $((FILES + DEEP + 100)) ]
check "directories that move and links to the root" crictl exec "$BAD" sh -c '/fill games >/dev/null 2>&1 &'
check "all questions are answered meanwhile" ask
AT=$(layer "$BAD" usedBytes 1)
newer() { [ "$(layer "$BAD" usedBytes 1)" -gt "$AT" ]; }
check "a new figure" poll 120 newer
check "is still that of the layer alone" [ "$(layer "$BAD" inodesUsed)" -lt $((FILES + DEEP + 100)) ]
check "and all are answered after it" ask
echo "# RSS before $BEFORE KiB, now $(rss), peak $(peak)"
check "the daemon's memory has not grown by more than $GROWTH_KIB KiB" [ "$(rss)" -lt $((BEFORE + GROWTH_KIB)) ]
check "nor had it meanwhile" [ "$(peak)" -lt $((BEFORE + 2 * GROWTH_KIB)) ]

# --- restart; the container goes while it is walked ---

daemon_kill
daemon_again
check "after a restart figures come back" poll 120 at_least "$BAD" inodesUsed $((FILES + DEEP))
check "those of the other one, too" poll 30 at_least "$GOOD" inodesUsed 5
daemon_kill
daemon_again
check "a container that is walked is removed" eval 'crictl stop -t 0 "$BAD" && crictl rm "$BAD"'
check_is "and has no figures" "" eval 'crictl stats -s 0 -a -o json --id "$BAD" | jq -r ".stats[].attributes.id"'
below() { [ "$(crictl imagefsinfo | jq -r ".status.containerFilesystems[0].inodesUsed.value")" -lt "$FILES" ]; }
check "nor a share in ImageFsInfo" below
check "everything is removed" everything_remove
harness_end
