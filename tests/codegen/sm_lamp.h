/*
 * sm_lamp.h - stands in for the header of the machine that good.bind names.
 */
#pragma once

#include "sm/engine.h"

enum lmp_event {
	LMP_EVENT_SWITCH_ON = 7,
	LMP_EVENT_DIM,
	LMP_EVENT_REPAIR,
};

struct payload_volt;
void payload_volt_free(void *volt);

static inline struct sm_event *lmp_event_dim(struct payload_volt *volt)
{
	return sm_event_carry(LMP_EVENT_DIM, volt, payload_volt_free);
}
