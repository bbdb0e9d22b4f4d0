/*
 * podoptions.c - strict: what is not known is refused, since it would be ignored.
 */
#include "pod/podoptions.h"

#include <string.h>

void podoptions_begin(const struct pod_option *table, size_t n, bool on[PODOPTIONS_MAX])
{
	for (size_t i = 0; i < n; i++)
		on[i] = table[i].otherwise;
}

int podoptions_take(const struct pod_option *table, size_t n, const char *key, const char *value,
		    bool on[PODOPTIONS_MAX], struct err *e)
{
	bool yes = strcmp(value, "true") == 0;
	size_t i = 0;

	while (i < n && strcmp(table[i].name, key) != 0)
		i++;
	if (i == n)
		return err_set(e, ERR_INVALID, "options: there is no option \"%s\"", key);
	if (!yes && strcmp(value, "false") != 0)
		return err_set(e, ERR_INVALID, "options: %s is \"%s\": give true or false", key,
			       value);
	on[i] = yes;
	return 0;
}
