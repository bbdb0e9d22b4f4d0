/*
 * spent.h - removes the cgroup of a container that has ended.
 *
 * The kubelet's cAdvisor shows a cgroup without processes as a container that uses nothing.
 * RemoveContainer removes what is left here.
 */
#pragma once

struct object;
struct sm_event;

/* Remove the cgroup of container, then report its end.  The kubelet asks cAdvisor about the pod as
 * soon as StopContainer has answered: a cgroup that goes meanwhile fails a resize.  Takes end. */
void spent_report(struct object *container, struct sm_event *end);
/* Call when container has ended, on the loop thread.  A cgroup that is in use stays: its processes
 * outlive the container's first. */
void spent_remove_cgroup(struct object *container);
