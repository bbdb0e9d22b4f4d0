/*
 * shim_rules.c - guards and steps of states/shim.sm.
 */
#include "core/payloads.h"
#include "gen/sm_shim.h"

bool shm_guard_adopts_more(const Crisp__State__Shim *row, const struct sm_event *ev)
{
	(void)ev;
	return row->adopting > 1;
}

bool shm_guard_owes_one(const Crisp__State__Shim *row, const struct sm_event *ev)
{
	(void)ev;
	return row->owed <= 1;
}

bool shm_guard_owes(const Crisp__State__Shim *row, const struct sm_event *ev)
{
	(void)ev;
	return row->owed > 0;
}

void shm_step_note_pid(Crisp__State__Shim *draft, const struct sm_event *ev,
		       const struct payload_init *init)
{
	(void)ev;
	draft->pid = init->pid;
}

void shm_step_note_adopt_sent(Crisp__State__Shim *draft, const struct sm_event *ev)
{
	(void)ev;
	draft->adopting++;
}

void shm_step_note_adopted(Crisp__State__Shim *draft, const struct sm_event *ev)
{
	(void)ev;
	draft->adopting--;
}

void shm_step_note_asked(Crisp__State__Shim *draft, const struct sm_event *ev)
{
	(void)ev;
	draft->owed++;
}

void shm_step_note_answered(Crisp__State__Shim *draft, const struct sm_event *ev)
{
	(void)ev;
	if (draft->owed)
		draft->owed--;
}

void shm_step_note_cut(Crisp__State__Shim *draft, const struct sm_event *ev)
{
	(void)ev;
	draft->owed = draft->adopting = 0;
}

void shm_step_note_lost(Crisp__State__Shim *draft, const struct sm_event *ev)
{
	(void)ev;
	draft->owed = draft->adopting = 0;
	draft->asked_before = true;
}

void shm_step_note_up(Crisp__State__Shim *draft, const struct sm_event *ev)
{
	(void)ev;
	draft->adopting = 0;
	draft->asked_before = false;
}
