/*
 * exec_rules.c - steps and deadline of states/exec.sm.
 */
#include "core/payloads.h"
#include "core/records.h"
#include "gen/sm_exec.h"

void exe_step_note_exit(Crisp__State__Exec *draft, const struct sm_event *ev,
			const struct payload_exit *exit)
{
	(void)ev;
	draft->exit_code = exit->code;
	draft->exit_known = true;
}

void exe_step_note_exit_unknown(Crisp__State__Exec *draft, const struct sm_event *ev)
{
	(void)ev;
	draft->exit_code = 255;
	draft->exit_known = false;
}

void exe_step_note_timeout(Crisp__State__Exec *draft, const struct sm_event *ev)
{
	(void)ev;
	draft->timed_out = true;
}

void exe_step_note_error(Crisp__State__Exec *draft, const struct sm_event *ev)
{
	row_fail(&draft->failure, ev);
}

int64_t exe_deadline_exec_timeout(const Crisp__State__Exec *row)
{
	return row->kill_at_ns;
}
