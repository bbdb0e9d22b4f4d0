/*
 * fake_image.c - the pull and image machines killed at each point of each row, on a fake node:
 * staging folder, layers, two rows in one commit.
 */
#include "sweep.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "core/payloads.h"
#include "core/records.h"
#include "gen/sm_image.h"
#include "gen/sm_pull.h"

enum fault {
	FAULT_FETCH_FAILS = 1 << 0,
	FAULT_FETCH_FAILS_ONCE = 1 << 1,
	FAULT_DISK_LIES_ONCE = 1 << 2, /* what is read is not what was written */
	FAULT_LAYER_IS_LOST = 1 << 3, /* it is not there any more */
	FAULT_OUTAGE = 1 << 4, /* it fails, and leaves something for the next try */
	FAULT_OUTAGE_ONCE = 1 << 5,
	FAULT_CLEAN_STUCK_ONCE = 1 << 6,
};

enum asks {
	ASKS_PULL = PUL_EVENT_PULL,
	ASKS_LOAD = PUL_EVENT_LOAD,
	ASKS_CANCEL = PUL_EVENT_CANCEL,
	ASKS_REMOVE,
	ASKS_FORGET,
};

enum happening {
	HAPPENS_UNTAG, /* the name means another image now */
	HAPPENS_CHECK, /* somebody wants to know whether the layers are whole */
};

static const char *const PULL_ID =
	"9011000000000000000000000000000000000000000000000000000000000000";
static const char *const IMAGE_ID =
	"1a6e000000000000000000000000000000000000000000000000000000000000";
static const char TAG[] = "example.test/app:1";

#define EFFECT(prefix, name) \
	void prefix##_effect_##name(struct sm_object *obj) \
	{ \
		sim_start(obj); \
	}
EFFECT(pul, fetch)
EFFECT(pul, adopt)
EFFECT(pul, clean)
EFFECT(img, verify)
EFFECT(img, drop)

/* What the pull found, as img_step_note_image() wants it. */
static struct sm_event *adopt_event(void)
{
	Crisp__State__Image *found = xmalloc(sizeof(*found));

	crisp__state__image__init(found);
	found->config.data = xmemdup("{}", 2);
	found->config.len = 2;
	row_add_str(&found->tags, &found->n_tags, TAG);
	return img_event_adopt(payload_image_new(found));
}

static struct sm_event *fetch_failed(const char *why, uint32_t layers)
{
	struct payload_kept *kept = xcalloc(1, sizeof(*kept));
	struct sm_event *ev;

	kept->layers = layers;
	ev = pul_event_fetch_failed(kept);
	err_set(&ev->err, ERR_INTERNAL, "%s", why);
	return ev;
}

static struct sm_event *outage_event(void)
{
	return fetch_failed("the registry is away", 1);
}

/* The puller says how it ended.  Both rows change in one turn, so one transaction takes them. */
static void tell_outcome(struct sim *sim, const struct job *job)
{
	struct sm_object *image = sim_object(sim, &img_machine);
	enum fake_puller outcome = sim->w->img.puller;
	Crisp__State__Image *row;

	if (outcome == FAKE_PULLER_OUTAGE) {
		sim_done(sim, job, outage_event());
		return;
	}
	if (outcome == FAKE_PULLER_FETCHED && image && image->state == IMG_STATE_DROPPING) {
		sim->w->img.layers = false; /* offered to whoever collects layers */
		outcome = FAKE_PULLER_FAILED;
	}
	if (outcome != FAKE_PULLER_FETCHED) {
		sim_done(sim, job, fetch_failed("there is no image", 0));
		return;
	}
	if (!image) {
		row = xmalloc(sizeof(*row));
		crisp__state__image__init(row);
		image = sim_object_new(sim, &img_machine, IMAGE_ID, row);
	}
	sm_dispatch(image, adopt_event());
	sim_done(sim, job, pul_event_fetched(payload_image_id_new(IMAGE_ID)));
}

/* The puller outlives the daemon and tells the next one. */
static void act_fetch(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct world_image *w = &sim->w->img;

	(void)obj;
	w->staging = true;
	w->puller_boot = sim->w->boot;
	if (sim_fault(sim, FAULT_OUTAGE) || sim_fault_once(sim, FAULT_OUTAGE_ONCE)) {
		w->puller = FAKE_PULLER_OUTAGE;
	} else if (sim_fault(sim, FAULT_FETCH_FAILS) ||
		   sim_fault_once(sim, FAULT_FETCH_FAILS_ONCE)) {
		w->puller = FAKE_PULLER_FAILED;
	} else {
		w->puller = FAKE_PULLER_FETCHED;
		w->layers = true;
		w->staging = false;
	}
	if (!sim->dead)
		tell_outcome(sim, job);
}

static void act_adopt(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct world_image *w = &sim->w->img;

	(void)obj;
	if (w->puller_boot != sim->w->boot)
		w->puller = FAKE_PULLER_NONE;
	if (!sim->dead)
		tell_outcome(sim, job);
}

/* Layers that no image row names go with the staging folder. */
static void act_clean(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct sm_event *ev;

	(void)obj;
	if (sim_fault_once(sim, FAULT_CLEAN_STUCK_ONCE)) {
		ev = sm_event_new(PUL_EVENT_CLEAN_STUCK);
		err_set(&ev->err, ERR_INTERNAL, "it does not go, says the sweep");
		sim_done(sim, job, ev);
		return;
	}
	sim->w->img.staging = false;
	sim->w->img.puller = FAKE_PULLER_NONE;
	if (!sim->dead && !sim_object(sim, &img_machine))
		sim->w->img.layers = false;
	sim_done(sim, job, sm_event_new(PUL_EVENT_CLEANED));
}

/* A damaged layer goes to quarantine, so that the next look finds it missing. */
static void act_verify(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct world_image *w = &sim->w->img;

	(void)obj;
	if (w->layers &&
	    (sim_fault_once(sim, FAULT_DISK_LIES_ONCE) || sim_fault_once(sim, FAULT_LAYER_IS_LOST)))
		w->layers = false;
	if (w->layers)
		sim_done(sim, job, sm_event_new(IMG_EVENT_WHOLE));
	else
		sim_done(sim, job, sim_failed(IMG_EVENT_DAMAGED, "a layer is damaged"));
}

static void act_drop(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)obj;
	sim->w->img.layers = false;
	sim_done(sim, job, sm_event_new(IMG_EVENT_DROPPED));
}

static const struct act acts[] = {
	{ "pull", "fetch", act_fetch }, { "pull", "adopt", act_adopt },
	{ "pull", "clean", act_clean }, { "image", "verify", act_verify },
	{ "image", "drop", act_drop },
};

static struct sm_object *target(struct sim *sim, const struct step *step, bool *ret_ok)
{
	struct sm_object *obj;
	Crisp__State__Pull *row;

	*ret_ok = true; /* what is not there is removed */
	if (step->what == ASKS_REMOVE || step->what == ASKS_FORGET)
		return sim_object(sim, &img_machine);
	obj = sim_object(sim, &pul_machine);
	if (obj || step->what == ASKS_CANCEL)
		return obj;
	row = xmalloc(sizeof(*row));
	crisp__state__pull__init(row);
	return sim_object_new(sim, &pul_machine, PULL_ID, row);
}

static void fill(struct sim *sim, struct sm_object *obj, const struct step *step,
		 struct sm_event *ev)
{
	(void)sim;
	(void)obj;
	if (step->what == ASKS_FORGET)
		sim_carry(ev, payload_tag_new(TAG), payload_tag_free);
	if (step->what == ASKS_REMOVE || step->what == ASKS_FORGET)
		ev->event = ev->waiter->event =
			step->what == ASKS_REMOVE ? IMG_EVENT_REMOVE : IMG_EVENT_FORGET;
}

static bool asked(const struct sim *sim, bool remove)
{
	for (unsigned int i = 0; i < sim->w->next; i++)
		if (sim->w->asks[i].tries && sim->scenario->steps[i].kind == STEP_ASK &&
		    (sim->scenario->steps[i].what == ASKS_REMOVE) == remove)
			return true;
	return remove && sim->w->asks[sim->w->next].tries > 0;
}

/* A pull behind the step may have brought the name back. */
static bool pulled_later(const struct sim *sim, const struct step *step)
{
	for (const struct step *s = step + 1; s < sim->scenario->steps + MAX_STEPS; s++)
		if (s->kind == STEP_ASK && (s->what == ASKS_PULL || s->what == ASKS_LOAD))
			return true;
	return false;
}

static bool has_tag(const struct sm_object *image)
{
	const Crisp__State__Image *row = image->row;

	for (size_t i = 0; i < row->n_tags; i++)
		if (strcmp(row->tags[i], TAG) == 0)
			return true;
	return false;
}

static bool present(const struct sim *sim)
{
	const struct sm_object *image = sim_object(sim, &img_machine);

	return image && (image->state == IMG_STATE_PRESENT || image->state == IMG_STATE_VERIFYING);
}

/* What the disk has lost nobody could keep; rest() sees to it that nobody is told otherwise. */
static bool lost(const struct sim *sim)
{
	return sim->w->used & (FAULT_DISK_LIES_ONCE | FAULT_LAYER_IS_LOST);
}

static bool kept(struct sim *sim, const struct step *step)
{
	const struct sm_object *image = sim_object(sim, &img_machine);
	const struct sm_object *pull = sim_object(sim, &pul_machine);

	if (step->what == ASKS_FORGET)
		return !image || sm_state(image)->kind == SM_KIND_FINAL || !has_tag(image) ||
		       pulled_later(sim, step);
	if (step->what == ASKS_CANCEL)
		return !pull || pull->state == PUL_STATE_GONE;
	if (step->what == ASKS_REMOVE)
		return !image || sm_state(image)->kind == SM_KIND_FINAL ||
		       (asked(sim, false) && present(sim));
	if (pull && pull->state == PUL_STATE_GONE) {
		const Crisp__State__Pull *row = pull->row;

		/* The image's half of the commit takes effect in the same turn, perhaps after. */
		return *row->image_id && (sim->w->img.layers || lost(sim));
	}
	return (present(sim) && sim->w->img.layers) || asked(sim, true) || lost(sim);
}

static bool explained(const struct sm_object *obj, const struct step *step)
{
	const Crisp__State__Pull *row = obj->row;

	(void)step;
	return obj->machine == &pul_machine && row->failure;
}

static void happen(struct sim *sim, int what)
{
	const struct sm_object *image = sim_object(sim, &img_machine);

	if (!image || image->state == IMG_STATE_NONE || image->state == IMG_STATE_GONE)
		return;
	if (what == HAPPENS_CHECK)
		sim_tell(sim, &img_machine, sm_event_new(IMG_EVENT_CHECK));
	else if (image->state != IMG_STATE_DROPPING)
		sim_tell(sim, &img_machine, img_event_untag(payload_tag_new(TAG)));
}

static bool down(struct world *w, enum down what)
{
	(void)w;
	return what == DOWN_REBOOTS;
}

/* The commit that ends a pull or lets it rest lets go of its process. */
static void seen(struct sim *sim, const struct sm_object *obj)
{
	if (obj->machine == &pul_machine &&
	    (obj->state == PUL_STATE_GONE || obj->state == PUL_STATE_KEPT))
		sim->w->img.puller = FAKE_PULLER_NONE;
}

static void rest(struct sim *sim)
{
	const struct sm_object *image = sim_object(sim, &img_machine);
	const struct world_image *w = &sim->w->img;
	const struct sm_object *pull = sim_object(sim, &pul_machine);

	if (w->staging && !(pull && pull->state == PUL_STATE_KEPT))
		sim_bad(sim, "a staging folder is left behind");
	if (image && image->state == IMG_STATE_PRESENT && !w->layers)
		sim_bad(sim, "the image has no layers");
	if (!sim_object(sim, &img_machine) && w->layers)
		sim_bad(sim, "layers of no image are left behind");
}

#define CHECK HAPPEN(HAPPENS_CHECK)
#define CHECK_IDLE HAPPEN_IDLE(HAPPENS_CHECK)
#define UNTAG_MEANWHILE HAPPEN_NOW(HAPPENS_UNTAG)
#define PULL ASK(ASKS_PULL)
#define PULL_MEANWHILE ASK_NOW(ASKS_PULL)
#define LOAD ASK(ASKS_LOAD)
#define LOAD_MEANWHILE ASK_NOW(ASKS_LOAD)
#define FORGET ASK(ASKS_FORGET)
#define FORGET_MEANWHILE ASK_NOW(ASKS_FORGET)
#define CANCEL ASK(ASKS_CANCEL)
#define CANCEL_MEANWHILE ASK_NOW(ASKS_CANCEL)
#define REMOVE ASK(ASKS_REMOVE)
#define REMOVE_MEANWHILE ASK_NOW(ASKS_REMOVE)

static const char *const ask_names[] = {
	[ASKS_PULL] = "pull",	  [ASKS_LOAD] = "load",	    [ASKS_CANCEL] = "cancel",
	[ASKS_REMOVE] = "remove", [ASKS_FORGET] = "forget",
};

static const struct scenario scenarios[] = {
	{ "it is pulled and removed", 0, { PULL, REMOVE } },
	{ "it is loaded and removed", 0, { LOAD, REMOVE } },
	{ "it is pulled again", 0, { PULL, PULL, REMOVE } },
	{ "it is not there", FAULT_FETCH_FAILS, { FAILS(ASKS_PULL) } },
	{ "what it has left does not go at once",
	  FAULT_FETCH_FAILS | FAULT_CLEAN_STUCK_ONCE,
	  { FAILS(ASKS_PULL) } },
	{ "it is there the second time", FAULT_FETCH_FAILS_ONCE, { FAILS(ASKS_PULL), PULL } },
	{ "two pull it", 0, { PULL, PULL_MEANWHILE, LOAD_MEANWHILE } },
	{ "two pull it in vain", FAULT_FETCH_FAILS, { FAILS(ASKS_PULL), FAILS_NOW(ASKS_PULL) } },
	{ "it is cancelled", 0, { FAILS(ASKS_PULL), CANCEL_MEANWHILE } },
	{ "two cancel it", 0, { FAILS(ASKS_PULL), CANCEL_MEANWHILE, CANCEL_MEANWHILE } },
	{ "the registry is away for a moment", FAULT_OUTAGE_ONCE, { FAILS(ASKS_PULL), PULL } },
	{ "the disk is away for a moment", FAULT_OUTAGE_ONCE, { FAILS(ASKS_LOAD), LOAD } },
	{ "the registry stays away", FAULT_OUTAGE, { FAILS(ASKS_PULL) } },
	{ "what is kept is cancelled", FAULT_OUTAGE, { FAILS(ASKS_PULL), CANCEL } },
	{ "its name goes to another", 0, { PULL, HAPPEN(HAPPENS_UNTAG), PULL, REMOVE } },
	{ "it is whole", 0, { PULL, CHECK, PULL, REMOVE } },
	{ "it is asked twice whether it is whole", 0, { PULL, CHECK, CHECK, REMOVE } },
	{ "it is pulled, untagged and removed while it is read",
	  0,
	  { PULL, CHECK, PULL_MEANWHILE, UNTAG_MEANWHILE, REMOVE } },
	{ "it is removed while it is read", 0, { PULL, CHECK, REMOVE_MEANWHILE } },
	{ "it is damaged and pulled again",
	  FAULT_DISK_LIES_ONCE,
	  { PULL, CHECK, CHECK_IDLE, PULL, CHECK_IDLE, REMOVE } },
	{ "its tag goes and comes back", 0, { PULL, FORGET, PULL, REMOVE } },
	{ "its tag goes while it is read", 0, { PULL, CHECK, FORGET_MEANWHILE, REMOVE } },
	{ "its tag goes while it is removed", 0, { PULL, REMOVE, FORGET_MEANWHILE } },
	{ "it is damaged, loses its tag and is removed",
	  FAULT_DISK_LIES_ONCE,
	  { PULL, CHECK, CHECK_IDLE, FORGET, REMOVE } },
	{ "it is damaged, untagged and removed",
	  FAULT_DISK_LIES_ONCE,
	  { PULL, CHECK, HAPPEN_IDLE(HAPPENS_UNTAG), REMOVE } },
	{ "a layer is lost", FAULT_LAYER_IS_LOST, { PULL, CHECK, CHECK_IDLE, PULL, REMOVE } },
	{ "two remove it", 0, { PULL, REMOVE, REMOVE_MEANWHILE } },
	{ "it is pulled while it is removed", 0, { PULL, REMOVE, PULL_MEANWHILE } },
	{ "it is removed while it is pulled", 0, { PULL, FAILS(ASKS_PULL), REMOVE_MEANWHILE } },
};

const struct fake fake_image = {
	.name = "image",
	.machines = { &img_machine, &pul_machine },
	.n_machines = 2,
	.scenarios = scenarios,
	.n_scenarios = ARRAY_LEN(scenarios),
	.acts = acts,
	.n_acts = ARRAY_LEN(acts),
	.ask_names = ask_names,
	.clean_up = ASKS_REMOVE,
	.target = target,
	.fill = fill,
	.kept = kept,
	.explained = explained,
	.happen = happen,
	.down = down,
	.seen = seen,
	.rest = rest,
};
