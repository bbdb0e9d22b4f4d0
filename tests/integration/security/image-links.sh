#!/bin/bash
# image-links.sh - images and volumes with symbolic links to the host, in each path that the runtime
# opens as root: nothing on the host changes. Links inside the root work, as Debian's images need.
#
# Environment: CRISP_TEST_RUNTIME  the OCI runtime (default: runc)
#
# Takes minutes.
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
. "$LIB_DIR/imagelib.sh"
BUSYBOX_FILE=$(command -v busybox) || skip_all "busybox is not installed"
RUNTIME=$(command -v "${CRISP_TEST_RUNTIME:-runc}") || skip_all "${CRISP_TEST_RUNTIME:-runc} is not installed"
mktar_build

# --- images ------------------------------------------------------------------------------------------------------------

mkdir -p "$BLOBS"
echo '{"imageLayoutVersion":"1.0.0"}' >"$LAY/oci-layout"
echo '{"schemaVersion":2,"manifests":[]}' >"$LAY/index.json"

# The programs in every image, and the directories that layers of a case replace.
BASE=$SCRATCH/base
mkdir -p "$BASE"/{bin,etc,proc,sys,dev,tmp,run,var,data}
cp "$BUSYBOX_FILE" "$BASE/bin/busybox"
for applet in sh cat ls pwd sleep test touch grep mkdir; do ln "$BASE/bin/busybox" "$BASE/bin/$applet"; done
printf 'root:x:0:0:root:/root:/bin/sh\nweb:x:33:33:web:/:/bin/sh\n' >"$BASE/etc/passwd"
tar -C "$BASE" --numeric-owner --owner=0 --group=0 -cf "$SCRATCH/base.tar" .

# image NAME <<ENTRIES: the base with one more layer for each block of lines, see mktar.c; "--" ends a block
image() {
	local name=$1 n=0 line layers=()
	: >"$SCRATCH/entries.0"
	while IFS= read -r line; do
		if [ "$line" = -- ]; then n=$((n + 1)); : >"$SCRATCH/entries.$n"; else echo "$line" >>"$SCRATCH/entries.$n"; fi
	done
	for ((; n >= 0; n--)); do
		"$SCRATCH/mktar" <"$SCRATCH/entries.$n" >"$SCRATCH/$name.$n.tar" || bail "mktar fails for $name"
		layers=("$SCRATCH/$name.$n.tar" "${layers[@]}")
	done
	put_image "local.example/$name:1" "$SCRATCH/base.tar" "${layers[@]}"
	"$BUILD_DIR/crisp" --socket "$SOCKET" load "$LAY" "local.example/$name:1" >/dev/null || bail "the image $name cannot be loaded"
}

# --- what must stay as it is -------------------------------------------------------------------------------------------

VICTIM=$SCRATCH/victim
mkdir -p "$VICTIM"/{pts,dir}
for name in ptmx fd stdin stdout stderr core null hosts hostname resolv.conf passwd file; do echo "the host's $name" >"$VICTIM/$name"; done
victim() { (cd "$VICTIM" && find . -printf '%p %y %m %U:%G %T@ %C@ %i %l\n' | sort; cat ./* 2>/dev/null); }
victim >"$SCRATCH/victim.before"
untouched() {
	victim >"$SCRATCH/victim.now"
	cmp -s "$SCRATCH/victim.before" "$SCRATCH/victim.now" && return 0
	diff "$SCRATCH/victim.before" "$SCRATCH/victim.now" >&2
	return 1
}
# The way to it from any directory of the container's root file system on the host.
UP=../../../../../../../../../../../../../../../../..$VICTIM

cat >"$SCRATCH/config.d/50-runtime.conf" <<TOML
[crio.runtime.runtimes.$(basename "$RUNTIME")]
runtime_path = "$RUNTIME"
[crio.runtime]
default_runtime = "$(basename "$RUNTIME")"
TOML
daemon_start
check "a pod" pod_run p "$HOST_NET" || exit 1
POD=$OUT
N=0

# refused WHAT IMAGE PATTERN [JQ]: the container is not created, for that reason, and the host is as before.
refused() {
	N=$((N + 1))
	check_fails "refused: $1" "$3" crictl create "$POD" "$(ctr_config "p.$N" "local.example/$2:1" "${4:-.} | .metadata.name = \"c$N\"")" \
		"$SCRATCH/pod-p.json"
	check "refused: $1: the host is as before" untouched
}

# inside WHAT IMAGE EXPECTED SHELL [JQ]: what SHELL prints in the container; the host is as before.
inside() {
	local what=$1 shell=$4 id
	N=$((N + 1))
	id=$(ctr_run "$POD" "p.$N" "${5:-.} | .metadata.name = \"c$N\"" "local.example/$2:1" 2>"$SCRATCH/stderr") || id=
	if [ -n "$id" ]; then
		check_is "$what" "$3" crictl exec --sync "$id" sh -c "$shell"
		crictl rm -f "$id" >/dev/null
	else
		not_ok "$what" "$(cat "$SCRATCH/stderr")"
	fi
	check "$what: the host is as before" untouched
}

mount_of() { echo ".mounts = [{container_path: \"$1\", host_path: \"$2\", readonly: ${3:-false}}]"; }

# --- /dev, /proc, /sys -------------------------------------------------------------------------------------------------

sys_link() { # DIRECTORY TARGET
	local name=$1-${#2}
	image "$name" <<-ENTRIES
	file .wh.$1
	--
	link $1 link=$2
	ENTRIES
	refused "/$1 is a link to ${2//$SCRATCH/}" "$name" "local.example/$name:1: /$1 is a symbolic link.*directory"
}
sys_link dev "$VICTIM"
sys_link dev "$UP"
sys_link dev data
sys_link proc "$VICTIM"
sys_link sys "$UP"
image file-proc <<<"file proc data=x"
refused "/proc is a file" file-proc "/proc is a file"
image none <<-ENTRIES
file .wh.dev
file .wh.proc
file .wh.sys
ENTRIES
inside "an image without /dev, /proc and /sys" none ok 'test -c /dev/null && test -d /proc/self && test -d /sys/fs && echo ok'
image dev-in-place <<<"link dev link=$VICTIM"
refused "/dev is replaced by a link in one layer" dev-in-place "/dev is a symbolic link"

# --- what crisp mounts itself ------------------------------------------------------------------------------------------

image etc-abs <<-ENTRIES
file .wh.etc
--
link etc link=$VICTIM
ENTRIES
inside "/etc is a link to a directory of the host" etc-abs "ok" 'test -s /etc/hosts && test -s /etc/resolv.conf && echo ok'
image hosts <<-ENTRIES
link etc/hosts link=$VICTIM/hosts
link etc/hostname link=$UP/hostname
link etc/resolv.conf link=/run/systemd/resolve/stub-resolv.conf
ENTRIES
inside "links in /etc" hosts "ok" 'test -s /etc/hosts && test -f /etc/hostname && test -s /run/systemd/resolve/stub-resolv.conf && echo ok'
image hosts-loop <<<"link etc/hosts link=hosts"
refused "a link to itself" hosts-loop "mount on /etc/hosts.*symbolic links"
image hosts-dir <<<"dir etc/hosts"
refused "a directory in the place of a file" hosts-dir "/etc/hosts is a directory"

# --- what the request mounts -------------------------------------------------------------------------------------------

VOLUME=$SCRATCH/volume
mkdir -p "$VOLUME/sub"
echo volume >"$VOLUME/file"
image links <<-ENTRIES
link mnt link=$VICTIM
link up link=$UP
link var/run link=/run
link shm link=/dev/shm
link root link=/
link procs link=/proc/sys
link devices link=dev
link system link=./sys/fs
link fds link=/proc/self/fd
link null link=$VICTIM/null
ENTRIES
inside "a mount below a link" links volume 'cat /mnt/new/file' "$(mount_of /mnt/new "$VOLUME")"
inside "a mount on a link" links volume 'cat /mnt/file' "$(mount_of /mnt "$VOLUME")"
inside "a mount below a relative link" links volume 'cat /up/dir/x/file' "$(mount_of /up/dir/x "$VOLUME")"
inside "a file on a link" links volume 'cat /null' "$(mount_of /null "$VOLUME/file")"
inside "/var/run leads to /run" links "volume volume" \
	'echo $(cat /var/run/secrets/kubernetes.io/serviceaccount/file /run/secrets/kubernetes.io/serviceaccount/file)' \
	"$(mount_of /var/run/secrets/kubernetes.io/serviceaccount "$VOLUME" true)"
inside "a link to /dev/shm" links volume 'cat /dev/shm/file' "$(mount_of /shm "$VOLUME")"
refused "a mount on a link to /" links "leads to /" "$(mount_of /root "$VOLUME")"
refused "a mount on a link into /proc" links "leads to /proc/sys" "$(mount_of /procs/kernel "$VOLUME")"
refused "a mount on a link to /dev" links "leads to /dev" "$(mount_of /devices "$VOLUME")"
refused "a mount on a link into /sys" links "leads to /sys/fs" "$(mount_of /system/cgroup "$VOLUME")"
refused "a mount in /proc" links "/proc is its own" "$(mount_of /proc/self/attr "$VOLUME")"
refused "a mount on /proc" links "/proc is its own" "$(mount_of /proc "$VOLUME")"
refused "a mount on /dev without a null device" links "null device" "$(mount_of /dev "$VOLUME")"
ln -s "$VICTIM" "$VOLUME/null"
refused "a mount on /dev with a link as null device" links "null device" "$(mount_of /dev "$VOLUME")"
inside "the host's /dev" links ok 'test -c /dev/null && echo ok' "$(mount_of /dev /dev)"
inside "a device below a link" links ok 'test -c /mnt/made && echo ok' \
	'.devices = [{container_path: "/mnt/made", host_path: "/dev/null", permissions: "r"}]'
refused "a device in a link to /proc" links "/proc" '.devices = [{container_path: "/procs/x", host_path: "/dev/null"}]'

# --- links in volumes --------------------------------------------------------------------------------------------------

ln -s "$VICTIM" "$VOLUME/out"
ln -s "$UP" "$VOLUME/up"
ln -s sub "$VOLUME/in"
ln -s "$VICTIM" "$VOLUME/cgroup"
nested() { echo ".mounts = [{container_path: \"$1\", host_path: \"$VOLUME\"}, {container_path: \"$1/$2\", host_path: \"$VOLUME\"}]"; }
inside "a mount below a link of a volume" links volume "cat $VICTIM/new/file" "$(nested /v out/new)"
inside "a mount on a link of a volume" links volume 'cat /v/out/file' "$(nested /v out)"
inside "a mount below a relative link of a volume" links volume 'cat /v/up/x/file' "$(nested /v up/x)"
inside "a mount below a link that stays in the volume" links volume 'cat /v/sub/deep/file' "$(nested /v in/deep)"
inside "a service account below an emptyDir on /var/run" links volume 'cat /run/secrets/x/file' "$(nested /var/run secrets/x)"
refused "a volume on /sys/fs" links "host's /sys/fs" "$(mount_of /sys/fs "$VOLUME")"
refused "a mount point that a read-only volume lacks" links "read-only mount on /v" "$(nested /v none/x) | .mounts[0].readonly = true"
check "a read-only volume is not written" [ ! -e "$VOLUME/none" ]

# --- volumes of the image, working directory ---------------------------------------------------------------------------

IMAGE_CONFIG='{"Volumes":{"/mnt/vol":{},"/gone/vol":{}},"WorkingDir":"/mnt/wd"}'
image config <<-ENTRIES
link mnt link=$VICTIM
link gone link=../new/place
ENTRIES
inside "working directory and volumes of the image through links" config "$VICTIM/wd ok" 'echo $(pwd -P) $(test -d /new/place/vol && echo ok)'
IMAGE_CONFIG='{"WorkingDir":"/work"}'
image dangling <<<"link work link=/var/lib/work"
inside "a working directory that is a link to nowhere" dangling /var/lib/work 'pwd -P'
IMAGE_CONFIG='{"WorkingDir":"/cwd"}'
image fd-abs <<<"link cwd link=/proc/self/fd/7"
refused "a working directory that leads to an open file" fd-abs "working_dir.*/proc/self/fd/7"
refused "a working directory that leads to an open file, by /dev/fd" links "working_dir" '.working_dir = "/dev/fd/8"'
IMAGE_CONFIG=
refused "a working directory in /proc" links "working_dir" '.working_dir = "/proc/self/cwd"'
refused "a working directory below a link to /proc" links "working_dir" '.working_dir = "/fds/9"'
inside "a working directory in a volume, through its link" links "$VICTIM" 'pwd -P' "$(mount_of /v "$VOLUME") | .working_dir = \"/v/out\""

# --- passwd and group --------------------------------------------------------------------------------------------------

AS_WEB='.linux.security_context = {run_as_username: "web"}'
n=0
for entry in "fifo etc/passwd" "char etc/passwd major=1 minor=5" "link etc/passwd link=passwd" "file etc/passwd data=x size=2000000"; do
	n=$((n + 1))
	image "passwd$n" <<<"$entry"
	refused "a hostile file: ${entry:0:40}" "passwd$n" "/etc/(passwd|group)|no user" "$AS_WEB"
done
image passwd-link <<<"link etc/passwd link=$VICTIM/passwd"
refused "/etc/passwd is a link to a file of the host" passwd-link "no user" "$AS_WEB"

check "everything goes away" everything_remove
check "the host is as before" untouched
harness_end
