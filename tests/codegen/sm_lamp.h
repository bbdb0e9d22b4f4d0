/*
 * sm_lamp.h - stands in for the header of the machine that good.bind names.
 */
#pragma once

enum lmp_event {
	LMP_EVENT_SWITCH_ON = 7,
};
