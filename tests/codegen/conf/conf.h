/* conf.h - what good.keys fills, in place of src/conf/conf.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct conf {
	char *shop_dir, *wait;
	char **rooms;
	bool spare_lamps;
	int64_t lamps, price;
};
