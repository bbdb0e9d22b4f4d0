#!/bin/bash
# unpack.sh - unpacked trees equal umoci's: tar, gzip, zstd, zstd:chunked, eStargz, whiteouts,
# links, xattrs, capabilities, sparse files, PAX and GNU headers, 100,000 files, a Debian root.
# Hostile archives are refused within bounds and leave nothing.
#
# Takes minutes.
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DEBIAN=${CRISP_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/crisp}/debian-1

# Two archives of one root file system, before and after packages came and went. It is made once, where Debian's mirror can
# be reached, and kept outside the clone.
debian_build() {
	local work tar="tar --one-file-system --xattrs --xattrs-include=* --numeric-owner --exclude=./var/cache/apt/* --exclude=./var/lib/apt/lists/*"
	mkdir -p "${DEBIAN%/*}"
	exec 8>"$DEBIAN.lock"
	flock 8
	[ ! -e "$DEBIAN/top.tar" ] || return 0
	work=$(mktemp -d "$DEBIAN.XXXXXX")
	nice mmdebstrap --variant=minbase --format=tar \
		--customize-hook="$tar -C \"\$1\" -cf $work/base.tar ." \
		--customize-hook='chroot "$1" apt-get install -y --no-install-recommends file iputils-ping' \
		--customize-hook='chroot "$1" apt-get remove -y --purge tzdata' \
		--customize-hook="$tar -C \"\$1\" -cf $work/top.tar ." \
		bookworm /dev/null >"$work/log" 2>&1 && mv -T "$work" "$DEBIAN" 2>/dev/null || rm -rf "$work"
	exec 8>&-
}
[ -n "${CRISP_TEST_INSIDE:-}" ] || [ "$(id -u)" != 0 ] || ! command -v mmdebstrap >/dev/null || debian_build

. "$HERE/../lib.sh"
harness_begin "$@"
. "$LIB_DIR/imagelib.sh"
pulldrv_build
mktar_build
umoci init --layout "$LAY"
MANY=
end() {
	local rc=$?
	[ -z "$MANY" ] || kill "$MANY" 2>/dev/null
	(exit $rc)
	harness_cleanup
}
trap end EXIT
T=$SCRATCH/t
START=$(date +%s)
mkdir "$T"

# tar_of NAME <<ENTRIES: the archive $T/NAME.tar, see mktar.c
tar_of() { "$SCRATCH/mktar" >"$T/$1.tar" || bail "mktar fails"; }

# tree_then DIRECTORY PATTERN: tree_of; what has no time in the archive has that of the test, and umoci does not keep the root's.
tree_then() {
	tree_of "$1" | awk -F'|' -v OFS='|' -v start="$START" -v other="^(\\.${2:+|$2})\$" '$2 == "d" && ($5 >= start || $1 ~ other) { $5 = "now" } { print }'
}

# same_as_umoci WHAT TAG [DIRECTORIES]: pulled by crisp and mounted, it is the tree that umoci unpacks. The times of the
# directories, a pattern, are not compared: umoci does not restore them when the way to an entry went through a link.
same_as_umoci() {
	rm -rf "$SCRATCH/reference"
	umoci unpack --image "$LAY:$2" "$SCRATCH/reference" >"$SCRATCH/umoci.log" 2>&1 ||
		bail "umoci does not unpack $2: $(tail -n 1 "$SCRATCH/umoci.log")"
	same_as "$1" "$2" "$SCRATCH/reference/rootfs" "${3:-}"
}

# same_as WHAT TAG TREE [DIRECTORIES]
same_as() {
	local what=$1 tag=$2
	tree_then "$3" "${4:-}" >"$SCRATCH/reference.tree"
	images_begin
	check "$what: pulled" pull "a:$tag" "layout=$LAY" || return
	# shellcheck disable=SC2046
	check "$what: mounted" "$SCRATCH/pulldrv" mount "$IMAGES" "$SCRATCH/m" ro $(diff_ids) || return
	tree_then "$SCRATCH/m" "${4:-}" >"$SCRATCH/tree"
	umount "$SCRATCH/m"
	check "$what: the same tree" diff "$SCRATCH/reference.tree" "$SCRATCH/tree"
}

# --- features, one image each --------------------------------------------------------------------------------------------

LONG=$(printf 'n%.0s' {1..200})
tar_of kinds <<TAR
dir ./ mode=0751 uid=3 gid=4 mtime=1000000000.5
dir bin mode=0755 mtime=1.000000001
file bin/su data=su mode=4755 uid=0 gid=8 mtime=1500000000.123456789
file bin/wall data=wall mode=2755 gid=5
file bin/ping data=ping mode=0755 xattr.security.capability=%01%00%00%02%00%20%00%00%00%00%00%00%00%00%00%00%00%00%00%00
file bin/noaccess data=x mode=0000 uid=4294967294 gid=4000000000
dir tmp mode=1777
dir sg mode=2775 gid=50
file sg/inside data=x mode=0640
char dev0 mode=0666 major=1 minor=3
block dev1 mode=0660 gid=6 major=259 minor=70000
fifo pipe mode=0600
link sym link=/bin/su uid=7 gid=8 mtime=1200000000.25
link dangling link=$LONG/$LONG
hard bin/su2 link=bin/su
hard bin/su3 link=./bin/../bin/su2
hard sym2 link=sym
hard pipe2 link=pipe
file old data=x mtime=-1000000000.75
file older data=x mtime=-2000000000
file future data=x mtime=9000000000.999999999
file $LONG/$LONG/$LONG data=pax
file $LONG/$LONG/gnu$LONG data=gnu format=gnu
file Gr%c3%bc%c3%9fe data=utf8
file not%ffutf8 data=bytes format=gnu
file %e2%98%83%20with%20space%0aand%20newline data=odd
file attr data=x xattr.user.text=hello xattr.user.binary=%00%01%ff
dir attrdir xattr.user.dir=1
file empty data=
file large size=3000001 data=0123456789abcdef
dir late
file late/x data=x
dir late mode=0700 mtime=77
TAR
put_image kinds "$T/kinds.tar"
same_as_umoci "kinds, modes, owners, times, names, attributes" kinds

(
	cd "$T" && truncate -s 5M sparse1 && printf end >>sparse1 && truncate -s 9M sparse2 && printf x | dd of=sparse2 bs=1 seek=5000000 conv=notrunc status=none
	truncate -s 1M sparse3
)
for format in gnu posix; do
	for version in 0.0 0.1 1.0; do
		[ $format != gnu ] || [ $version = 1.0 ] || continue
		tar -C "$T" -S --format=$format $([ $format = gnu ] || echo --sparse-version=$version) -cf "$T/sparse.tar" sparse1 sparse2 sparse3
		put_image sparse "$T/sparse.tar"
		# umoci does not know GNU's own kind.
		rm -rf "$T/sparse.d" && mkdir "$T/sparse.d" && tar -C "$T/sparse.d" -xpf "$T/sparse.tar"
		same_as "files with holes, $format $version" sparse "$T/sparse.d"
		check "$format $version: the holes are none on the disk" [ "$(du -k "$(echo "$IMAGES"/layers/*/fs)"/sparse2 | cut -f1)" -lt 100 ]
		jq -c '.manifests |= map(select(.annotations["org.opencontainers.image.ref.name"] != "sparse"))' "$LAY/index.json" >"$T/index" && cp "$T/index" "$LAY/index.json"
	done
done

tar_of order <<'TAR'
file a/b/c/deep data=before-its-parents
dir a/b mode=0700 mtime=5
file twice data=first mode=0600 xattr.user.first=1
file twice data=second
dir flip
file flip/inside data=x
file flip data=file-in-place-of-a-directory
file flop data=x
dir flop mode=0711
file flop/inside data=x
link ln link=a
file ln data=in-place-of-a-link
dir real
link way link=real
file way/through data=x
link up link=../../..
file up/etc data=x
file ./dot/./file data=x
file //slash//file data=x
file /absolute data=x
file x/../climbed data=x
hard h1 link=twice
hard twice link=h1
TAR
put_image order "$T/order.tar"
same_as_umoci "odd orders, entries twice, links on the way" order

tar_of base <<'TAR'
dir usr mode=0755 mtime=10
dir usr/bin mode=0755 mtime=11 uid=9
file usr/bin/tool data=tool mode=0755 mtime=12.5 xattr.user.keep=1
file usr/bin/other data=other
link bin link=usr/bin
link abs link=/usr
link twohops link=abs/bin
dir etc mode=0750 gid=9 mtime=13 xattr.user.etc=1
file etc/passwd data=root
file etc/shadow data=secret mode=0640
hard etc/shadow- link=etc/shadow
dir etc/deep mode=0700
file etc/deep/file data=x
dir var
file var/one data=1
dir var/sub mode=0711 mtime=14
file var/sub/two data=2
dir again mode=0700 uid=5
file again/old data=old
dir kept mode=0701 uid=6 mtime=15
file kept/gone data=x
dir filled mode=0700
file filled/x data=x
file tofile data=x
dir todir
file todir/x data=x
file sparse size=100000 data=x
TAR
tar_of white <<'TAR'
file etc/.wh.passwd data=
file var/.wh..wh..opq data=
file var/new data=new
file .wh.again data=
dir again mode=0755
file again/new data=new
file kept/.wh..wh..opq data=
file kept/here data=here
dir tofile
file tofile/x data=x
file todir data=now-a-file
file .wh.never-there data=
file deep/er/.wh.nothing data=
file .wh..wh.aufs data=
file filled/y data=y
TAR
tar_of links <<'TAR'
hard etc/tool link=usr/bin/tool
hard usr/bin/tool2 link=etc/tool
hard sp link=sparse
file etc/deep/new data=x
TAR
tar_of through <<'TAR'
file bin/added data=through-a-link mode=0755 mtime=20
file bin/sub/deep data=x
file bin/.wh.other data=
file abs/share/doc data=x
file twohops/third data=x
hard abs/lib/tool link=bin/tool
TAR
tar_of empty </dev/null
tar_of rootopq <<'TAR'
file .wh..wh..opq data=
file etc/only data=x
file new data=x
TAR
put_image white "$T/base.tar" "$T/white.tar"
same_as_umoci "whiteouts, opaque directories, files for directories and back" white
put_image links "$T/base.tar" "$T/empty.tar" "$T/links.tar"
same_as_umoci "hard links to files of a lower layer, an empty layer" links
put_image through "$T/base.tar" "$T/through.tar"
same_as_umoci "paths through links of a lower layer" through './usr(/bin)?'
put_image all "$T/kinds.tar" "$T/base.tar" "$T/white.tar" "$T/order.tar"
same_as_umoci "layers on layers" all
put_image rootopq "$T/base.tar" "$T/rootopq.tar"
same_as_umoci "nothing of the lower layers" rootopq

# --- many layers ---------------------------------------------------------------------------------------------------------

# stack TAG N: the layer "floor" and N more, each with a file below its directories and no entry for these. The archives are
# made as one and split: a process for each would take minutes.
stack() {
	local zeros layers= diffs= sum file
	zeros=$(printf '%%00%.0s' {1..1024})
	rm -rf "$T/stack"
	mkdir "$T/stack"
	{ for N in $(seq "$2"); do echo "file a/b/f$N data=$N"; echo "raw $zeros"; done; echo noend; } | "$SCRATCH/mktar" | split -b 2048 -a 3 - "$T/stack/"
	cp "$T/floor.tar" "$T/stack/"
	while read -r sum file; do
		printf '%s\n' "$T/stack/$file" "$BLOBS/$sum" >&3
		if [ "$file" = floor.tar ]; then size=$(stat -c %s "$T/floor.tar"); else size=2048; fi
		sum="\"sha256:$sum\""
		file="{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":$sum,\"size\":$size}"
		if [ "$size" = 2048 ]; then layers=$layers,$file diffs=$diffs,$sum; else layers=$file$layers diffs=$sum$diffs; fi
	done < <(cd "$T/stack" && sha256sum *) 3>"$T/moves"
	xargs -n 2 mv <"$T/moves"
	put_layers "$1" "$layers" "$diffs"
}

tar_of floor <<'TAR'
dir a mode=0751 uid=7
dir a/b mode=0711 gid=9
fifo a/pipe
TAR
stack stack 499
images_begin
check "500 layers" pull a:stack "layout=$LAY"
# shellcheck disable=SC2046
check "are mounted" "$SCRATCH/pulldrv" mount "$IMAGES" "$SCRATCH/m" ro $(diff_ids)
check_is "all of them" "499 1 499" eval 'cd "$SCRATCH/m/a/b" && echo "$(ls | wc -l) $(cat f1) $(cat f499)"'
check_is "directories are as in the lowest layer" "751 7 0,711 0 9" eval 'stat -c "%a %u %g" "$SCRATCH/m/a" "$SCRATCH/m/a/b" | paste -sd,'
umount "$SCRATCH/m"
stack high 500
images_begin
check_fails "501 layers are refused" "layers has 501 entries, more than 500" pull a:high "layout=$LAY"

# --- a distribution ------------------------------------------------------------------------------------------------------

if [ -e "$DEBIAN/top.tar" ]; then
	{
		umoci new --image "$LAY:debian" && umoci unpack --image "$LAY:debian" "$SCRATCH/deb0" &&
			tar -C "$SCRATCH/deb0/rootfs" --xattrs --xattrs-include='*' -xpf "$DEBIAN/base.tar" && umoci repack --image "$LAY:debian" "$SCRATCH/deb0" &&
			rm -rf "$SCRATCH/deb0" && umoci unpack --image "$LAY:debian" "$SCRATCH/deb1" && rm -rf "$SCRATCH/deb1/rootfs" && mkdir "$SCRATCH/deb1/rootfs" &&
			tar -C "$SCRATCH/deb1/rootfs" --xattrs --xattrs-include='*' -xpf "$DEBIAN/top.tar" && umoci repack --image "$LAY:debian" "$SCRATCH/deb1"
	} >"$SCRATCH/make.log" 2>&1 || bail "umoci cannot make the image of Debian: $(tail -n 3 "$SCRATCH/make.log")"
	rm -rf "$SCRATCH/deb1"
	same_as_umoci "Debian with packages installed and removed" debian
	echo "# $(grep -c '|[fdl]|' "$SCRATCH/tree") files, directories and links were compared"
else
	ok "Debian with packages installed and removed # SKIP the root file system could not be made: no mmdebstrap, or its mirror cannot be reached"
fi

# --- many files ----------------------------------------------------------------------------------------------------------

tar_of many <<'TAR'
count 100000 d%u/file-%u data=0123456789
TAR
gzip -n -1 "$T/many.tar"
put_image many "$T/many.tar.gz=sha256:$(zcat "$T/many.tar.gz" | sha256sum | cut -d' ' -f1)"
rm "$T/many.tar.gz"
images_begin
"$SCRATCH/pulldrv" pull "$BUILD_DIR/crisp-pull" "$IMAGES" "$PULL_ID" a:many "layout=$LAY" "hold=$SCRATCH/go" >"$SCRATCH/many.out" 2>&1 &
MANY=$!
check "100,000 files" poll 120 grep -q ^layer "$SCRATCH/many.out"
KIB=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$(pgrep -P $MANY)/status")
: >"$SCRATCH/go"
wait $MANY
MANY=
echo "# the puller took at most $KIB KiB"
check "within 64 MiB" [ "${KIB:-999999}" -lt 65536 ]
check_is "all of them" 100000 bash -c "find '$IMAGES'/layers/*/fs -type f | wc -l"

harness_end
