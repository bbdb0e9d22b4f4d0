/*
 * records.c - setters for string, list and failure fields of records.
 */
#include "core/records.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

void row_set_str(char **field, const char *value)
{
	char *copy = value && *value ? xstrdup(value) : NULL;

	if (*field && *field != protobuf_c_empty_string)
		free(*field);
	*field = copy ? copy : (char *)(uintptr_t)protobuf_c_empty_string;
}

void row_set_strs(char ***field, size_t *n, char *const *values)
{
	for (size_t i = 0; i < *n; i++)
		free((*field)[i]);
	free(*field);
	*field = NULL;
	*n = 0;
	for (size_t i = 0; values && values[i]; i++)
		row_add_str(field, n, values[i]);
}

void row_append_str(char ***field, size_t *n, const char *value)
{
	*field = xrealloc(*field, (*n + 1) * sizeof(char *));
	(*field)[(*n)++] = xstrdup(value);
}

void row_add_str(char ***field, size_t *n, const char *value)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp((*field)[i], value) == 0)
			return;
	row_append_str(field, n, value);
}

bool row_del_str(char ***field, size_t *n, const char *value)
{
	for (size_t i = 0; i < *n; i++) {
		if (strcmp((*field)[i], value) != 0)
			continue;
		free((*field)[i]);
		memmove(*field + i, *field + i + 1, (*n - i - 1) * sizeof(char *));
		(*n)--;
		return true;
	}
	return false;
}

void row_fail(Crisp__State__Failure **field, const struct sm_event *ev)
{
	Crisp__State__Failure *f = *field;

	if (!f) {
		f = *field = xmalloc(sizeof(*f));
		crisp__state__failure__init(f);
	}
	f->code = ev->err.code ? (uint32_t)ev->err.code : ERR_DEADLINE;
	f->at_ns = ev->at_ns;
	row_set_str(&f->text,
		    ev->err.code ? ev->err.text : "the operation did not end in its time");
}

void row_clear_failure(Crisp__State__Failure **field)
{
	if (*field)
		crisp__state__failure__free_unpacked(*field, NULL);
	*field = NULL;
}

int row_failure_err(const Crisp__State__Failure *f, struct err *e)
{
	return err_set(e, (enum err_code)f->code, "%s", f->text);
}
