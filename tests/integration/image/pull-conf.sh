#!/bin/bash
# pull-conf.sh - each pull key of crio.conf(5) and each field of PullImage reaches the puller:
# AuthConfig, namespaced_auth_dir, pause_image_auth_file, short_name_mode. No password appears in a
# log line or a row.
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"

PRIVATE=127.0.0.1:5001
NAME=$PRIVATE/e2e-test-images/busybox:1.29-2
PAUSE=$PRIVATE/t/pause:1
SECRET=unspeakable-word
registry_start
skopeo copy -q --src-tls-verify=false --dest-tls-verify=false "docker://$BUSYBOX" "docker://$REGISTRY/t/pause:1" >"$SCRATCH/make.log" 2>&1 ||
	bail "skopeo: $(cat "$SCRATCH/make.log")"
htpasswd -Bbn user $SECRET >"$SCRATCH/htpasswd" 2>/dev/null
sed "s/$REGISTRY/$PRIVATE/; \$a auth: {htpasswd: {realm: tests, path: $SCRATCH/htpasswd}}" "$SCRATCH/registry/config.yml" >"$SCRATCH/private.yml"
docker-registry serve "$SCRATCH/private.yml" >"$SCRATCH/private.log" 2>&1 &
PRIVATE_PID=$!
end() {
	local rc=$?
	kill $PRIVATE_PID 2>/dev/null
	(exit $rc)
	harness_cleanup
}
trap end EXIT
poll 30 bash -c "</dev/tcp/127.0.0.1/5001" || bail "docker-registry does not start: $(tail -n 3 "$SCRATCH/private.log")"

CODED=$(printf 'user:%s' $SECRET | base64 -w0)
# auth_file PATH AUTH
auth_file() { mkdir -p "$(dirname "$1")" && printf '{"auths":{"%s":{"auth":"%s"}}}' "$PRIVATE" "$2" >"$1"; }
registries_conf_write
sed -i "1i unqualified-search-registries = [\"$PRIVATE/e2e-test-images\", \"$REGISTRY/e2e-test-images\"]" "$REGISTRIES_CONF"
cat >"$SCRATCH/config.d/pull.conf" <<CONF
[crio.image]
namespaced_auth_dir = "$SCRATCH/auth"
global_auth_file = "$SCRATCH/global/auth.json"
pause_image = "$PAUSE"
pause_image_auth_file = "$SCRATCH/pause/auth.json"
certs_dirs = ["$SCRATCH/certs.d"]
pull_progress_timeout = "1m30s"
CONF
daemon_start
check_is "namespaced_auth_dir is made" 700 stat -c %a "$SCRATCH/auth"

pull_in() { crictl pull --pod-config "$(pod_config "$1" '.metadata.namespace = "'"$1"'"')" "$NAME"; }
forget() { crictl rmi "$1" >/dev/null 2>&1; }

check_fails "without credentials" "Unauthenticated.*user name" crictl pull "$NAME"
check "a password" crictl pull --creds "user:$SECRET" "$NAME"
forget "$NAME"
check "the same as auth" crictl pull --auth "$CODED" "$NAME"
forget "$NAME"
auth_file "$SCRATCH/global/auth.json" "$CODED"
check "global_auth_file" crictl pull "$NAME"
forget "$NAME"
auth_file "$SCRATCH/global/auth.json" "$(printf user:wrong | base64 -w0)"
check_fails "which is read anew each time" "Unauthenticated" crictl pull "$NAME"

ONE_SHOT=$SCRATCH/auth/team-$(printf '%s' "$NAME" | sha256sum | cut -d' ' -f1).json
auth_file "$ONE_SHOT" "$CODED"
check_fails "another namespace's credentials" "Unauthenticated" pull_in mate
check "the namespace's" pull_in team
check "for one pull" test ! -e "$ONE_SHOT"
forget "$NAME"
check_fails "not for two" "Unauthenticated" pull_in team

auth_file "$SCRATCH/pause/auth.json" "$CODED"
check "pause_image_auth_file" crictl pull "$PAUSE"
check_fails "which is for that image alone" "Unauthenticated" crictl pull "$NAME"

# A registry that hides what it has from anonymous clients, and asks for a login at /v2/ alone.
HIDDEN=127.0.0.1:5002
cat >"$SCRATCH/nginx.conf" <<CONF
daemon off; pid $SCRATCH/nginx.pid; error_log $SCRATCH/nginx.log; events {}
http {
	access_log $SCRATCH/hidden.log; client_body_temp_path $SCRATCH/nginx.body; proxy_temp_path $SCRATCH/nginx.proxy;
	fastcgi_temp_path $SCRATCH/nginx.1; uwsgi_temp_path $SCRATCH/nginx.2; scgi_temp_path $SCRATCH/nginx.3;
	server {
		listen $HIDDEN;
		location = /v2/ { add_header WWW-Authenticate 'Basic realm="hidden"' always; return 401; }
		location / {
			if (\$http_authorization != "Basic $CODED") { return 404; }
			proxy_set_header Authorization ""; proxy_pass http://$REGISTRY;
		}
	}
}
CONF
nginx -c "$SCRATCH/nginx.conf" &
NGINX=$!
poll 20 bash -c "</dev/tcp/127.0.0.1/5002" || bail "nginx does not start"
check_fails "a hidden image without credentials is not there" "NotFound" crictl pull "${NAME/$PRIVATE/$HIDDEN}"
check_is "and nothing was asked twice" 1 eval 'grep -c "GET /v2/.*/manifests/" "$SCRATCH/hidden.log"'
check "with credentials it is" crictl pull --creds "user:$SECRET" "${NAME/$PRIVATE/$HIDDEN}"
kill $NGINX
forget "${NAME/$PRIVATE/$HIDDEN}"

check_fails "a short name of several meanings" "InvalidArgument.*busybox may be $PRIVATE/e2e-test-images/busybox, $REGISTRY/e2e-test-images/busybox" \
	crictl pull busybox:1.29-2
printf '[aliases]\n"busybox" = "%s/e2e-test-images/busybox"\n' "$REGISTRY" >"$SCRATCH/aliases" && mkdir -p "$REGISTRIES_CONF.d" &&
	cp "$SCRATCH/aliases" "$REGISTRIES_CONF.d/000-shortnames.conf"
check "an alias, without a restart" crictl pull busybox:1.29-2
tags() { crictl images -o json | jq -r --arg r "$REGISTRY/" ".images[].repoTags[] | select(startswith(\$r))"; }
check_is "under its full name" "$BUSYBOX" tags
mkdir -p "$SCRATCH/certs.d/$REGISTRY" && cp "$SCRATCH/htpasswd" "$SCRATCH/certs.d/$REGISTRY/ca.crt"
check_fails "certs_dirs" "FailedPrecondition.*ca.crt is no certificate" crictl pull "$BUSYBOX"

check "no log line has the password" bash -c "! grep -e '$SECRET' -e '$CODED' '$SCRATCH/daemon.log'"
check "no file has it" bash -c "! grep -rl -e '$SECRET' -e '$CODED' '$ROOT' '$RUNROOT'"
daemon_kill
daemon_again
check "after a restart neither" bash -c "! grep -rl -e '$SECRET' -e '$CODED' '$ROOT' '$RUNROOT' '$SCRATCH/daemon.log'"

printf '[crio.image]\nshort_name_mode = "loose"\n' >"$SCRATCH/bad.conf"
check_fails "a mode that is none" "bad.conf:2: crio.image.short_name_mode: .*enforcing, permissive, disabled" "$BUILD_DIR/crispd" --config "$SCRATCH/bad.conf"
printf '[crio.image]\npull_progress_timeout = "soon"\n' >"$SCRATCH/bad.conf"
check_fails "a time-out that is none" "bad.conf:2: crio.image.pull_progress_timeout: .*duration" "$BUILD_DIR/crispd" --config "$SCRATCH/bad.conf"
harness_end
