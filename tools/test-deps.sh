#!/bin/bash
# test-deps.sh - make a Debian 12 machine able to build and test crisp.
#
# What it does, in order, and only where it is missing: the Debian packages below, a Go toolchain
# that is new enough, the two CRI clients no one here wrote (crictl and critest), tests/goclient,
# which drives the streaming server with Kubernetes' own client libraries, and on demand Kubernetes'
# own kubelet and node tests; all built into a cache folder outside the clone. What must hold: running
# it again changes nothing and takes about a second; nothing is written into the clone.
#
# usage: tools/test-deps.sh [--build-only | --demo | --no-critest | --vm | --kubelet | --peer | --node-e2e]
#   --build-only   only what `make` needs
#   --demo         that, and what running containers needs
#   --no-critest   packages, Go, crictl and goclient, but not critest (its compilation takes minutes)
#   --vm           that, and what a virtual machine is made of (tests/vm)
#   --kubelet      as --no-critest, and a kubelet (tests/kubelet); minutes the first time
#   --peer         that, and a current containerd (tests/kubelet/series.sh), unpacked in the cache, not installed
#   --node-e2e     as --kubelet, and Kubernetes' node tests with the programs of their images (tests/node-e2e)
#   CRISP_CACHE    the cache folder (default: ${XDG_CACHE_HOME:-$HOME/.cache}/crisp); programs land in its bin/
set -euo pipefail

CRI_TOOLS_MODULE=sigs.k8s.io/cri-tools
CRI_TOOLS_VERSION=v1.37.0
KUBERNETES_MODULE=k8s.io/kubernetes
KUBERNETES_VERSION=v1.37.2
GO_MIN=1.26.6			# what cri-tools asks for in its go.mod; Kubernetes asks for less
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${CRISP_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/crisp}

# To build: the C toolchain; protoc with the schema of its own plugin protocol (libprotoc-dev); the
# libraries that the programs are linked with.
BUILD_PKGS=(
	build-essential pkg-config
	protobuf-compiler protobuf-c-compiler libprotobuf-c-dev libprotoc-dev libgrpc-dev
	liblmdb-dev libcurl4-openssl-dev libssl-dev libseccomp-dev libselinux1-dev libapparmor-dev
	libxxhash-dev libjansson-dev libisal-dev libzstd-dev zlib1g-dev libcap-dev libyaml-dev librnp-dev
	libnetfilter-conntrack-dev
)
# To run: OCI runtimes, network plugins, and something to make a first image of.
RUN_PKGS=(runc crun containernetworking-plugins iptables nftables iproute2 busybox-static)
# To test: unit test library, peers (umoci: what a layer should look like when it is unpacked), images
# (busybox is compiled from Debian's source package: bzip2, dpkg-dev), second compiler, packages.
TEST_PKGS=(
	libcmocka-dev docker-registry skopeo umoci mmdebstrap attr procps xxhash jq curl ca-certificates socat
	dpkg-dev bzip2 openssl zstd valgrind graphviz nginx-light apache2-utils
	patchelf gnupg clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev shellcheck
	debhelper lintian
)

# For a node of another kind: its root is this machine's, so its process 1 comes from here, too.
VM_PKGS=(qemu-system-x86 systemd dbus apparmor kmod)
# For Kubernetes' node tests: a bus, and what answers there in logind's place.
NODE_E2E_PKGS=(dbus libsystemd-dev)

say() { echo "test-deps: $*" >&2; }
die() { say "$*"; exit 1; }

packages_missing() {
	local p
	for p in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || echo "$p"
	done
}

packages_install() {
	local missing
	mapfile -t missing < <(packages_missing "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "these Debian packages are missing and only root can install them: ${missing[*]}"
	say "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get -qq -o DPkg::Lock::Timeout=600 update ||
		say "apt-get update failed; trying with the package lists that are there"
	apt-get -qq -y -o DPkg::Lock::Timeout=600 install --no-install-recommends "${missing[@]}" >&2
}

# version_ge A B: is version A at least B
version_ge() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

go_version() { "$1" env GOVERSION 2>/dev/null | sed -n 's/^go\([0-9][0-9.]*\).*/\1/p'; }

# Sets GO to a go command of at least GO_MIN. An older one (Debian 12 has 1.19, which cannot fetch a
# newer toolchain by itself) is used to download the toolchain as the Go module it is published as,
# checked against the checksum database.
go_find() {
	local v toolchain_version dir arch
	GO=
	for v in "$(command -v go || true)" /usr/local/go/bin/go "$CACHE/go/bin/go"; do
		[ -n "$v" ] && [ -x "$v" ] || continue
		GO=$v
		if version_ge "$(cd / && GOTOOLCHAIN=local go_version "$v")" "$GO_MIN"; then
			return 0
		fi
	done
	if [ -z "$GO" ]; then
		packages_install golang-go
		GO=$(command -v go) || die "golang-go is installed, but there is no go command in PATH"
	fi
	case $(uname -m) in
	x86_64) arch=amd64 ;;
	aarch64) arch=arm64 ;;
	*) die "no Go $GO_MIN toolchain is published as a module for $(uname -m): install Go $GO_MIN or newer and try again" ;;
	esac
	toolchain_version=v0.0.1-go$GO_MIN.linux-$arch
	say "go $(go_version "$GO") is older than $GO_MIN: downloading golang.org/toolchain@$toolchain_version"
	dir=$(cd / && GO111MODULE=on "$GO" mod download -json "golang.org/toolchain@$toolchain_version" |
		sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p')
	[ -n "$dir" ] || die "golang.org/toolchain@$toolchain_version could not be downloaded"
	rm -rf "$CACHE/go.new" "$CACHE/go"
	cp -r --no-preserve=mode "$dir" "$CACHE/go.new"		# the module cache is read-only, and a module zip has no modes
	chmod -R a+x "$CACHE/go.new/bin" "$CACHE/go.new/pkg/tool"
	mv "$CACHE/go.new" "$CACHE/go"
	GO=$CACHE/go/bin/go
	export GOTOOLCHAIN=local
}

# Both clients are built in the folder of their module, so that exactly the dependencies of its
# go.sum are used, and at low priority: on a small machine a Go build starves everything else.
go_run() { GOFLAGS="-p=${CRISP_GO_JOBS:-2} -buildvcs=false" CGO_ENABLED=0 nice -n 10 "$GO" "$@"; }

# Programs appear in bin/ under their final name only when complete; the stamp keeps the version
# they were built from.
client_current() { [ -x "$CACHE/bin/$1" ] && [ "$(cat "$CACHE/bin/.$1.version" 2>/dev/null)" = "$CRI_TOOLS_VERSION" ]; }

# image_hosts SOURCE...: the registry hosts whose images the specs name; the harness maps them to a registry on
# loopback. They are read out of the source of the specs, so that they are written down nowhere else.
image_hosts() { sed -nE '/=|,$/s/.*"(([a-z0-9-]+\.)+io)[/"].*/\1/p' "$@" | sort -u; }

# client_build NAME GO-ARGUMENTS...
client_build() {
	local name=$1 dir
	shift
	client_current "$name" && return 0
	say "building $name $CRI_TOOLS_VERSION"
	dir=$(cd / && go_run mod download -json "$CRI_TOOLS_MODULE@$CRI_TOOLS_VERSION" | jq -r '.Dir // empty')
	[ -d "$dir" ] || die "module $CRI_TOOLS_MODULE@$CRI_TOOLS_VERSION could not be downloaded (see above)"
	(cd "$dir" && go_run "$@" -ldflags "-s -w -X $CRI_TOOLS_MODULE/pkg/version.Version=$CRI_TOOLS_VERSION" \
		-o "$CACHE/bin/$name.new" "./cmd/$name") >&2
	[ "$name" != critest ] || image_hosts "$dir/pkg/framework/test_context.go" "$dir/pkg/validate/consts.go" >"$CACHE/bin/critest.hosts"
	mv "$CACHE/bin/$name.new" "$CACHE/bin/$name"
	echo "$CRI_TOOLS_VERSION" >"$CACHE/bin/.$name.version"
}

# The streaming client is built from the clone; the stamp is what its sources hash to.
goclient_stamp() { (cd "$TOP/tests/goclient" && cat go.mod go.sum ./*.go) | sha256sum | cut -d ' ' -f 1; }

goclient_current() { [ -x "$CACHE/bin/goclient" ] && [ "$(cat "$CACHE/bin/.goclient.stamp" 2>/dev/null)" = "$(goclient_stamp)" ]; }

goclient_build() {
	goclient_current && return 0
	say "building tests/goclient"
	(cd "$TOP/tests/goclient" && go_run build -mod=readonly -trimpath -ldflags "-s -w" -o "$CACHE/bin/goclient.new" .) >&2
	mv "$CACHE/bin/goclient.new" "$CACHE/bin/goclient"
	goclient_stamp >"$CACHE/bin/.goclient.stamp"
}

# --- Kubernetes --------------------------------------------------------------------------------------------------------

# kube_module: sets KUBE_MODULE to the folder of a Go module in which each package of Kubernetes builds, tests
# included. Its go.mod is Kubernetes' own, with the parts that a clone has in staging/ replaced by their releases.
kube_module() {
	local source staging=v0.${KUBERNETES_VERSION#v1.}
	KUBE_MODULE=$CACHE/kubernetes-$KUBERNETES_VERSION
	[ ! -e "$KUBE_MODULE/source" ] || [ ! -e "$(cat "$KUBE_MODULE/source")/go.mod" ] || return 0
	say "downloading $KUBERNETES_MODULE $KUBERNETES_VERSION"
	source=$(cd / && go_run mod download -json "$KUBERNETES_MODULE@$KUBERNETES_VERSION" | jq -r '.Dir // empty')
	[ -d "$source" ] || die "module $KUBERNETES_MODULE@$KUBERNETES_VERSION could not be downloaded (see above)"
	mkdir -p "$KUBE_MODULE"
	sed -E "s#^module .*#module crisp/tests/kubernetes#; s#(k8s.io/[a-z-]+) => ./staging/src/.*#\1 => \1 $staging#
		s#^(\tk8s.io/[a-z-]+) v0\.0\.0( .*)?\$#\1 $staging#" "$source/go.mod" >"$KUBE_MODULE/go.mod"
	cat "$source/go.sum" >"$KUBE_MODULE/go.sum"
	(cd "$KUBE_MODULE" && go_run mod edit -require="$KUBERNETES_MODULE@$KUBERNETES_VERSION")
	echo "$source" >"$KUBE_MODULE/source"
}

kube_current() {
	local name
	for name in "$@"; do
		[ -x "$CACHE/bin/$name" ] && [ "$(cat "$CACHE/bin/.$name.version" 2>/dev/null)" = "$KUBERNETES_VERSION" ] || return
	done
}

# kube_build NAME PACKAGE GO-ARGUMENTS...
kube_build() {
	local name=$1 package=$2 minor
	shift 2
	! kube_current "$name" || return 0
	say "building $name of Kubernetes $KUBERNETES_VERSION"
	minor=${KUBERNETES_VERSION#v1.}
	(cd "$KUBE_MODULE" && GOWORK=off go_run "$@" -mod=mod -trimpath -ldflags "-s -w \
		-X k8s.io/component-base/version.gitVersion=$KUBERNETES_VERSION \
		-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=${minor%%.*}" \
		-o "$CACHE/bin/$name.new" "$package") >&2
	mv "$CACHE/bin/$name.new" "$CACHE/bin/$name"
	echo "$KUBERNETES_VERSION" >"$CACHE/bin/.$name.version"
}

# containerd of Debian's unstable suite. The machine's own apt configuration is read, never written.
peer_current() { [ -x "$CACHE/peers/containerd/usr/bin/containerd" ]; }

# sid_download DIR PACKAGE...: packages of Debian's unstable suite, for this machine's architecture, as DIR/*.deb
sid_download() {
	local apt=$1 uri opts
	shift
	uri=$(apt-get indextargets --format '$(URI)' 'Created-By: Packages' | sed -nE 's#^(https?://.*/debian)/dists/.*#\1#p' | head -n 1)
	[ -n "$uri" ] || { say "the apt sources name no Debian mirror"; return 1; }
	mkdir -p "$apt/lists/partial"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri sid main" >"$apt/sid.list"
	opts=(-qq -o "Dir::State::lists=$apt/lists" -o "Dir::Etc::SourceList=$apt/sid.list" -o Dir::Etc::SourceParts=/dev/null
		-o Dir::Cache::srcpkgcache= -o Dir::Cache::pkgcache= -o APT::Sandbox::User=root)
	apt-get "${opts[@]}" update >&2 && (cd "$apt" && apt-get "${opts[@]}" download "$@" >&2)
}

peer_unpack() {
	! peer_current || return 0
	say "unpacking containerd of Debian's unstable suite"
	local apt=$CACHE/peers/apt
	sid_download "$apt" containerd || die "containerd could not be downloaded (see above)"
	dpkg-deb -x "$apt"/containerd_*.deb "$CACHE/peers/containerd.new"
	rm -rf "$apt" "$CACHE/peers/containerd"
	mv "$CACHE/peers/containerd.new" "$CACHE/peers/containerd"
}

deb_download() { apt-get -qq -o APT::Sandbox::User=root download "$1" >&2; }

# promtool, out of the package of a daemon that tests have no use for.
promtool_unpack() {
	local scratch
	[ ! -x "$CACHE/bin/promtool" ] || return 0
	say "unpacking promtool of Debian's prometheus"
	scratch=$(mktemp -d)
	(cd "$scratch" && { deb_download prometheus || { apt-get -qq update && deb_download prometheus; }; }) ||
		die "the package prometheus cannot be downloaded"
	dpkg-deb --fsys-tarfile "$scratch"/prometheus_*.deb | tar -x -C "$scratch" ./usr/bin/promtool
	mv "$scratch/usr/bin/promtool" "$CACHE/bin/promtool"
	rm -r "$scratch"
}

# A runc with idmapped mounts, which Debian 12's lacks, with the C library that it needs. runc starts itself again as
# /proc/self/exe, so its loader is written into it. Without a mirror tests skip what needs it.
runc_unpack() {
	local apt=$CACHE/peers/runc-apt dir=$CACHE/peers/runc lib package
	[ ! -x "$dir/usr/sbin/runc" ] || return 0
	say "unpacking runc of Debian's unstable suite"
	sid_download "$apt" runc libc6 libseccomp2 || { say "tests of user namespaces will be skipped"; return 0; }
	rm -rf "$dir" "$dir.new"
	for package in "$apt"/*.deb; do
		dpkg-deb -x "$package" "$dir.new"
	done
	lib=$(dirname "$(cd "$dir.new" && ls usr/lib/*/libc.so.6)")
	patchelf --set-interpreter "$dir/$(cd "$dir.new" && ls "$lib"/ld-linux-*.so.*)" --set-rpath "$dir/$lib" "$dir.new/usr/sbin/runc"
	mv "$dir.new" "$dir"
	rm -rf "$apt"
}

# CRIU: Debian 12's does not know the vDSO of current kernels. It runs with its own loader and libraries, and asks for
# one of them by an old name. Without a mirror tests skip what needs it.
CRIU_PKGS=(
	criu libbsd0 libc6 libffi8 libgcc-s1 libgmp10 libgnutls30t64 libhogweed6t64 libidn2-0 libjansson4 libmd0 libmnl0 libnet9
	libnettle8t64 libnftables1 libnftnl11 libnl-3-200 libp11-kit0 libprotobuf-c1 libtasn1-6 libunistring5 libuuid1 libxtables12
)

criu_unpack() {
	local apt=$CACHE/peers/criu-apt dir=$CACHE/peers/criu lib package
	[ ! -x "$dir/bin/criu" ] || return 0
	say "unpacking criu of Debian's unstable suite"
	sid_download "$apt" "${CRIU_PKGS[@]}" || { say "tests of checkpoints will be skipped"; return 0; }
	rm -rf "$dir" "$dir.new"
	for package in "$apt"/*.deb; do
		dpkg-deb -x "$package" "$dir.new"
	done
	lib=$(dirname "$(cd "$dir.new" && ls usr/lib/*/libnet.so.9)")
	ln -s libnet.so.9 "$dir.new/$lib/libnet.so.1"
	rm -rf "${dir:?}.new/usr/share" "${dir:?}.new/etc" "$dir.new/$lib/gconv"
	mkdir -p "$dir.new/bin"
	cat >"$dir.new/bin/criu" <<-SH
	#!/bin/sh
	root=\$(dirname "\$(dirname "\$(readlink -f "\$0")")")
	exec "\$root/$lib"/ld-linux-*.so.? --library-path "\$root/$lib" --argv0 criu "\$root/usr/sbin/criu" "\$@"
	SH
	chmod 755 "$dir.new/bin/criu"
	mv "$dir.new" "$dir"
	rm -rf "$apt"
}

# The programs of node-e2e: the tests, who runs them in parallel, and what is in the images of the tests.
NODE_E2E_PROGRAMS=(e2e_node.test ginkgo agnhost nonewprivs)

node_e2e_build() {
	kube_build ginkgo github.com/onsi/ginkgo/v2/ginkgo build
	kube_build agnhost "$KUBERNETES_MODULE/test/images/agnhost" build
	kube_build nonewprivs "$KUBERNETES_MODULE/test/images/nonewprivs" build
	image_hosts "$(cat "$KUBE_MODULE/source")/test/utils/image/manifest.go" >"$CACHE/bin/e2e_node.hosts"
	kube_build e2e_node.test "$KUBERNETES_MODULE/test/e2e_node" test -c -vet=off
}

main() {
	local what=${1:-all}
	case $what in
	all | --build-only | --demo | --no-critest | --vm | --kubelet | --peer | --node-e2e) ;;
	*) die "unknown argument $what (known: --build-only, --demo, --no-critest, --vm, --kubelet, --peer, --node-e2e)" ;;
	esac
	packages_install "${BUILD_PKGS[@]}"
	[ "$what" != --build-only ] || return 0
	packages_install "${RUN_PKGS[@]}"
	[ "$what" != --demo ] || return 0
	packages_install "${TEST_PKGS[@]}"
	[ "$what" != --vm ] || packages_install "${VM_PKGS[@]}"
	[ "$what" != --node-e2e ] || packages_install "${NODE_E2E_PKGS[@]}"
	mkdir -p "$CACHE/bin"
	exec 9>"$CACHE/lock"
	flock 9			# two clones that test at the same time share the cache
	[ "$what" != --peer ] || peer_unpack
	promtool_unpack
	runc_unpack
	criu_unpack
	local critest=yes kube=()
	case $what in
	--no-critest | --vm) critest=no ;;
	--kubelet | --peer) critest=no kube=(kubelet) ;;
	--node-e2e) critest=no kube=(kubelet "${NODE_E2E_PROGRAMS[@]}") ;;
	esac
	if client_current crictl && goclient_current && { [ $critest = no ] || client_current critest; } && kube_current "${kube[@]}"; then
		return 0
	fi
	go_find
	client_build crictl build
	goclient_build
	[ $critest = no ] || client_build critest test -c -vet=off
	if [ ${#kube[@]} -gt 0 ]; then
		kube_module
		kube_build kubelet "$KUBERNETES_MODULE/cmd/kubelet" build
	fi
	[ "$what" != --node-e2e ] || node_e2e_build
	say "the programs are in $CACHE/bin"
}

main "$@"
