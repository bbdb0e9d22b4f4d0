# imagelib.sh - images that are put together by hand in an OCI layout, trees as text, to be compared, and images as volumes;
# sourced after lib.sh. LAY is the layout's directory, BLOBS the one of its blobs.

LAY=$SCRATCH/layout
BLOBS=$LAY/blobs/sha256

# Everything about a tree that an image decides: type, mode, owner, time, link, size, links, device, xattrs, content, and
# which names are one file.
tree_of() {
	(cd "$1" && LC_ALL=C && {
		find . -type f -printf '%p|f|%m|%U:%G|%T@|%s|%n\n' -o -type l -printf '%p|l|%U:%G|%T@|%l|%n\n' -o -type d -printf '%p|d|%m|%U:%G|%T@\n' \
			-o -printf '%p|%y|%m|%U:%G|%T@|%n\n'
		find . \( -type b -o -type c \) -exec stat -c '%n dev %t:%T' {} +
		find . -type f -exec sha256sum {} +
		find . \( -type f -o -type d \) -exec getfattr --absolute-names -d -m '^(user\.|security\.capability)' {} +
		find . ! -type d -links +1 -printf '%i %p\n' | sort -k 2 | awk '{ if (!($1 in first)) first[$1] = $2; print "same file: " first[$1] " " $2 }'
	} | sort)
}

# mktar_build: $SCRATCH/mktar, see mktar.c
mktar_build() {
	cc -std=gnu17 -D_GNU_SOURCE -Ulinux -O1 -I"$TOP/src" -I"$TOP" -o "$SCRATCH/mktar" "$LIB_DIR/mktar.c" "$BUILD_DIR/libcrisp.a" ||
		bail "mktar does not compile"
}

# Sets $digest (without "sha256:") and $size of the file that goes into the layout.
put_blob() { digest=$(sha256sum <"$1" | cut -d' ' -f1); size=$(stat -c %s "$1"); cp "$1" "$BLOBS/$digest"; }

# put_manifest TAG FILE
put_manifest() {
	put_blob "$2"
	jq -c --arg d "sha256:$digest" --argjson s "$size" --arg t "$1" \
		'.manifests += [{mediaType:"application/vnd.oci.image.manifest.v1+json",digest:$d,size:$s,annotations:{"org.opencontainers.image.ref.name":$t}}]' \
		"$LAY/index.json" >"$SCRATCH/index.json" && cp "$SCRATCH/index.json" "$LAY/index.json"
}

# put_image TAG LAYER...: an image of these layers, the lowest first: FILE, or FILE=DIFFID when FILE is not the archive
# itself or is not what it claims to be. IMAGE_CONFIG is the "config" of the image, IMAGE_ANNOTATIONS
# the annotations of its manifest, default none.
put_image() {
	local tag=$1 file diff layers= diffs= type
	shift
	for file in "$@"; do
		diff=sha256:$(sha256sum <"${file%%=*}" | cut -d' ' -f1)
		[ "$file" = "${file%%=*}" ] || diff=${file#*=}
		put_blob "${file%%=*}"
		case $(od -An -tx1 -N4 "${file%%=*}" | tr -d ' ') in
		1f8b*) type=+gzip ;;
		28b52ffd | 5?2a4d18) type=+zstd ;;
		*) type= ;;
		esac
		layers="$layers,{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar$type\",\"digest\":\"sha256:$digest\",\"size\":$size}"
		diffs="$diffs,\"$diff\""
		LAYER_BLOB=$digest
	done
	put_layers "$tag" "${layers#,}" "${diffs#,}"
}

# put_layers TAG DESCRIPTORS DIFFIDS: an image of these layers, whose blobs are there; both are the inside of a JSON array
put_layers() {
	printf '{"os":"linux","architecture":"amd64","config":%s,"rootfs":{"type":"layers","diff_ids":[%s]}}' "${IMAGE_CONFIG:-{\}}" \
		"$3" >"$SCRATCH/config.json"
	put_blob "$SCRATCH/config.json"
	printf '{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[%s],"annotations":%s}' \
		"$digest" "$size" "$2" "${IMAGE_ANNOTATIONS:-{\}}" >"$SCRATCH/manifest.json"
	put_manifest "$1" "$SCRATCH/manifest.json"
}

# pulldrv_build: the image layer without the daemon, as $SCRATCH/pulldrv
pulldrv_build() {
	cc -std=gnu17 -D_GNU_SOURCE -Ulinux -O1 ${CRISP_TEST_CFLAGS:-} -I"$TOP/src" -I"$TOP" -I"$TOP/gen" -o "$SCRATCH/pulldrv" \
		"$LIB_DIR/pulldrv.c" "$BUILD_DIR/libcrisp.a" -lprotobuf-c -ljansson -lxxhash -lpthread || bail "pulldrv does not compile"
}

IMAGES=$SCRATCH/images
PULL_ID=$(printf '%064d' 7)
pull() { "$SCRATCH/pulldrv" pull "$BUILD_DIR/crisp-pull" "$IMAGES" "$PULL_ID" "$@"; }

# The diffIDs of a pull's output, the lowest first.
diff_ids() { awk '$1 == "layer" { print $2 }' <<<"$OUT"; }

images_begin() { rm -rf "$IMAGES"; }
nothing_left() { [ -z "$(find "$IMAGES/staging" "$IMAGES/layers" -mindepth 1 ! -path "$IMAGES/staging/layers" 2>/dev/null)" ]; }

# refused WHAT PATTERN PULL-ARGUMENTS...: for that reason, and nothing is left of it.
refused() {
	local what=$1 pattern=$2
	shift 2
	images_begin
	check_fails "$what" "$pattern" pull "$@"
	check "$what: nothing is left" nothing_left
}

# with_volume NAME MOUNT...: a container with mounts, which are jq objects, in the pod $POD, which pod_run calls $POD_NAME
with_volume() {
	local name=$1
	shift
	ctr_run "$POD" "$POD_NAME.$name" ".metadata.name = \"$name\" | .log_path = \"$name.log\" | .mounts = [$(IFS=,; echo "$*")]"
}

# mount_at PATH [PART [IMAGE]]: such a mount, of $VOLUME or another image
mount_at() { echo "{container_path: \"$1\", image: {image: \"${3:-$VOLUME}\"}, image_sub_path: \"${2:-}\", readonly: true}"; }

# inside WORD...: a command in the container $CTR
inside() { crictl exec --sync "$CTR" "$@"; }
