/*
 * no_effects.h - the effects of all machines, and what the engine asks for, for programs that load
 * objects and start nothing.
 */
#pragma once

#include <stdlib.h>

#include "gen/sm_container.h"
#include "gen/sm_exec.h"
#include "gen/sm_image.h"
#include "gen/sm_pull.h"
#include "gen/sm_sandbox.h"
#include "sm/engine.h"

#define EFFECT(name) \
	void name(struct sm_object *obj) \
	{ \
		(void)obj; \
		abort(); \
	}

EFFECT(ctr_effect_prepare)
EFFECT(ctr_effect_create_init)
EFFECT(ctr_effect_probe_create)
EFFECT(ctr_effect_start_init)
EFFECT(ctr_effect_probe)
EFFECT(ctr_effect_probe_start)
EFFECT(ctr_effect_signal_term)
EFFECT(ctr_effect_signal_kill)
EFFECT(ctr_effect_apply_resources)
EFFECT(ctr_effect_freeze)
EFFECT(ctr_effect_thaw)
EFFECT(ctr_effect_dump)
EFFECT(ctr_effect_end_dump)
EFFECT(ctr_effect_unpack)
EFFECT(ctr_effect_restore_init)
EFFECT(ctr_effect_probe_restore)
EFFECT(ctr_effect_probe_saved)
EFFECT(ctr_effect_erase)
EFFECT(exe_effect_spawn)
EFFECT(exe_effect_watch)
EFFECT(exe_effect_drain)
EFFECT(exe_effect_kill)
EFFECT(img_effect_verify)
EFFECT(img_effect_drop)
EFFECT(pul_effect_fetch)
EFFECT(pul_effect_adopt)
EFFECT(pul_effect_clean)
EFFECT(sbx_effect_set_up)
EFFECT(sbx_effect_connect_shim)
EFFECT(sbx_effect_start_init)
EFFECT(sbx_effect_pin_init)
EFFECT(sbx_effect_probe_shim)
EFFECT(sbx_effect_replace_shim)
EFFECT(sbx_effect_add_network)
EFFECT(sbx_effect_open_ports)
EFFECT(sbx_effect_delete_network)
EFFECT(sbx_effect_read_checkpoint)
EFFECT(sbx_effect_fill_volumes)
EFFECT(sbx_effect_make_containers)
EFFECT(sbx_effect_hold_containers)
EFFECT(sbx_effect_dump)
EFFECT(sbx_effect_end_dump)
EFFECT(sbx_effect_tear_down)
EFFECT(sbx_effect_erase)

static inline struct sm_object *no_parent(void *arg, const char *machine, const char *id)
{
	(void)arg;
	(void)machine;
	(void)id;
	return NULL;
}

static const struct sm_ops no_ops = { .find = no_parent };
