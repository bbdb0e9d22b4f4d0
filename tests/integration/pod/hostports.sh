#!/bin/bash
# hostports.sh - host ports in a network without portmap: TCP, UDP, SCTP, IPv4 and IPv6, host_ip,
# 127.0.0.1, pods through the node. Two pods with one port, flushed rules, killed daemons, a missing
# or failing nft, disable_hostport_mapping: the port is open or the pod has an error.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
for program in nft socat; do
	command -v $program >/dev/null || skip_all "$program is not installed"
done
registry_start
cat >"$CNI_CONF/10-test.conflist" <<-CONF
	{"cniVersion": "1.0.0", "name": "net-$RUN_ID", "plugins": [
	  {"type": "bridge", "bridge": "$BRIDGE", "isGateway": true, "ipMasq": true, "hairpinMode": true,
	   "ipam": {"type": "host-local", "dataDir": "$SCRATCH/cni/leases",
	            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
	            "ranges": [[{"subnet": "10.88.0.0/16"}], [{"subnet": "fd00:88::/64"}]]}}
	]}
	CONF

# A neighbour of the node, in a network namespace of its own.
unshare --net sleep infinity &
OUTSIDE=$!
poll 10 eval '[ "$(readlink /proc/$OUTSIDE/ns/net)" != "$(readlink /proc/self/ns/net)" ]'
outside() { nsenter --net="/proc/$OUTSIDE/ns/net" "$@"; }
ip link add out0 type veth peer name out1
ip link set out1 netns $OUTSIDE
for side in "0 1" "1 2"; do
	set -- $side
	run=$([ "$1" = 0 ] || echo outside)
	$run ip addr add "192.0.2.$2/24" dev "out$1"
	$run ip addr add "2001:db8::$2/64" dev "out$1" nodad
	$run ip link set "out$1" up
done
outside ip link set lo up
outside ip route add default via 192.0.2.1
outside ip -6 route add default via 2001:db8::1
NODE=192.0.2.1 NODE6='[2001:db8::1]'

# server NAME PORTS: a pod with an HTTP and a UDP server, and a file with the pod's name; its id is in $POD
server() {
	check "pod $1" pod_run "$1" ".port_mappings = $2" || return
	POD=$OUT
	check "its servers" ctr_run "$POD" "$1" ".command = [\"sh\", \"-c\",
		\"echo $1 >/tmp/index.html; httpd -p 80 -h /tmp; udpsvd -E :: 53 sh -c 'read x; echo $1' & wait\"]" || return
	poll 20 port_open "$OUT" 80
	CTR=$OUT
}
get() { curl -gfsS --max-time 5 "http://$1/"; }
# ask ADDRESS:PORT [OPTION]: one packet and its answer, from a port of the client that stays
ask() { echo | socat -T 2 - "UDP:$1,reuseaddr${2:+,$2}"; }
inside() { nsenter --net="/proc/$(crictl inspect "$1" | jq .info.pid)/ns/net" "${@:2}"; }
table() { nft list tables | awk '/crisp-hostports-/ { print $3 }'; }
rules() { nft list table inet "$(table)"; }
closed() { ! get "$1" >/dev/null 2>&1; }

daemon_start
check "pull" crictl pull "$BUSYBOX"
# The first pod creates what stays: the bridge, directories.
server first '[{host_port: 8080, container_port: 80}]'
check "all pods go" everything_remove
world_snapshot >"$SCRATCH/world.before"

# --- traffic -----------------------------------------------------------------------------------------------------------

# An entry of the client's from before there is a pod: it leads nowhere.
outside bash -c "$(declare -f ask); ask $NODE:8053 sourceport=5353" >/dev/null 2>&1
server a '[{protocol: 0, host_port: 8080, container_port: 80}, {protocol: 1, host_port: 8053, container_port: 53},
	{protocol: 2, host_port: 8090, container_port: 90}, {host_port: 8081, container_port: 80, host_ip: "192.0.2.1"},
	{host_port: 8082, container_port: 80, host_ip: "2001:db8::1"}, {host_port: 8083, container_port: 80, host_ip: "0.0.0.0"},
	{host_port: 0, container_port: 80}]'
A=$POD CTR_A=$CTR
check_is "UDP from outside, of a client that asked before" a outside bash -c "$(declare -f ask); ask $NODE:8053 sourceport=5353"
check_is "TCP from outside" a outside bash -c "$(declare -f get); get $NODE:8080"
check_is "TCP from outside over IPv6" a outside bash -c "$(declare -f get); get $NODE6:8080"
check_is "UDP from outside over IPv6" a outside bash -c "$(declare -f ask); ask $NODE6:8053"
check_is "from the node" a get $NODE:8080
check_is "from the node to 127.0.0.1" a get 127.0.0.1:8080
check_is "from the node to 127.0.0.1 over UDP" a ask 127.0.0.1:8053
check_is "from the node over IPv6" a get "$NODE6:8080"
check_fails "::1 stays the node's own" "connect to ::1 port 8080 after" get "[::1]:8080"
check_is "host_ip answers" a outside bash -c "$(declare -f get); get $NODE:8081"
check "other addresses do not" closed 127.0.0.1:8081
check "nor does IPv6" closed "$NODE6:8081"
check_is "host_ip of IPv6 answers" a get "$NODE6:8082"
check "IPv4 does not" closed $NODE:8082
check_is "0.0.0.0 is each address of IPv4" a get 127.0.0.1:8083
check "and none of IPv6" closed "$NODE6:8083"
check "SCTP has rules" eval 'rules | grep -q "sctp . 8090 comment \"'"${A:0:13}"'\" : 10.88.[0-9.]* . 90"'
check_is "a pod reaches itself through the node" a inside "$CTR_A" bash -c "$(declare -f get); get $NODE:8080"
check_is "over UDP, too" a inside "$CTR_A" bash -c "$(declare -f ask); ask $NODE:8053"
server b '[{host_port: 8180, container_port: 80}]'
B=$POD CTR_B=$CTR
check_is "another pod reaches it through the node" a inside "$CTR_B" bash -c "$(declare -f get); get $NODE:8080"
check_is "and through the bridge's address" a inside "$CTR_B" bash -c "$(declare -f get); get 10.88.0.1:8080"
check_is "and over IPv6" a inside "$CTR_B" bash -c "$(declare -f get); get $NODE6:8080"
check_is "a connection elsewhere keeps its way" b get $NODE:8180

# A neighbour on the bridge with a route to the node's 127.0.0.1: the rules stop its packets.
socat -u UDP-RECV:8300,bind=127.0.0.1 "CREATE:$SCRATCH/heard" &
HEARER=$!
ip link add att0 type veth peer name att1
ip link set att1 netns $OUTSIDE
ip link set att0 master "$BRIDGE" up
outside sh -c 'ip addr add 10.88.200.1/16 dev att1; ip link set att1 up
	echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
	ip route del local 127.0.0.0/8 dev lo table local; ip route del local 127.0.0.1 dev lo table local
	ip route add 127.0.0.1/32 via 10.88.0.1 dev att1'
attack() { echo "$1" | outside socat -u - UDP:127.0.0.1:8300; }
attack first
nft flush chain inet "$(table)" guard
check "without the rule of the table it would" poll 20 eval 'attack second; grep -q second "$SCRATCH/heard"'
check "a neighbour does not reach the node's loopback" eval '! grep -q first "$SCRATCH/heard"'
check "the rule comes back" poll 60 eval 'rules | grep -q "ip daddr 127.0.0.0/8 drop"'
ip link del att0
kill $HEARER
wait $HEARER 2>/dev/null

# --- conflicts ---------------------------------------------------------------------------------------------------------

check_fails "another pod with the same port: the error names port and pod" "Unavailable.*host port tcp 8080: pod ${A:0:13} has it" \
	pod_run c '.port_mappings = [{host_port: 8080, container_port: 80}]'
check_fails "an address of a port that another pod has as a whole" "host port tcp 127.0.0.1 8080: pod ${A:0:13}" \
	pod_run c '.port_mappings = [{host_port: 8080, container_port: 80, host_ip: "127.0.0.1"}]'
socat TCP6-LISTEN:8600 - >/dev/null &
LISTENER=$!
poll 10 eval 'ss -Hltn "sport = 8600" | grep -q .'
check_fails "a port at which a process of the node listens" "Unavailable.*host port tcp 8600: a process of the node listens there" \
	pod_run c '.port_mappings = [{host_port: 8600, container_port: 80, host_ip: "192.0.2.1"}]'
kill $LISTENER
wait $LISTENER 2>/dev/null
check_is "the first pod keeps its port" a get $NODE:8080
check_is "nothing of the other is left" "2" eval 'crictl pods -q | wc -l'
server d '[{protocol: 1, host_port: 8080, container_port: 53}, {host_port: 8081, container_port: 80, host_ip: "127.0.0.1"}]'
D=$POD
check_is "the same number of another protocol is free" d ask $NODE:8080
check_is "the same port of another address is free" d get 127.0.0.1:8081
crictl rmp -f "$D" >/dev/null 2>&1

# --- rules that others remove, and killed daemons ----------------------------------------------------------------------

outside bash -c "$(declare -f ask); ask $NODE:8053 sourceport=5454" >/dev/null
nft delete table inet "$(table)"
check "without rules the port is closed" closed $NODE:8080
check "a removed table comes back" poll 60 get $NODE:8080
check "the log says so" grep -q 'the rules of host ports were changed' "$SCRATCH/daemon.log"
daemon_kill
check_is "without a daemon the port is open" a get $NODE:8080
nft flush table inet "$(table)"
nft add table inet "other$RUN_ID"
daemon_again
check "a start writes flushed rules" poll 20 get $NODE:8080
check_is "UDP of a client with an old entry" a outside bash -c "$(declare -f ask); ask $NODE:8053 sourceport=5454"
check_is "tables of others stay" 1 eval 'nft list tables | grep -c other'
nft delete table inet "other$RUN_ID"
daemon_kill
nft "add element inet $(table) ports4 { tcp . 8999 comment \"feedfacefeedf\" : 10.88.9.9 . 80 }"
daemon_again
check "a start removes rules of unknown pods" poll 20 eval '! rules | grep -q 8999'

# The daemon is killed at different moments of a pod's start and stop; the client asks again.
for ms in 05 15 20 25 35; do
	(sleep "0.$ms"; kill -KILL "$(daemon_pid)") &
	crictl runp "$(pod_config k '.port_mappings = [{host_port: 8400, container_port: 80}]')" >/dev/null 2>&1
	wait $!
	daemon_again
	check "kill after 0.$ms s: the same request succeeds" pod_run k '.port_mappings = [{host_port: 8400, container_port: 80}]'
	K=$OUT
	check_is "its port leads to it once" 1 eval 'rules | grep -c "tcp . 8400 comment \"'"${K:0:13}"'\" : 10.88"'
	(sleep "0.$ms"; kill -KILL "$(daemon_pid)") &
	crictl stopp "$K" >/dev/null 2>&1
	wait $!
	daemon_again
	check "its stop succeeds" crictl stopp "$K"
	check_is "its port is closed" 0 eval 'rules | grep -c 8400 || :'
	crictl rmp "$K" >/dev/null
done
check_is "the other pods' ports are open" "$(printf 'a\nb')" eval "get $NODE:8080; get $NODE:8180"

# --- the next pod with the same port -----------------------------------------------------------------------------------

outside bash -c "$(declare -f ask); ask $NODE:8053 sourceport=5555" >/dev/null
crictl rmp -f "$A" >/dev/null 2>&1
check "its port is closed with the pod" closed $NODE:8080
server e '[{host_port: 8080, container_port: 80}, {protocol: 1, host_port: 8053, container_port: 53}]'
check_is "TCP leads to the new pod" e get $NODE:8080
check_is "UDP, too, for a client of the old one" e outside bash -c "$(declare -f ask); ask $NODE:8053 sourceport=5555"
check_fails "a host_ip of a family that the pod lacks is named" "host_ip 192.0.2.1 of host port 8500: the pod has no IPv4" eval \
	"sed -i 's/\[{\"subnet\": \"10.88.0.0\\/16\"}\], //' '$CNI_CONF/10-test.conflist'
	pod_run f '.port_mappings = [{host_port: 8500, container_port: 80, host_ip: \"192.0.2.1\"}]'"
sed -i 's/"ranges": \[/"ranges": [[{"subnet": "10.88.0.0\/16"}], /' "$CNI_CONF/10-test.conflist"

# --- settings and missing tools ----------------------------------------------------------------------------------------

check "all pods go" everything_remove
check_is "with the last port the table goes" "" table
world_diff "nothing is left behind" "$SCRATCH/world.before"
daemon_stop
daemon_start --disable-hostport-mapping=true
server g '[{host_port: 8080, container_port: 80}]'
check "disable_hostport_mapping: no port" closed $NODE:8080
check_is "and no rule" "" table
check "it goes" everything_remove
daemon_stop

# nft is a script of ours, or missing.
mkdir "$SCRATCH/bin"
ln -sf /usr/sbin/* /usr/bin/* "$SCRATCH/bin/"
rm "$SCRATCH/bin/nft"
CRISP_TEST_WRAP="env PATH=$SCRATCH/bin" daemon_start
check_fails "without nft a pod with a host port fails, and the error says what to install" \
	"no nft in PATH: install nftables, or a CNI plugin with the capability portMappings" \
	pod_run h '.port_mappings = [{host_port: 8080, container_port: 80}]'
check "a pod without one runs" pod_run i
check_is "nothing of the failed one stays" 1 eval 'crictl pods -q | wc -l'
check "all pods go" everything_remove
printf '#!/bin/sh\necho "Could not process rule: Operation not supported" >&2\nexit 1\n' >"$SCRATCH/bin/nft"
chmod 755 "$SCRATCH/bin/nft"
check_fails "an nft that the kernel refuses: its words" "nft: exit status 1: Could not process rule: Operation not supported" \
	pod_run j '.port_mappings = [{host_port: 8080, container_port: 80}]'
check "all pods go" everything_remove
check "no lease stays" poll 20 eval '[ -z "$(find "$SCRATCH/cni/leases" -name "10.*")" ]'
kill $OUTSIDE
harness_end
