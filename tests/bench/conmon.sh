# conmon.sh - the program that writes logs, and containers without a daemon that run it: a bundle with
# nothing else in it, started by conmon and runc. Source it after the integration harness's lib.sh.
#
# What must hold: the programs write once $SCRATCH/go/go is there.

logwriter_build() {
	cc -std=gnu17 -D_GNU_SOURCE -O2 -static -o "$SCRATCH/logwriter" "$TOP/tests/bench/logwriter.c" || bail "logwriter does not compile"
	mkdir "$SCRATCH/go"
}

# conmon_run NAME BYTES: its log is $SCRATCH/NAME/log
conmon_run() {
	local dir=$SCRATCH/$1
	mkdir -p "$dir/rootfs/go"
	cp "$SCRATCH/logwriter" "$dir/rootfs/"
	(cd "$dir" && runc spec) || return
	jq --arg bytes "$2" --arg go "$SCRATCH/go" --arg cgroup "$CGROUP_PARENT/$1" '.process.args = ["/logwriter", "/go", $bytes]
		| .process.terminal = false | .linux.cgroupsPath = $cgroup
		| .mounts += [{destination: "/go", source: $go, type: "bind", options: ["bind"]}]' \
		"$dir/config.json" >"$dir/new.json" && mv "$dir/new.json" "$dir/config.json" || return
	conmon --full-attach --cid "$1" --cuuid "$1" --name "$1" --runtime "$(command -v runc)" --runtime-arg "--root=$SCRATCH/runc" \
		--bundle "$dir" --container-pidfile "$dir/pid" --exit-dir "$dir" --log-path "k8s-file:$dir/log" || return
	poll 10 [ -s "$dir/pid" ] && runc --root "$SCRATCH/runc" start "$1"
}

conmon_pids() { pgrep -f "^conmon .*$SCRATCH"; }

# conmon_end NAME...: and their monitors
conmon_end() {
	local name
	for name in "$@"; do runc --root "$SCRATCH/runc" delete -f "$name"; done
	poll 10 eval '! conmon_pids'
}
