/*
 * trust.h - the second check: an image that was accepted when it was pulled is judged again, by
 * the policy of today for the pod's namespace, before a container is made of it.
 *
 * What must hold: it is judged under the name that the pod uses, with the signatures that were
 * kept when it was pulled, so no registry has a say in whether a container can start.
 */
#pragma once

#include "core/objects.h"
#include "gen/api.pb-c.h"

/* What a worker has to know of an image. */
struct trust_subject;

/* On the loop thread.  image: NULL when nothing is known of it but how the pod asks for it.  Of
 * spec the name that the pod's author wrote counts, if there is one; of an id, or a short name, the
 * names that the image has on this node.  field: where spec stands in the request, for errors. */
struct trust_subject *trust_subject_new(const struct object *image,
					const Runtime__V1__ImageSpec *spec, const char *field);
void trust_subject_free(struct trust_subject *s);

/* On a worker, blocks: reads the policy, and starts a process where signatures decide.  Of several
 * names one that is accepted is enough.  ERR_DENIED: the policy does not accept the image;
 * ERR_PRECONDITION: the policy is wrong.  Both begin with the CRI's SignatureValidationFailed. */
int trust_subject_check(const struct trust_subject *s, const char *pod_namespace, struct err *e);
