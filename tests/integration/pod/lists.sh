#!/bin/bash
# lists.sh - every filter of ListPodSandbox, ListContainers and ListImages selects what it says,
# alone and with others; status by the beginning of an id.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"

sorted() { printf '%s\n' "$@" | sort; }
ctrs() { crictl ps -a -q --no-trunc "$@" | sort; }
pods() { crictl pods -q --no-trunc "$@" | sort; }
images() { crictl images -o json "$@" | jq -r '[.images[].repoTags[]] | join(" ")'; }

check "a pod" pod_run one "$HOST_NET | .labels.tier = \"front\" | .labels.zone = \"a\""
ONE=$OUT
check "another" pod_run two "$HOST_NET | .labels.tier = \"back\" | .labels.zone = \"a\""
TWO=$OUT
check "a container that runs" ctr_run "$ONE" one.runs '.labels.app = "web" | .labels.part = "x"'
RUNS=$OUT
check "one that is not started" crictl create "$ONE" "$(ctr_config one.new "$BUSYBOX" '.labels.app = "web"')" "$SCRATCH/pod-one.json"
NEW=$OUT
check "one that ends, of the other pod" ctr_run "$TWO" two.ends '.command = ["true"] | .labels.app = "job"'
ENDED=$OUT
check "and has ended" poll 20 ctr_is "$ENDED" CONTAINER_EXITED

check_is "containers: all" "$(sorted "$RUNS" "$NEW" "$ENDED")" ctrs
check_is "containers: by id" "$NEW" ctrs --id "$NEW"
check_is "containers: by the beginning of an id" "$ENDED" ctrs --id "${ENDED:0:20}"
check_is "containers: by the end of an id: none" "" ctrs --id "${ENDED:44}"
check_is "containers: by pod" "$(sorted "$RUNS" "$NEW")" ctrs --pod "$ONE"
check_is "containers: by the beginning of a pod's id" "$ENDED" ctrs --pod "${TWO:0:20}"
check_is "containers: created" "$NEW" ctrs --state created
check_is "containers: running" "$RUNS" ctrs --state running
check_is "containers: ended" "$ENDED" ctrs --state exited
check_is "containers: by label" "$(sorted "$RUNS" "$NEW")" ctrs --label app=web
check_is "containers: by two labels" "$RUNS" ctrs --label app=web --label part=x
check_is "containers: by another value: none" "" ctrs --label app=we
check_is "containers: by a label that none has" "" ctrs --label web=app
check_is "containers: by pod, state and label" "$NEW" ctrs --pod "$ONE" --state created --label app=web
check_is "containers: by id and another pod: none" "" ctrs --id "$NEW" --pod "$TWO"

check "the other pod is stopped" crictl stopp "$TWO"
check_is "pods: all" "$(sorted "$ONE" "$TWO")" pods
check_is "pods: by the beginning of an id" "$TWO" pods --id "${TWO:0:20}"
check_is "pods: ready" "$ONE" pods --state ready
check_is "pods: not ready" "$TWO" pods --state notready
check_is "pods: by label" "$(sorted "$ONE" "$TWO")" pods --label zone=a
check_is "pods: by two labels" "$ONE" pods --label zone=a --label tier=front
check_is "pods: by label and state: none" "" pods --label tier=front --state notready

check_is "images: by name" "$BUSYBOX" images "$BUSYBOX"
check_is "images: by another tag: none" "" images "${BUSYBOX%:*}:none"

check_is "a container by the beginning of its id" "$RUNS" eval "crictl inspect ${RUNS:0:20} | jq -r .status.id"
check_is "a pod by the beginning of its id" "$ONE" eval "crictl inspectp ${ONE:0:20} | jq -r .status.id"
check_fails "a container that is not there" "code = NotFound.*container with ID ffff not found" crictl inspect ffff
check_fails "a pod that is not there" "code = NotFound.*sandbox with ID ffff not found" crictl inspectp ffff
check_fails "what is no id" "code = NotFound" crictl inspect no-id
check_fails "an image that is not there" "no such image" crictl inspecti "${BUSYBOX%:*}:none"
harness_end
