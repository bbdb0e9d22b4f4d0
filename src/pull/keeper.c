/*
 * keeper.c - start the puller's processes in order.
 *
 * What must hold: fork the fetcher before leaving the network and overwriting the secrets, the
 * unpacker after both.
 */
#include "pull/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/util.h"
#include "image/staging.h"
#include "image/wipe.h"
#include "pull/confine.h"
#include "pull/fetch.h"
#include "pull/fetcher.h"
#include "pull/unpacker.h"

/* Proxy URLs in the environment may contain passwords. */
static void forget_secrets(Crisp__Pull__Request *q)
{
	for (char **env = environ; env && *env; env++)
		explicit_bzero(*env, strlen(*env));
	environ = NULL;
	message_wipe((ProtobufCMessage *)q->credentials);
}

static int read_configuration(const Crisp__Pull__Request *q, struct acquire_parts *p, struct err *e)
{
	int r = image_staging_enter(q->images_root, q->pull_id, &p->staging_lock, e);

	r = r < 0 ? r : admit_new(q, &p->trust, e);
	if (r == 0 && !*q->layout_dir)
		r = registries_load(q->registries_conf, &p->registries, e);
	return r;
}

static int share_meter(struct acquire_parts *p, struct err *e)
{
	p->meter = mmap(NULL, sizeof(*p->meter), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (p->meter != MAP_FAILED)
		return 0;
	p->meter = NULL;
	return err_errno(e, ERR_EXHAUSTED, errno, "share memory with the fetcher");
}

static int confine(const Crisp__Pull__Request *q, struct err *e)
{
	struct confine_view view = CONFINE_VIEW_NULL;
	_cleanup_close_ int slots = -1;
	int r;

	confine_view_add(&view, q->images_root, NULL, true, false);
	confine_view_add(&view, q->images_root, FETCH_READ_ROOT, false, false);
	if (*q->slots_file) {
		slots = open(q->slots_file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (slots < 0)
			err_errno(e, ERR_INTERNAL, errno, "open %s", q->slots_file);
		confine_view_add(&view, q->slots_file, NULL, true, false);
	}
	r = *q->slots_file && slots < 0 ? -(int)e->code : confine_enter(CONFINE_KEEPER, &view, e);
	confine_view_done(&view);
	return r;
}

int keeper_begin(Crisp__Pull__Request *q, struct acquire_parts *ret, struct err *e)
{
	int r;

	*ret = (struct acquire_parts){
		.staging_lock = -1,
		.fetcher = HELPER_NULL,
		.unpacker = HELPER_NULL,
	};
	(void)clock_boot_id(); /* cache it while /proc is visible */
	r = read_configuration(q, ret, e);
	r = r < 0 ? r : share_meter(ret, e);
	r = r < 0 ? r : fetcher_start(q, ret->trust, ret->meter, &ret->fetcher, e);
	forget_secrets(q);
	r = r < 0 ? r : confine_leave_network(e);
	r = r < 0 ? r
		  : unpacker_start(q, admit_policy(ret->trust), ret->staging_lock, &ret->unpacker,
				   e);
	r = r < 0 ? r : confine(q, e);
	r = r < 0 ? r : helper_ready(&ret->fetcher, e);
	r = r < 0 ? r : helper_ready(&ret->unpacker, e);
	if (r < 0) {
		struct err ignored = ERR_NULL;

		keeper_end_children(ret);
		if (ret->staging_lock >= 0)
			image_staging_leave(q->images_root, q->pull_id, &ignored);
	}
	return r;
}

void keeper_end_children(struct acquire_parts *p)
{
	helper_end(&p->fetcher);
	helper_end(&p->unpacker);
}

void keeper_end(struct acquire_parts *p)
{
	keeper_end_children(p);
	registries_free(p->registries);
	admit_free(p->trust);
	close_fdp(&p->staging_lock);
	if (p->meter)
		munmap(p->meter, sizeof(*p->meter));
}
