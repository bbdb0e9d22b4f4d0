/*
 * podsame.h - does the request for a restore describe the pod and the containers of the checkpoint?
 *
 * A restored process is what it was: what differs must not, or cannot, come into force.
 */
#pragma once

#include "base/err.h"
#include "gen/api.pb-c.h"

/* ERR_PRECONDITION: the text names the first field that differs. */
int podsame_pod(const Runtime__V1__PodSandboxConfig *old, const Runtime__V1__PodSandboxConfig *now,
		struct err *e);
/* The image is not compared. */
int podsame_container(const Runtime__V1__ContainerConfig *old,
		      const Runtime__V1__ContainerConfig *now, struct err *e);
