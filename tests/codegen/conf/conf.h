/* conf.h - the struct that good.keys describes, in place of src/conf/conf.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum conf_cgroup_manager {
	CONF_CGROUP_MANAGER_CGROUPFS
};

struct conf_runtime {
#include "conf_runtime_fields.h"
};

struct conf {
#include "conf_fields.h"
};
