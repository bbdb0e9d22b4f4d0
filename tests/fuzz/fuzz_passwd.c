/*
 * fuzz_passwd.c - passwd and group texts out of images: no crash, and each entry found is in the
 * text.
 *
 * The first line of the input is the name to look for.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "oci/user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *end = size ? memchr(text, '\n', size) : NULL;
	size_t len = end ? (size_t)(end - text) : 0;
	struct user_entry by_name = { .uid = 0 }, by_uid = { .uid = 0 };
	uint32_t gids[16], gid = 0;
	char *name;
	size_t n;

	if (!end || len >= USER_NAME_MAX)
		return 0;
	name = xstrndup(text, len);
	text += len + 1;
	size -= len + 1;
	if (user_find_passwd(text, size, name, 0, &by_name)) {
		assert(strcmp(by_name.name, name) == 0);
		assert(by_name.uid <= USER_ID_MAX && by_name.gid <= USER_ID_MAX);
		/* The first entry of that id may be another one, but there is one. */
		assert(user_find_passwd(text, size, NULL, by_name.uid, &by_uid));
		assert(by_uid.uid == by_name.uid);
	}
	user_find_group(text, size, name, &gid);
	n = user_member_groups(text, size, name, gids, ARRAY_LEN(gids));
	assert(n <= ARRAY_LEN(gids));
	free(name);
	return 0;
}
