#!/bin/bash
# conf-files.sh - what CRI-O ignores in its files is reported once and does not stop crispd;
# --strict-config and `crisp check` make it an error. Drop-ins are read as CRI-O reads them, and
# /etc/crio is read when there is nothing in /etc/crisp.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
mkdir -p "$SCRATCH/config.d/20-more"
cat >"$SCRATCH/config.d/00-default" <<'TOML'
[crio.runtime]
manage_ns_lifecycle = true
pids_limt = 5
pids_limit = 77
[crio.metrics]
timezone = ""
[crio.api]
stream_address = ""
stream_port = "10250"
[plugins]
a = 1
TOML
printf '[crio.runtime]\npids_limit = 78\n' >"$SCRATCH/config.d/20-more/.10"
printf '[crio.runtime]\nctr_stop_timeout = 31\n' >"$SCRATCH/config.d/10-a.conf~"
DEFAULT=$SCRATCH/config.d/00-default

daemon_start
# said LINE TEXT: one line of the log has it
said() { check_is "$2 is reported once" 1 grep -c -F "$DEFAULT:$1: $2; ignored, as CRI-O does" "$SCRATCH/daemon.log"; }
said 2 'crio.runtime.manage_ns_lifecycle: former key, it is always so'
said 3 'crio.runtime.pids_limt: unknown key; did you mean crio.runtime.pids_limit?'
said 6 'crio.metrics.timezone: unknown key; did you mean crio.runtime.timezone?'
said 10 'plugins: unknown table'
check_is "nothing else is" 4 grep -c "ignored, as CRI-O does" "$SCRATCH/daemon.log"
in_force() { curl -fsS --unix-socket "$SOCKET" http://localhost/config | grep -F -x "$1"; }
check_is "the last drop-in wins, a hidden one in a folder" "pids_limit = 78" in_force "pids_limit = 78"
check "and any suffix is read" in_force "ctr_stop_timeout = 31"
check "an empty stream_address is each address of IPv4" bash -c '</dev/tcp/127.0.0.1/10250'
[ ! -s /proc/net/if_inet6 ] || check "and of IPv6" bash -c '</dev/tcp/::1/10250'
daemon_stop

# crispd ARGUMENT...: a start that ends by itself
crispd() {
	timeout 60 "$BUILD_DIR/crispd" --root "$SCRATCH/r" --runroot "$SCRATCH/rr" --listen "$SCRATCH/b.sock" "$@" 2>&1
}
check_fails "--strict-config stops the daemon" "strict-config: $DEFAULT:2: crio.runtime.manage_ns_lifecycle" \
	crispd --config "$SCRATCH/crisp.conf" --config-dir "$SCRATCH/config.d" --strict-config
check_is "and lists all of them" 4 grep -c 'msg="configuration".*ignored' <<<"$OUT"

cat >"$SCRATCH/bad.conf" <<'TOML'
[crio]
rot = "/x"
[crio.runtime]
pids_limit = "many"
selinux = 3
uid_mappings = "0:1000:1"
bind_mount_prefix = "/host"
TOML
check_fails "a bad value stops the daemon without it" "does not run.*bad.conf:4: crio.runtime.pids_limit: must be" \
	crispd --config "$SCRATCH/bad.conf" --config-dir ""
check_fails "crisp check fails" "errors" "$BUILD_DIR/crisp" check --config "$SCRATCH/bad.conf"
FOUND=$OUT
for place in '2: crio.rot: unknown' '4: crio.runtime.pids_limit: must' '5: crio.runtime.selinux: must' '6: crio.runtime.uid_mappings' \
	'7: crio.runtime.bind_mount_prefix'; do
	check "and prints line $place" grep -q "error: $SCRATCH/bad.conf:$place" <<<"$FOUND"
done
check_is "no other error" 5 grep -c "^error: " <<<"$FOUND"
check_fails "crisp check reads drop-ins, too" "00-default:3: .*pids_limt" \
	"$BUILD_DIR/crisp" check --config "$SCRATCH/crisp.conf" --config-dir "$SCRATCH/config.d"
check "a file without a mistake passes" "$BUILD_DIR/crisp" check --config "$SCRATCH/crisp.conf"
check_fails "a missing file does not" "does not exist" "$BUILD_DIR/crisp" check --config "$SCRATCH/none"

# What is printed is read back with the same outcome.
printf '[crio.runtime]\nno_pivot = true\npids_limit = 9\n' >"$SCRATCH/good.conf"
check "crispd config prints" eval 'crispd --config "$SCRATCH/good.conf" --config-dir "" config >"$SCRATCH/printed.conf"'
check_is "with comments and the values in force" 2 grep -c -x -e 'pids_limit = 9' -e '# Most processes of a container. -1: no limit.' "$SCRATCH/printed.conf"
check "and reads it" eval 'crispd --config "$SCRATCH/printed.conf" --config-dir "" config >"$SCRATCH/again.conf"'
check "to the same end" cmp "$SCRATCH/printed.conf" "$SCRATCH/again.conf"
check "crispd config --default prints" eval 'CONTAINER_PIDS_LIMIT=3 crispd --config "$SCRATCH/none" config --default >"$SCRATCH/default.conf"'
check "the defaults" grep -q -x 'pids_limit = -1' "$SCRATCH/default.conf"
check "in which nothing is wrong" eval '"$BUILD_DIR/crisp" check --config "$SCRATCH/default.conf" | grep -x "0 errors"'
check_fails "a key without effect yet is one line" "no effect yet: $SCRATCH/good.conf:2: crio.runtime.no_pivot" \
	eval '"$BUILD_DIR/crisp" check --config "$SCRATCH/good.conf"; false'
check_fails "an abbreviated option is none" "unknown option --log-lev; did you mean --log-level" crispd --log-lev debug
check_fails "a variable is named when it is wrong" "CONTAINER_LOG_LEVEL: crio.runtime.log_level: .*loud" \
	env CONTAINER_LOG_LEVEL=loud "$BUILD_DIR/crispd" --config "$SCRATCH/good.conf" --config-dir ""
check "--log takes the log" eval '! crispd --config "$SCRATCH/bad.conf" --config-dir "" --log "$SCRATCH/own.log"'
check_is "away from standard error" "" echo "$OUT"
check "into the file" grep -q 'does not run.*pids_limit' "$SCRATCH/own.log"
check_fails "a form of the log that is none" "log-format: .*yaml.* is neither" crispd --log-format=yaml
for flag in $("$BUILD_DIR/crispd" --help | sed -nE 's/^  (--[a-z-]+).*/\1/p'); do
	grep -q -e "$flag" "$TOP/gen/crispd.bash" && grep -q -e "${flag}[=[]" "$TOP/gen/crispd.zsh" && grep -q -e "-l ${flag#--} " "$TOP/gen/crispd.fish" ||
		not_ok "completion of $flag"
done

# Hostile amounts: an answer in bounded time.
mkdir "$SCRATCH/many"
for i in $(seq 1000 5999); do printf '[crio.runtime]\npids_limit = %d\nnone_%d = 1\n' "$i" "$i" >"$SCRATCH/many/$i"; done
check "5,000 drop-ins are read" eval 'timeout 60 "$BUILD_DIR/crispd" --config "" --config-dir "$SCRATCH/many" config >"$SCRATCH/many.conf"'
check "the last one wins" grep -q -x "pids_limit = 5999" "$SCRATCH/many.conf"
check_fails "of 5,000 unknown keys the first 1,000 are listed" "and 4000 more" \
	timeout 60 "$BUILD_DIR/crisp" check --config /dev/null --config-dir "$SCRATCH/many"
check_is "each with its place" 1000 grep -c "^error: $SCRATCH/many/" <<<"$OUT"
yes '# ten megabytes' | head -c 10000000 >"$SCRATCH/large.conf"
check_fails "a file of 10 MB is refused" "large.conf.*larger" "$BUILD_DIR/crisp" check --config "$SCRATCH/large.conf"

# /etc/crio in place of /etc/crisp, in a mount namespace with another /etc.
mkdir -p "$SCRATCH/etc/crio/crio.conf.d" "$SCRATCH/etc/crisp/crisp.conf.d"
printf '[crio]\nroot = 1\n' >"$SCRATCH/etc/crio/crio.conf.d/00-default"
printf '[crio]\nlog_dir = 1\n' >"$SCRATCH/etc/crisp/crisp.conf.d/10"
etc_crispd() {
	unshare -m sh -c 'mount --bind "$1" /etc && shift && exec "$@"' sh "$SCRATCH/etc" timeout 60 "$BUILD_DIR/crispd" \
		--root "$SCRATCH/r" --runroot "$SCRATCH/rr" --listen "$SCRATCH/b.sock" 2>&1
}
check_fails "/etc/crisp is read" "/etc/crisp/crisp.conf.d/10:2: crio.log_dir: must be a string" etc_crispd
check_is "and then nothing of /etc/crio" 0 eval 'grep -c /etc/crio/ <<<"$OUT" || :'
rm -r "$SCRATCH/etc/crisp"
check_fails "without it /etc/crio is read" "/etc/crio/crio.conf.d/00-default:2: crio.root: must be a string" etc_crispd
check_is "which is said once" 1 grep -c "there is neither /etc/crisp/crisp.conf nor /etc/crisp/crisp.conf.d: /etc/crio/crio.conf" <<<"$OUT"
harness_end
