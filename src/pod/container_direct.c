/*
 * container_direct.c - ReopenContainerLog: sends a request to the shim.  It raises no event, so it
 * does not wait for an operation in flight.
 */
#include "pod/container.h"
#include "pod/shim.h"

static void reopened(void *arg, struct shim_answer *ans, const struct err *err)
{
	(void)ans;
	caller_finish(arg, NULL, err);
}

int container_reopen_log(struct caller *c, const char *id, struct err *e)
{
	struct shim_request req = { .type = SHIM_REOPEN };
	struct object *o;
	struct pod *p;
	int r = world_lookup(KIND_CONTAINER, id, &o, e);

	if (r < 0)
		return r;
	p = pod_find(((const Crisp__State__Container *)o->sm->row)->sandbox_id);
	if (!ctr_is_begun(o->sm->state) || !p)
		return err_set(e, ERR_PRECONDITION, "container %s is not running", id);
	if (!pod_is_up(p))
		return err_set(e, ERR_UNAVAILABLE,
			       "the shim of container %s is being replaced: try again", id);
	req.id = o->sm->id;
	return shim_link_call(p->link, &req, NULL, 0, reopened, c, e);
}
