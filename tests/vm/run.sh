#!/bin/bash
# run.sh - integration scripts on another kind of node: Debian's kernel in a virtual machine, with
# cgroup v2, systemd as process 1 and AppArmor.
#
# The guest's root is this machine's, read-only over 9p, below an overlay in the guest's memory: what
# is installed here is installed there, and nothing that happens there is seen here. Only the kernel
# comes from a package of its own, unpacked in the cache and not installed. There is no KVM in it
# (qemu translates): expect a tenth of the speed or less.
#
# usage: run.sh [SCRIPT...]       (default: those named below)
#   VM_CGROUP_MANAGER   cgroupfs or systemd; default: one run with each
#   VM_LIMIT            seconds before a run is given up (default 3000)
#   CRISP_TEST_BUILD    the folder with crispd and its programs (default: build/)
#   CRISP_CACHE         where the kernel is kept
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$HERE/../.." && pwd)
CACHE=${CRISP_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/crisp}
SCRIPTS=(pod/lifecycle pod/exec-tree node/shim-confined node/shim recovery/restart node/stats pod/spec)
# What the initial ram disk needs to reach the root, in the order of loading.
MODULES=(virtio_pci 9pnet_virtio 9p overlay)

say() { echo "vm: $*" >&2; }
die() { say "$*"; exit 1; }

for program in qemu-system-x86_64 busybox depmod modprobe apparmor_parser dbus-daemon; do
	command -v $program >/dev/null || die "$program is missing: run tools/test-deps.sh --vm first"
done
[ -x /lib/systemd/systemd ] || die "systemd is missing: run tools/test-deps.sh --vm first"
[ $# -gt 0 ] || set -- "${SCRIPTS[@]/%/.sh}"

# --- kernel ------------------------------------------------------------------------------------------------------------

# The package that linux-image-amd64 stands for today; $KERNEL is where it is unpacked.
kernel_fetch() {
	local package new
	package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	[ -n "$package" ] || die "the apt sources do not know linux-image-amd64"
	KERNEL=$CACHE/vm/$package
	RELEASE=${package#linux-image-}
	[ ! -e "$KERNEL/lib/modules/$RELEASE/modules.dep" ] || return 0
	say "fetching $package"
	new=$(mktemp -d "$CACHE/vm.XXXXXX")
	(cd "$new" && apt-get -qq -o APT::Sandbox::User=root download "$package" >&2 && dpkg-deb -x "$package"_*.deb . && rm "$package"_*.deb)
	depmod -b "$new" "$RELEASE"
	mkdir -p "$CACHE/vm"
	rm -rf "$KERNEL"
	mv "$new" "$KERNEL"
}

initrd_make() {
	local dir=$WORK/initrd module
	mkdir -p "$dir"/{bin,lib/modules,dev,proc,sys,host,over,new}
	cp "$(command -v busybox)" "$dir/bin/busybox"
	cp "$HERE/init" "$dir/init"
	for module in "${MODULES[@]}"; do
		modprobe -d "$KERNEL" -S "$RELEASE" --show-depends "$module"
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r module; do
		cp "$module" "$dir/lib/modules/"
		echo "${module##*/}"
	done >"$dir/lib/modules/order"
	(cd "$dir" && find . | busybox cpio -o -H newc 2>/dev/null) >"$WORK/initrd.img"
}

# --- a run -------------------------------------------------------------------------------------------------------------

# boot MANAGER SCRIPT...: what the scripts print goes to $WORK/out
boot() {
	local manager=$1 share='readonly=on,security_model=none,multidevs=remap'
	shift
	mkdir -p "$WORK/out"
	{
		printf 'export CRISP_TEST_CGROUP_MANAGER=%q CRISP_TEST_BUILD=%q CRISP_CACHE=%q\n' "$manager" \
			"$(realpath -m "${CRISP_TEST_BUILD:-$TOP/build}")" "$CACHE"
		printf 'exec %q/tests/integration/run.sh -j 1' "$TOP"
		printf ' %q' "${@/#/$TOP/tests/integration/}"
		echo
	} >"$WORK/out/command"
	timeout -k 30 "${VM_LIMIT:-3000}" qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot \
		-machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 4096 \
		-kernel "$KERNEL/boot/vmlinuz-$RELEASE" -initrd "$WORK/initrd.img" \
		-append "console=ttyS0 quiet mitigations=off panic=-1 apparmor=1 security=apparmor fstab=no systemd.unit=crisp-vm.target systemd.unified_cgroup_hierarchy=1" \
		-serial "file:$WORK/console" \
		-virtfs "local,path=/,mount_tag=host,$share" \
		-virtfs "local,path=$KERNEL/lib/modules,mount_tag=modules,$share" \
		-virtfs "local,path=$WORK/out,mount_tag=out,security_model=none" </dev/null >/dev/null 2>"$WORK/qemu" || true
	if [ ! -s "$WORK/out/status" ]; then
		tail -n 30 "$WORK/console" "$WORK/qemu" "$WORK/out/log" 2>/dev/null | sed 's/^/# /' >&2
		die "the machine ended without a result"
	fi
	sed -E "s/^((ok|FAILED|skipped) +)/\1$manager /" "$WORK/out/log"
	return "$(cat "$WORK/out/status")"
}

WORK=$(mktemp -d "${TMPDIR:-/tmp}/crisp-vm.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
mkdir -p "$CACHE"
kernel_fetch
initrd_make
rc=0
for manager in ${VM_CGROUP_MANAGER:-cgroupfs systemd}; do
	boot "$manager" "$@" || rc=1
	rm -rf "$WORK/out"
done
exit $rc
