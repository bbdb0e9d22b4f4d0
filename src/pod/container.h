/*
 * container.h - containers: CRI calls (runtime.v1: CreateContainer and others), and events from
 * their sandbox and its shim.  Loop thread only.
 */
#pragma once

#include "core/calls.h"
#include "core/jobs.h"
#include "core/objects.h"
#include "gen/api.pb-c.h"
#include "gen/sm_container.h"
#include "gen/state.pb-c.h"
#include "pod/shim.h"
#include "shimproto/shimproto.h"

extern const struct kind_ops kind_container;

/* Find or create the container with the request's sandbox and metadata.  <0: e is set, the request
 * is refused. */
int container_for(const Runtime__V1__CreateContainerRequest *req, struct object **ret,
		  struct err *e);
/* May a pod of this configuration have this container?  <0: e is set. */
int container_check_config(const Runtime__V1__ContainerConfig *c,
			   const Runtime__V1__PodSandboxConfig *pod, struct err *e);
/* Find or create the container c of a sandbox that is made from a checkpoint.  <0: e is set. */
int container_of_checkpoint(const Runtime__V1__ContainerConfig *c, const struct object *sandbox,
			    struct object **ret, struct err *e);
/* 0: the sandbox is ready.  <0: e is set (ERR_PRECONDITION). */
int container_check_start(const Runtime__V1__StartContainerRequest *req, const struct object *o,
			  struct err *e);
/* Can configuration and runtime do what ("checkpoints")?  allowed: container_level_enabled permits
 * it.  <0: e is set (ERR_PRECONDITION). */
int container_check_criu(const struct conf_runtime *rt, const char *what, bool allowed,
			 struct err *e);
/* Can a container of this handler be written to files?  <0: e is set (ERR_PRECONDITION). */
int container_check_can_dump(const struct conf_runtime *rt, struct err *e);
/* The payload of a checkpoint of o.  <0: e is set (ERR_PRECONDITION: configuration or runtime;
 * ERR_INVALID: location). */
int container_dump_for(const Runtime__V1__CheckpointContainerRequest *req, const struct object *o,
		       struct payload_checkpoint **ret, struct err *e);
/* Send SHIM_REOPEN, without an event of the machine.  0: takes c; done gets obj NULL and the error,
 * if any.  <0: e is set (codes of world_lookup, ERR_PRECONDITION, ERR_UNAVAILABLE). */
int container_reopen_log(struct caller *c, const char *id, struct err *e);

/* Handle a status message of the shim: report the end of an ended container. */
void container_shim_says(struct object *o, const struct shim_status *st);
/* A new shim has adopted the container: repeat the effect whose request went to the dead shim. */
void container_shim_back(struct object *o);
/* No shim will come: end this container, or all of a sandbox, and find their exit status. */
void container_settle(struct object *o);
void container_pod_lost(const struct object *sandbox);

/* Call fn when the line to the shim is settled; without a sandbox, at once and without a link. */
void container_with_line(struct object *o, pod_ready_fn *fn);
/* The shim's status of a container that has not ended.  NULL: an event is or will be reported. */
const struct shim_status *container_probed_alive(struct object *o, uint64_t gen, struct pod *p,
						 struct shim_link *link);

/* The first process in the answer to SHIM_CREATE.  NULL: e is set, with err or what is wrong. */
struct payload_init *container_created_init(const struct object *o, const struct shim_answer *ans,
					    const struct err *err, struct err *e);

/* Copy id, name, reference, layers and config of the image into the record. */
void container_set_image(Crisp__State__Container *row, const struct object *image,
			 const Runtime__V1__ImageSpec *asked);

/* A job for o with a copy of its row; as job_init. */
struct job *container_job_new(struct object *o, enum loop_lane lane,
			      int (*work)(struct job *, struct err *),
			      void (*done)(struct job *, struct object *));
const Crisp__State__Container *container_job_row(struct job *j);

/* The name that dockershim gave containers, and journals and metrics still have:
 * k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT.  The caller frees it. */
char *container_full_name(const char *name, const Runtime__V1__PodSandboxMetadata *pod,
			  uint32_t attempt);

/* Unpack the client's config with the default allocator; never NULL. */
Runtime__V1__ContainerConfig *container_config(const Crisp__State__Container *row);
