# peers.sh - how to start the daemon under test; sourced by lib.sh.
#
# crispd is what is tested. containerd can stand in for it, which proves that a script, an image or
# a specification of the conformance suite is right before anyone looks for the mistake in crispd.
# It is the one that CRISP_TEST_CONTAINERD names, that of tools/test-deps.sh --peer, or that in PATH; its
# shim is looked for beside it.

peer_containerd_bin() {
	local unpacked=$CACHE/peers/containerd/usr/bin/containerd
	[ -x "$unpacked" ] || unpacked=containerd
	command -v "${CRISP_TEST_CONTAINERD:-$unpacked}" || echo containerd
}

# Writes the configuration files that the peer reads beside its command line.
peer_prepare() {
	case $PEER in
	crispd) peer_crispd_config ;;
	containerd) peer_containerd_config ;;
	*) bail "unknown peer $PEER (known: crispd, containerd)" ;;
	esac
}

# peer_argv: prints the command line, one word a line, without the option PEER_WITHOUT and its value.
peer_argv() { peer_argv_whole | sed "${PEER_WITHOUT:+/^$PEER_WITHOUT\$/,+1d}"; }

peer_argv_whole() {
	case $PEER in
	crispd)
		printf '%s\n' "$BUILD_DIR/crispd" --config "$SCRATCH/crisp.conf" --config-dir "$SCRATCH/config.d" \
			--root "$ROOT" --runroot "$RUNROOT" --listen "$SOCKET" --log-level "${CRISP_TEST_LOG_LEVEL:-info}" \
			--cgroup-manager "$CGROUP_MANAGER" --cni-config-dir "$CNI_CONF" --cni-plugin-dir "$CNI_PLUGINS" \
			--log-dir "$SCRATCH/podlogs" --default-runtime "${CRISP_TEST_RUNTIME:-runc}" --registries-conf "$REGISTRIES_CONF" ;;
	containerd)
		printf '%s\n' env "PATH=$(dirname "$(peer_containerd_bin)"):$PATH" "$(peer_containerd_bin)" \
			--config "$SCRATCH/containerd.toml" ;;
	esac
}

peer_containerd_config() {
	local host
	for host in $REGISTRY $(image_hosts); do
		mkdir -p "$SCRATCH/certs.d/$host"
		printf 'server = "http://%s"\n[host."http://%s"]\n  capabilities = ["pull", "resolve"]\n' "$REGISTRY" "$REGISTRY" \
			>"$SCRATCH/certs.d/$host/hosts.toml"
	done
	cat >"$SCRATCH/containerd.toml" <<-TOML
	version = 2
	root = "$ROOT"
	state = "$RUNROOT"
	[grpc]
	  address = "$SOCKET"
	[ttrpc]
	  address = "$SCRATCH/run/ttrpc.sock"
	[plugins."io.containerd.grpc.v1.cri"]
	  sandbox_image = "$REGISTRY/pause:3.10"
	  restrict_oom_score_adj = true
	  disable_apparmor = true
	[plugins."io.containerd.grpc.v1.cri".cni]
	  bin_dir = "$CNI_PLUGINS"
	  conf_dir = "$CNI_CONF"
	[plugins."io.containerd.grpc.v1.cri".registry]
	  config_path = "$SCRATCH/certs.d"
	[plugins."io.containerd.internal.v1.opt"]
	  path = "$SCRATCH/opt"
	[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
	  runtime_type = "io.containerd.runc.v2"
	[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.test-handler]
	  runtime_type = "io.containerd.runc.v2"
	TOML
}

# A pod without a cgroup parent, as critest makes them, must land below ours too. A script adds
# files of its own beside this one.
peer_crispd_config() {
	printf '[crio.runtime]\ndefault_cgroup_parent = "%s"\n' "$CGROUP_PARENT" >"$SCRATCH/crisp.conf"
}
