#!/bin/bash
# puller-confined.sh - each process of a pull has only the files, networks, capabilities,
# descriptors and secrets of its role, read from /proc while it runs. The end of one process ends
# all.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
. "$LIB_DIR/imagelib.sh"
IMAGES=$SCRATCH/images
PULL_ID=$(printf '%064d' 4)
PORT=5311
SECRET=the-password-of-nobody
PROXY_SECRET=the-password-of-a-proxy
pulldrv_build
cc -std=gnu17 -D_GNU_SOURCE -O1 -I"$TOP/src" -o "$SCRATCH/badregistry" "$LIB_DIR/badregistry.c" "$BUILD_DIR/libcrisp.a" -lpthread ||
	bail "badregistry does not compile"
umoci init --layout "$LAY" || bail "umoci cannot make a layout"
mkdir -p "$SCRATCH/t/dir"
truncate -s 150M "$SCRATCH/t/dir/file"
tar -C "$SCRATCH/t" -cf "$SCRATCH/large.tar" dir
tar -C "$SCRATCH/t" -cf "$SCRATCH/small.tar" --exclude file dir
put_image slow "$SCRATCH/large.tar"
put_image quick "$SCRATCH/small.tar"
"$SCRATCH/badregistry" $PORT "$LAY" >/dev/null 2>&1 &
REGISTRY_PID=$!
DRIVER=
end() {
	local rc=$?
	kill "$REGISTRY_PID" $DRIVER 2>/dev/null
	(exit $rc)
	harness_cleanup
}
trap end EXIT
poll 30 bash -c "</dev/tcp/127.0.0.1/$PORT" || bail "badregistry does not start"

field() { awk -v f="$2:" '$1 == f { print $2 }' "/proc/$1/status"; }
is_gone() { [ ! -d "/proc/$1" ] || [ "$(field "$1" State)" = Z ]; }
all_gone() { is_gone "$KEEPER" && is_gone "$FETCHER" && is_gone "$UNPACKER"; }
one_of() { pgrep -P "$1" -x "$2"; }
bytes_have_come() {
	local file
	for file in "$IMAGES/staging/$PULL_ID"/work/*/fs/dir/file; do [ -s "$file" ] && return; done
	return 1
}

# begin_pull: sets DRIVER and the three processes of a pull that takes two minutes.
begin_pull() {
	rm -rf "$IMAGES"
	HTTPS_PROXY=http://user:$PROXY_SECRET@192.0.2.1:9 "$SCRATCH/pulldrv" pull "$BUILD_DIR/crisp-pull" "$IMAGES" "$PULL_ID" \
		127.0.0.1:$PORT/slow/a:slow username=somebody password=$SECRET >"$SCRATCH/pull.out" 2>&1 &
	DRIVER=$!
	poll 30 bytes_have_come || { cat "$SCRATCH/pull.out" >&2; return 1; }
	KEEPER=$(one_of $DRIVER crisp-pull) && FETCHER=$(one_of "$KEEPER" crisp-pull-net) && UNPACKER=$(one_of "$KEEPER" crisp-pull-fs)
}
# killed PROCESS: of the pull at hand; sets RC, the driver's status.
killed() { kill -KILL "$1"; wait "$DRIVER"; RC=$?; DRIVER=; }
again() { begin_pull || bail "no pull: $(cat "$SCRATCH/pull.out")"; }

begin_pull && ok "a pull of three processes" || bail "no pull of three processes: $(cat "$SCRATCH/pull.out")"

# --- privileges ----------------------------------------------------------------------------------------------------------

caps() { echo "$(field "$1" CapEff) $(field "$1" CapPrm) $(field "$1" CapBnd) $(field "$1" CapInh) $(field "$1" CapAmb)"; }
NONE=0000000000000000
check_is "the fetcher has no capability" "$NONE $NONE $NONE $NONE $NONE" caps "$FETCHER"
check_is "the keeper has DAC_OVERRIDE and FOWNER" "000000000000000a 000000000000000a 000000000000000a $NONE $NONE" caps "$KEEPER"
check_is "the unpacker has those of archives" "000000008820001b 000000008820001b 000000008820001b $NONE $NONE" caps "$UNPACKER"
for process in KEEPER FETCHER UNPACKER; do
	check_is "${process,,}: a filter, and no new privileges" "2 1" eval 'echo $(field ${!process} Seccomp) $(field ${!process} NoNewPrivs)'
	check_is "${process,,}: no argument" "$BUILD_DIR/crisp-pull" eval "tr '\\0' ' ' </proc/${!process}/cmdline | sed 's/ \$//'"
done

# --- networks and files --------------------------------------------------------------------------------------------------

ns() { readlink "/proc/$1/ns/$2"; }
check_is "the fetcher has the network" "$(ns $$ net)" ns "$FETCHER" net
check "the unpacker has another one" [ "$(ns "$UNPACKER" net)" != "$(ns $$ net)" ]
check_is "and the keeper has that" "$(ns "$UNPACKER" net)" ns "$KEEPER" net
check_is "no address is in it, and loopback is down" "" eval 'nsenter -t "$UNPACKER" -n ip -o address 2>&1'
for process in KEEPER FETCHER UNPACKER; do
	check "${process,,}: a mount namespace of its own" [ "$(ns "${!process}" mnt)" != "$(ns $$ mnt)" ]
	check_is "${process,,}: no /etc/shadow" "" eval "ls /proc/${!process}/root/etc/shadow 2>/dev/null || :"
	check_is "${process,,}: each mount is nosuid, nodev and noexec" "" \
		eval "awk '\$6 !~ /nosuid/ || \$6 !~ /nodev/ || \$6 !~ /noexec/' /proc/${!process}/mountinfo"
done
writable() { awk '$6 !~ /^ro,/ { print $5 }' "/proc/$1/mountinfo"; }
check_is "the fetcher cannot write anywhere" "" writable "$FETCHER"
check_is "the unpacker writes to the work folder of its pull" "$IMAGES/staging/$PULL_ID/work" writable "$UNPACKER"
check_is "the keeper writes to the images" "$IMAGES" writable "$KEEPER"
check_is "the unpacker sees nothing else" "/ /proc/self/fd $IMAGES/staging/$PULL_ID/work" \
	eval 'awk "{ print \$5 }" "/proc/$UNPACKER/mountinfo" | sort | xargs'
check_is "the fetcher sees nothing of the images" "" eval "awk '{ print \$5 }' /proc/$FETCHER/mountinfo | grep -F '$IMAGES' || :"
check_is "nor the node's processes" "self" eval 'ls "/proc/$UNPACKER/root/proc"'

# --- descriptors and secrets ---------------------------------------------------------------------------------------------

# What the process has open but sockets, pipes and the like.
files() { find "/proc/$1/fd" -type l -printf '%l\n' | grep -vE '^(socket|pipe|anon_inode):' | grep -vx /dev/null | sort -u || :; }
check_is "the fetcher has no file open" "" files "$FETCHER"
check_is "the unpacker has none outside its folder, but the lock of its pull" "" \
	eval "files $UNPACKER | grep -vF '$PULL_ID' || :"

# has_secret PID TEXT: in its memory or its environment.
has_secret() {
	local range flags start stop
	tr '\0' '\n' <"/proc/$1/environ" | grep -qF "$2" && return 0
	while read -r range flags _; do
		case $flags in rw*) ;; *) continue ;; esac
		start=$((16#${range%-*} / 4096)) stop=$((16#${range#*-} / 4096))
		[ $((stop - start)) -le 16384 ] || continue
		dd if="/proc/$1/mem" bs=4096 skip=$start count=$((stop - start)) 2>/dev/null | grep -qaF "$2" && return 0
	done <"/proc/$1/maps"
	return 1
}
check "the fetcher has the password" has_secret "$FETCHER" $SECRET
check "and the proxy's" has_secret "$FETCHER" $PROXY_SECRET
for process in KEEPER UNPACKER; do
	check "${process,,}: not the password" eval '! has_secret ${!process} $SECRET'
	check "${process,,}: not the proxy's" eval '! has_secret ${!process} $PROXY_SECRET'
done

# --- ends ----------------------------------------------------------------------------------------------------------------

nothing_staged() { "$SCRATCH/pulldrv" clean "$IMAGES" "$PULL_ID" && nothing_left; }
killed "$UNPACKER"
check "the unpacker is killed: the pull fails" [ $RC != 0 ]
check "which says so" grep -q "crisp-pull-fs.*pull again" "$SCRATCH/pull.out"
check "no process is left" poll 20 all_gone
check "and no file" nothing_left
again
killed "$FETCHER"
check "the fetcher is killed: the pull fails" [ $RC != 0 ]
check "which says so" grep -q "crisp-pull-net.*pull again" "$SCRATCH/pull.out"
check "no process is left" poll 20 all_gone
check "and no file" nothing_left
again
killed "$KEEPER"
check "the keeper is killed: the pull fails" [ $RC != 0 ]
check "no process is left" poll 20 all_gone
check "and no file, once its staging is removed" nothing_staged
check "a whole pull" pull 127.0.0.1:$PORT/plain/a:quick
check_is "is the same layer" "sha256:$(sha256sum <"$SCRATCH/small.tar" | cut -d' ' -f1)" diff_ids
harness_end
