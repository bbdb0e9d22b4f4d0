#!/bin/bash
# systemd.sh - what the tests ask of systemd in a node that has none: they run the kubelet as a unit, end it and start
# it again. Called by links named sudo, systemctl and systemd-run.
#
# A unit is a directory in $CRISP_NODE_UNITS with its command line, its log's path and the pid. One without a command line
# is started by somebody else, unless there is a file "down". Units end with the node.
#
# daemon-reload reads the unit files whose names are in $CRISP_NODE_UNIT_FILES: of those, a stop ends the main process
# (KillMode=process), or all of $CRISP_NODE_UNIT_CGROUP, which the words in $CRISP_NODE_UNIT_WRAP join.
set -u
UNITS=${CRISP_NODE_UNITS:?}

unit_pid() { cat "$UNITS/$1/pid" 2>/dev/null; }
unit_runs() {
	local pid
	pid=$(unit_pid "$1") && [ -d "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status"
}

# unit_key FILE KEY: the last value
unit_key() { sed -n "s/^$2=//p" "$1" | tail -n 1; }

units_read() {
	local name file words
	for name in ${CRISP_NODE_UNIT_FILES:-}; do
		file=/lib/systemd/system/$name
		rm -f "$UNITS/$name/argv"
		[ -e "$file" ] || continue
		mkdir -p "$UNITS/$name"
		read -ra words <<<"${CRISP_NODE_UNIT_WRAP:-} $(unit_key "$file" ExecStart)"
		printf '%s\0' "${words[@]}" >"$UNITS/$name/argv"
		unit_key "$file" KillMode >"$UNITS/$name/killmode"
		echo "$UNITS/$name/output" >"$UNITS/$name/log"
	done
}

# unit_is_enabled UNIT
unit_is_enabled() { ls "/etc/systemd/system/"*".wants/$1" >/dev/null 2>&1 && echo enabled; }

unit_start() {
	local argv
	rm -f "$UNITS/$1/down"
	if [ ! -e "$UNITS/$1/argv" ]; then
		until unit_runs "$1"; do sleep 0.1; done
		return 0
	fi
	mapfile -d '' argv <"$UNITS/$1/argv" || return
	# shellcheck disable=SC2016  # expanded by the inner shell
	setsid bash -c 'echo $$ >"$0"; exec "$@"' "$UNITS/$1/pid.new" "${argv[@]}" \
		>>"$(cat "$UNITS/$1/log")" 2>&1 </dev/null 7>&- &
	until [ -s "$UNITS/$1/pid.new" ]; do sleep 0.05; done
	mv "$UNITS/$1/pid.new" "$UNITS/$1/pid"
}

# unit_pids UNIT: the processes that a stop ends
unit_pids() {
	if [ "$(cat "$UNITS/$1/killmode" 2>/dev/null || echo process)" = process ]; then
		unit_pid "$1"
	else
		find /sys/fs/cgroup -path "*$CRISP_NODE_UNIT_CGROUP/*" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u
	fi
}

# shellcheck disable=SC2046  # words are wanted
unit_kill() { kill "-$2" $(unit_pids "$1") 2>/dev/null; }

# unit_stop UNIT: as systemd, kill what has not ended in time
unit_stop() {
	local tries
	touch "$UNITS/$1/down"
	unit_runs "$1" || return 0
	unit_kill "$1" TERM
	for tries in $(seq 300); do
		unit_runs "$1" || return 0
		sleep 0.1
	done
	unit_kill "$1" KILL
}

# unit_run OPTION... PROGRAM ARGUMENT...: `%%` and `$$` stand for one character each
unit_run() {
	local name= log=/dev/null
	while [ $# -gt 0 ]; do
		case $1 in
		--version) echo "systemd 252 (252)"; return 0 ;;
		--scope) return 1 ;;		# the kubelet then mounts without a scope
		--unit=*) name=${1#*=} ;;
		-p) case $2 in StandardError=*) log=${2#*:} ;; esac; shift ;;
		-*) ;;
		*) break ;;
		esac
		shift
	done
	set -- "${@//%%/%}"
	set -- "${@//\$\$/\$}"
	mkdir -p "$UNITS/$name"
	printf '%s\0' "$@" >"$UNITS/$name/argv"
	echo "$log" >"$UNITS/$name/log"
	unit_start "$name"
}

units_list() {
	local unit state
	for unit in "$UNITS"/*/; do
		unit=$(basename "$unit")
		if unit_runs "$unit"; then state=running; else state=exited; fi
		case ${2:-} in --state=*) [ "${2#*=}" = $state ] || continue ;; esac
		# shellcheck disable=SC2254  # a pattern is wanted
		case $unit in $1) echo "  $unit loaded active $state $unit" ;; esac
	done
}

# unit_of NAME: systemctl takes a service's name without its suffix
unit_of() { if [ -d "$UNITS/$1" ]; then echo "$1"; else echo "$1.service"; fi; }

systemctl() {
	local verb unit
	while [ "${1#--}" != "$1" ]; do shift; done
	verb=$1
	shift
	[ "${1:-}" != -- ] || shift
	case $verb in
	list-units) units_list "$@" ;;
	daemon-reload) units_read ;;
	is-enabled) unit_is_enabled "$1" ;;
	is-active) unit_runs "$1" ;;
	reset-failed | mask) ;;
	start | stop | restart | kill)
		unit=$(unit_of "$1")
		[ -d "$UNITS/$unit" ] || { echo "Unit $1 not loaded." >&2; return 5; }
		exec 7>"$UNITS/$unit/lock"
		flock 7
		case $verb in
		start) unit_runs "$unit" || unit_start "$unit" ;;
		stop) unit_stop "$unit" ;;
		restart) unit_stop "$unit" && unit_start "$unit" ;;
		kill) unit_kill "$unit" TERM ;;
		esac ;;
	*) echo "systemctl $verb is not known in this node" >&2; return 1 ;;
	esac
}

case $(basename "$0") in
sudo) exec "$@" ;;
systemd-run) unit_run "$@" ;;
systemctl) systemctl "$@" ;;
*) echo "usage: by a link named sudo, systemctl or systemd-run" >&2; exit 2 ;;
esac
