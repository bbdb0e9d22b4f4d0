/*
 * trust.h - the second signature check: before a container is made of an image, apply the pod
 * namespace's current policy to it.
 *
 * What must hold: the check uses the pod's name for the image and the signatures stored at the
 * pull. So no registry can prevent a container start.
 */
#pragma once

#include "core/objects.h"
#include "gen/api.pb-c.h"

/* Copy of the image's data that the worker needs. */
struct trust_subject;

/* On the loop thread. image NULL: only the pod's reference is known. spec: uses
 * user_specified_image if set. For an id or a short name, the image's names on this node apply.
 * field: path of spec in the request, for errors. */
struct trust_subject *trust_subject_new(const struct object *image,
					const Runtime__V1__ImageSpec *spec, const char *field);
void trust_subject_free(struct trust_subject *s);

/* On a worker, blocks: read the policy; start a process if signatures decide. One accepted name of
 * several is enough. ERR_DENIED: the policy does not accept the image. ERR_PRECONDITION: the policy
 * is wrong. Both begin with the CRI's SignatureValidationFailed. */
int trust_subject_check(const struct trust_subject *s, const char *pod_namespace, struct err *e);
