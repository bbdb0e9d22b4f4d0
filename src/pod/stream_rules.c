/*
 * stream_rules.c - guard and steps of states/stream.sm.
 */
#include "core/payloads.h"
#include "core/records.h"
#include "gen/sm_stream.h"

bool stm_guard_forwards(const Crisp__State__Stream *row, const struct sm_event *ev)
{
	(void)ev;
	return !*row->container_id;
}

void stm_step_note_end(Crisp__State__Stream *draft, const struct sm_event *ev,
		       const struct payload_exit *exit)
{
	(void)ev;
	draft->exit_code = exit->code;
}

void stm_step_note_cut(Crisp__State__Stream *draft, const struct sm_event *ev)
{
	row_fail(&draft->failure, ev);
}
