#!/bin/bash
# cni.sh - pod networks with the real plugins bridge, host-local and portmap: ADD, CHECK, DEL,
# failures and the undo of a half-made network. The pod is its pinned namespaces; no daemon runs.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"

for plugin in bridge host-local portmap tuning; do
	[ -x "$CNI_PLUGINS/$plugin" ] || skip_all "the CNI plugin $plugin is not installed"
done
BUSYBOX_FILE=$(command -v busybox) || skip_all "busybox is not installed"

DRIVER=$SCRATCH/cni_driver
cc -std=gnu17 -D_GNU_SOURCE -Ulinux -O1 -I"$TOP/src" "$LIB_DIR/cni_driver.c" "$BUILD_DIR/libcrisp.a" \
	-ljansson -lxxhash -lpthread -o "$DRIVER" 2>"$SCRATCH/stderr" ||
	bail "cni_driver does not compile: $(tail -n 5 "$SCRATCH/stderr")"

PIDS=
end() {
	local pid pod
	for pid in $PIDS; do kill -KILL "$pid" 2>/dev/null; done
	for pod in a b c; do
		[ ! -e "$SCRATCH/$pod/conf.json" ] || pod down $pod >/dev/null 2>&1
	done
	harness_cleanup
}
trap end EXIT

# pod COMMAND NAME [PORTS]
pod() {
	mkdir -p "$SCRATCH/$2"
	"$DRIVER" "$1" "$2$RUN_ID" "$SCRATCH/$2" "$CNI_CONF" "$CNI_PLUGINS" ${3:+"$3"}
}

inside() { nsenter --net="$SCRATCH/$1/ns/net" --uts="$SCRATCH/$1/ns/uts" "${@:2}"; }

leases() { find "$SCRATCH/cni/leases" -name '10.*' -printf '%f\n' 2>/dev/null | sort; }

rules() { iptables-save 2>/dev/null | grep -c -- "$1" || true; }

# --- no network yet ----------------------------------------------------------------------------------------------------

check_fails "without a configuration the network is not ready, and the reason says where it was looked for" \
	"no CNI network in $CNI_CONF" "$DRIVER" ready "$CNI_CONF" "$CNI_PLUGINS"
echo '{' >"$CNI_CONF/05-broken.conflist"
check_fails "a broken file is named" "05-broken.conflist: .*not JSON" "$DRIVER" ready "$CNI_CONF" "$CNI_PLUGINS"
cni_write
check "a good file beside it is enough" "$DRIVER" ready "$CNI_CONF" "$CNI_PLUGINS"

# --- up ----------------------------------------------------------------------------------------------------------------

PORT=28080 # in a network namespace of our own
check "a pod gets an address" pod up a $PORT:80
IP_A=$OUT
check_is "it is the address of its eth0" "$IP_A" sh -c \
	"nsenter --net=$SCRATCH/a/ns/net ip -4 -o addr show eth0 | awk '{print \$4}' | cut -d/ -f1"
check_is "its lease is recorded" "$IP_A" leases
check_is "its host name is set" "a$RUN_ID" inside a hostname
check "lo is up inside" inside a "$BUSYBOX_FILE" ping -c 1 -W 5 127.0.0.1
check "a second pod gets an address" pod up b
IP_B=$OUT
check "it is another one" test "$IP_A" != "$IP_B"
check "the pods reach each other" inside b "$BUSYBOX_FILE" ping -c 1 -W 5 "$IP_A"

mkdir -p "$SCRATCH/www"
echo served >"$SCRATCH/www/index.html"
# Not through the function: the shell between would be what is killed at the end.
nsenter --net="$SCRATCH/a/ns/net" "$BUSYBOX_FILE" httpd -f -p 80 -h "$SCRATCH/www" </dev/null >/dev/null 2>&1 &
PIDS="$PIDS $!"
check "the pod's server answers the other pod" poll 10 inside b "$BUSYBOX_FILE" wget -q -O - "http://$IP_A/"
check_is "its host port answers from the node" served curl -fsS --max-time 20 "http://127.0.0.1:$PORT/"
check_is "and from a pod, through the bridge" served inside b curl -fsS --max-time 20 \
	"http://10.88.0.1:$PORT/"
check "CHECK finds everything in place" pod check a
check "there are rules for the host port" test "$(rules "dport $PORT")" -gt 0

# --- what fails --------------------------------------------------------------------------------------------------------

inside b ip link del eth0
check_fails "CHECK tells what is missing" "CNI CHECK, plugin bridge of network" pod check b
check_fails "ADD again for the same pod fails with the plugin's own words" \
	"CNI ADD, plugin bridge of network net-$RUN_ID: code [0-9]+: .*" pod up a
mv "$CNI_CONF/10-test.conflist" "$SCRATCH/conflist"
jq '.plugins += [{"type": "tuning", "sysctl": {"net.no.such": "1"}}]' "$SCRATCH/conflist" >"$CNI_CONF/10-test.conflist"
check_fails "the last plugin of a chain fails: the pod has no network" "plugin tuning of network" pod up c
check_is "until DEL the first one's lease is held" 3 sh -c "find $SCRATCH/cni/leases -name '10.*' | wc -l"
check "DEL after half an ADD succeeds" pod down c
check_is "and gives the lease back" 2 sh -c "find $SCRATCH/cni/leases -name '10.*' | wc -l"
mv "$SCRATCH/conflist" "$CNI_CONF/10-test.conflist"

# --- down --------------------------------------------------------------------------------------------------------------

# The stored configuration counts, whatever is in the directory by now.
mv "$CNI_CONF/10-test.conflist" "$SCRATCH/conflist"
check "DEL works with the directory emptied" pod down a $PORT:80
check "DEL again succeeds" pod down a $PORT:80
check_is "the lease is back" "$IP_B" leases
check_is "no rule for the host port stays" 0 rules "dport $PORT"
check "the namespace is gone" test ! -e "$SCRATCH/a/ns"
check "DEL after a reboot: no namespace, no result" pod down-lost b
check_is "that lease is back too" "" leases
check "and once more" pod down-lost b
check_is "no interface of a pod stays on the bridge" 0 sh -c "ip -o link show master $BRIDGE | wc -l"
check_is "nothing stays mounted" "" mounts_under_scratch

harness_end
