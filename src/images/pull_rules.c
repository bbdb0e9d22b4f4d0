/*
 * pull_rules.c - guards, steps and deadlines of states/pull.sm.
 */
#include "base/clock.h"
#include "base/util.h"
#include "core/payloads.h"
#include "core/records.h"
#include "gen/sm_pull.h"

#define KEPT_NS (600 * NSEC_PER_SEC) /* the kubelet's back-off is at most half of it */

bool pul_guard_has_kept(const Crisp__State__Pull *row, const struct sm_event *ev,
			const struct payload_kept *kept)
{
	(void)ev;
	(void)row;
	return kept->layers > 0;
}

void pul_step_note_image(Crisp__State__Pull *draft, const struct sm_event *ev,
			 const struct payload_image_id *image_id)
{
	(void)ev;
	row_set_str(&draft->image_id, image_id->id);
}

void pul_step_note_error(Crisp__State__Pull *draft, const struct sm_event *ev)
{
	row_fail(&draft->failure, ev);
}

void pul_step_note_kept(Crisp__State__Pull *draft, const struct sm_event *ev,
			const struct payload_kept *kept)
{
	draft->kept_layers = kept->layers;
	draft->kept_until_ns = ev->at_ns + KEPT_NS;
}

void pul_step_note_cancelled(Crisp__State__Pull *draft, const struct sm_event *ev)
{
	struct sm_event why = { .at_ns = ev->at_ns };

	err_set(&why.err, ERR_CANCELLED, "the pull was cancelled");
	row_fail(&draft->failure, &why);
}

void pul_step_forget_error(Crisp__State__Pull *draft, const struct sm_event *ev)
{
	(void)ev;
	row_clear_failure(&draft->failure);
	draft->kept_layers = 0;
	draft->kept_until_ns = 0;
}

int64_t pul_deadline_kept_until(const Crisp__State__Pull *row)
{
	return row->kept_until_ns;
}
