#!/bin/bash
# deb.sh - the Debian package in a node of its own: an upgrade, also an interrupted one, leaves 20
# pods as they are, removal leaves them running, purge waits for them and then leaves nothing. Its
# default configuration has no effect, and the demo runs from it.
#
# The packages are made of the programs in CRISP_TEST_BUILD. The node has /usr, /etc and /var of its
# own, with a copy of dpkg's database; tests/node-e2e/systemd.sh is its systemd.
#
# Takes minutes.
set -u
NODE_NO_KUBELET=yes
. "$(dirname "$0")/../../kubelet/node.sh"
PODS=20

# --- outside -----------------------------------------------------------------------------------------------------------

# package VERSION [OPTIONS]: make it of the programs that are tested
package() {
	env -u MAKEFLAGS -u MAKELEVEL DEB_BUILD_OPTIONS="${2:-}" make -s -C "$TOP" BUILD="$SCRATCH/pack" \
		DEB_PROGRAMS="$BUILD_DIR" DEB_VERSION="$1" deb >"$SCRATCH/out/deb-$1" 2>&1 ||
		{ tail -n 20 "$SCRATCH/out/deb-$1" >&2; return 1; }
}

packages() {
	check "a package of the version before" package "$VERSION~1" noautodbgsym || return
	check "a package of this version" package "$VERSION" || return
	check_is "lintian has nothing to say" "" lintian --allow-root --tag-display-limit 0 \
		"$SCRATCH/pack/deb/crisp_${VERSION}_$ARCH.changes"
}

# --- inside: the node --------------------------------------------------------------------------------------------------

# The directories that dpkg writes to. Those of containers cannot be on an overlay, so /var/lib is plain.
node_own_files() {
	node_cover /usr && node_cover /etc && node_cover /var/cache || return
	mkdir -p "$SCRATCH/varlib" && cp -a /var/lib/dpkg "$SCRATCH/varlib" && mount --bind "$SCRATCH/varlib" /var/lib || return
	rm -rf /etc/crisp /etc/crio /etc/cni/net.d &&
		mkdir -p /run/systemd/system /var/lib/systemd /etc/crisp/crisp.conf.d "$CNI_CONF" || return
	# A file of the administrator's, since this systemd has no bus.
	printf '[crio.runtime]\ncgroup_manager = "cgroupfs"\n' >/etc/crisp/crisp.conf.d/10-node.conf
}

# Without systemctl in its usual place, deb-systemd-helper makes the links of units by itself.
node_systemd() {
	rm -f /usr/bin/systemctl /usr/sbin/policy-rc.d
	mkdir -p "$SCRATCH"/fake/{bin,units}
	ln -s "$TOP/tests/node-e2e/systemd.sh" "$SCRATCH/fake/bin/systemctl"
	export PATH=$SCRATCH/fake/bin:$PATH CRISP_NODE_UNITS=$SCRATCH/fake/units CRISP_NODE_UNIT_FILES=crisp.service \
		CRISP_NODE_UNIT_WRAP=$CRISP_TEST_WRAP CRISP_NODE_UNIT_CGROUP=$NODE_RUNTIME_CGROUP
}

unit_pid() { cat "$CRISP_NODE_UNITS/crisp.service/pid"; }
unit_down() { [ ! -d "/proc/$(unit_pid)" ]; }
# The file that the daemon's process has: "PATH (deleted)" after it was replaced.
unit_program() { readlink "/proc/$(unit_pid)/exe"; }
serves() { crisp version; }

# node_files: files, users and groups; not those of dpkg, man-db and OCI runtimes. What others install
# on the machine meanwhile is not in the upper directories.
node_files() {
	{
		find "$SCRATCH"/fake/cover-{usr,etc,var-cache}/upper ! -type d ! -path '*/upper/man*' ! -name ld.so.cache
		find /usr /etc -xdev -name '*crisp*'
		find /var/lib /var/log /run -xdev ! -path '/var/lib/dpkg/*' ! -path /var/log/dpkg.log \
			! -path '/run/crun*' ! -path '/run/runc*' -printf '%y %m %p\n'
	} | sort
	getent passwd
	getent group
}

dpkg_status() { dpkg-query -W -f '${db:Status-Abbrev}' crisp; }

# --- inside: pods ------------------------------------------------------------------------------------------------------

start_time() { sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20; }

# shims: of the first pods, with their start
shims() {
	local pod
	for pod in $POD_IDS; do echo "$pod $(cat "$RUNROOT/pods/$pod/shim.pid")" || return; done
}

# processes: each container with its process and that one's start; asks no daemon
processes() {
	local id pid
	for id in $CONTAINERS; do
		pid=$(cat "$SCRATCH/out/pid-$id") && echo "$id $pid $(start_time "$pid")" || return
	done
}

# told: what the daemon says of them
told() {
	local id
	for id in $CONTAINERS; do
		crictl inspect "$id" | jq -r '"\(.status.id) \(.info.pid) \(.status.state) \(.status.startedAt)"' || return
	done
}

same() {
	check_is "$1: the containers are the same processes" "$PROCESSES" processes
	check_is "$1: below the same shims" "$SHIMS" shims
}

same_and_told() {
	same "$1"
	check_is "$1: crispd says so" "$TOLD" told
	check "$1: and takes an exec" crictl exec --sync "$(head -n 1 <<<"$CONTAINERS")" true
}

# pods_start: prints the containers' ids
pods_start() {
	local n pod id
	for n in $(seq $PODS); do
		pod=$(pod_run "p$n") && id=$(ctr_run "$pod" "p$n") || return
		crictl inspect "$id" | jq .info.pid >"$SCRATCH/out/pid-$id"
		echo "$id"
	done
}

# --- inside: the story -------------------------------------------------------------------------------------------------

# effect [OPTION...]: of the configuration
effect() { crispd "$@" config >"$SCRATCH/out/effect" && sha256sum <"$SCRATCH/out/effect"; }

install_old() {
	check "install" dpkg -i "$OLD"
	check "crispd serves" poll 30 serves || return
	check_is "from the package" /usr/sbin/crispd unit_program
	check_is "the default file changes nothing" "$(effect --config /dev/null)" effect
	cp /etc/crisp/crisp.conf "$SCRATCH/out"
	sed -i -e 's/^#\([a-z_]* = \)/\1/' -e 's/^#\[/[/' /etc/crisp/crisp.conf
	check_is "nor does any of its keys" "$(effect --config /dev/null)" effect
	cp "$SCRATCH/out/crisp.conf" /etc/crisp
}

upgrade_halfway() {
	check "dpkg unpacks the new version" dpkg --unpack "$NEW"
	check_is "crispd of the old version runs on" "/usr/sbin/crispd (deleted)" unit_program
	same_and_told "unpacked"
	check "it starts pods with the new shim" pod_run between
	check_is "dpkg knows that something is to be done" "iU " dpkg_status
	kill -KILL "$(unit_pid)"
	poll 10 unit_down
	systemctl start crisp.service
	check "the new daemon serves" poll 30 serves
	check_is "from the package" /usr/sbin/crispd unit_program
	same_and_told "started before the package is set up"
	check "dpkg --configure" dpkg --configure crisp
	check "crispd serves" poll 30 serves
	same_and_told "set up"
}

# The script of the package is killed while crispd restarts.
upgrade_killed() {
	check "back to the old version" dpkg -i "$OLD"
	check "crispd serves" poll 30 serves
	same_and_told "an older version"
	mkdir "$SCRATCH/fake/deadly"
	cat >"$SCRATCH/fake/deadly/systemctl" <<-'SH'
	#!/bin/bash
	case " $* " in *" restart "*) pkill -KILL -f '/crisp.postinst configure' ;; esac
	exec "${0%/*}/../bin/systemctl" "$@"
	SH
	chmod +x "$SCRATCH/fake/deadly/systemctl"
	check_fails "a script that is killed is an error" 'crisp.*killed|error processing package crisp' \
		env PATH="$SCRATCH/fake/deadly:$PATH" dpkg -i "$NEW"
	check_is "dpkg knows that something is to be done" "iF " dpkg_status
	same "killed"
	check "dpkg --configure -a" dpkg --configure -a
	check_is "the package is installed" "ii " dpkg_status
	check "crispd serves" poll 30 serves
	same_and_told "set up again"
}

# A shim of another protocol beside this daemon, as after an unpacking that broke off.
mixed() {
	cp /usr/libexec/crisp/crisp-shim "$SCRATCH/out/shim" && cp "$SCRATCH/out/other-shim" /usr/libexec/crisp/.new &&
		mv /usr/libexec/crisp/.new /usr/libexec/crisp/crisp-shim
	check_fails "a pod with a shim of another version is refused" \
		'crispd and crisp-shim are of different versions' pod_run mixed
	same_and_told "mixed"
	check "installing the package again mends it" dpkg -i "$NEW"
	check "crispd serves" poll 30 serves
	check "pods start" pod_run mended
	same_and_told "mended"
}

remove_and_purge() {
	check "removal" dpkg -r crisp
	check "crispd has ended" poll 30 unit_down
	same "removed"
	check_fails "purge refuses while pods run" 'pods and containers run' dpkg -P crisp
	same "purge refused"
	check "the state is there" [ -s "$ROOT/state/data.mdb" ]
	check "install again" dpkg -i "$NEW"
	check "crispd serves" poll 30 serves
	same_and_told "installed again"
	check "all pods are removed" everything_remove
	poll 60 trash_is_gone
	check "removal" dpkg -r crisp
	poll 30 unit_down
	mkdir "$ROOT/a b" "$SCRATCH/precious" && touch "$SCRATCH/precious/file"
	mount --bind "$SCRATCH/precious" "$ROOT/a b"
	(cd "$ROOT/a b" && exec sleep 300) &
	sleeper=$!
	poll 10 eval '[ "$(readlink /proc/$sleeper/cwd)" = "$ROOT/a b" ]'
	check_fails "purge refuses to go through a mount" "mounts below $ROOT cannot be undone" dpkg -P crisp
	check "and removes nothing" [ -s "$ROOT/state/data.mdb" ]
	kill $sleeper && wait $sleeper
	check "purge" dpkg -P crisp
	check "files behind a mount stay" [ -e "$SCRATCH/precious/file" ]
}

life() {
	CNI_CONF=/etc/cni/net.d REGISTRIES_CONF=/etc/containers/registries.conf SOCKET=/run/crisp/crisp.sock
	ROOT=/var/lib/crisp RUNROOT=/run/crisp
	OLD=$SCRATCH/pack/deb/crisp_$VERSION~1_$ARCH.deb NEW=$SCRATCH/pack/deb/crisp_${VERSION}_$ARCH.deb
	node_own_files && node_systemd || bail "the node's files cannot be made"
	cni_write "packaged"
	registries_conf_write
	crictl_configure
	node_files >"$SCRATCH/out/files.before"
	install_old && check "pull" crictl pull "$BUSYBOX" && check "$PODS pods start" pods_start || return
	CONTAINERS=$OUT POD_IDS=$(crictl pods -q)
	PROCESSES=$(processes) SHIMS=$(shims) TOLD=$(told)
	check_is "each has a container" $PODS eval 'wc -l <<<"$PROCESSES"'
	upgrade_halfway
	crictl rmp -f "$(crictl pods -q --name between)" >/dev/null
	upgrade_killed
	mixed
	crictl rmp -f "$(crictl pods -q --name mended)" >/dev/null
	check "the demo runs from the package" bash /usr/share/doc/crisp/examples/demo.sh
	remove_and_purge
	node_files >"$SCRATCH/out/files.after"
	check_is "no file, user or group is left" "" diff "$SCRATCH/out/files.before" "$SCRATCH/out/files.after"
	check_is "no mount is left" "" eval 'grep -E "/(run|var/lib)/crisp" /proc/self/mountinfo || :'
	check_is "no cgroup is left below the pods' parent" "" find /sys/fs/cgroup -type d -path "*$CGROUP_PARENT/*"
	check_is "no process is left" "" eval 'pgrep -a crisp || :'
}

# other_shim: crisp-shim with another version of its protocol
other_shim() {
	local tree=$SCRATCH/other
	mkdir "$tree" && cp -a "$TOP"/{Makefile,codegen,gen,proto,shim,src,states,tests,tools} "$tree" || return
	sed -i 's/^#define SHIM_VERSION 1$/#define SHIM_VERSION 99/' "$tree/src/shimproto/shimproto.h"
	env -u MAKEFLAGS -u MAKELEVEL make -s -C "$tree" BUILD=build OPT=-O0 build/crisp-shim >&2 &&
		cp "$tree/build/crisp-shim" "$SCRATCH/out/other-shim" && rm -r "$tree"
}

VERSION=$(sed -n 's/^#define CRISP_VERSION "\(.*\)"/\1/p' "$TOP/src/base/version.h")
ARCH=$(dpkg --print-architecture)
if node_inside; then
	node_enter
	life
	[ $FAILURES = 0 ] || tail -n 40 "$CRISP_NODE_UNITS/crisp.service/output" | diag
	exit 0
fi
command -v dh >/dev/null && command -v lintian >/dev/null || skip_all "debhelper or lintian is not installed"
node_begin "$@"
packages || { harness_end; exit; }
check "a shim of another version is built" other_shim
node_life deb "$@"
harness_end
