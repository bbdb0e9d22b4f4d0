/*
 * json.c - jansson wrappers that abort on NULL: memory is exhausted, or a caller passed unchecked
 * text.
 */
#include "oci/json.h"

#include <assert.h>
#include <string.h>

static json_t *must(json_t *value)
{
	assert(value);
	return value;
}

json_t *oci_json_object(void)
{
	return must(json_object());
}

json_t *oci_json_array(void)
{
	return must(json_array());
}

json_t *oci_json_text(const char *s)
{
	return must(json_string(s));
}

json_t *oci_json_number(int64_t n)
{
	return must(json_integer(n));
}

json_t *oci_json_texts(char *const *list, size_t n)
{
	json_t *array = oci_json_array();

	for (size_t i = 0; i < n; i++)
		oci_json_push_text(array, list[i]);
	return array;
}

void oci_json_put(json_t *object, const char *key, json_t *value)
{
	int r = json_object_set_new(object, key, value);

	assert(r == 0);
}

void oci_json_push(json_t *array, json_t *value)
{
	int r = json_array_append_new(array, value);

	assert(r == 0);
}

void oci_json_put_text(json_t *object, const char *key, const char *value)
{
	oci_json_put(object, key, oci_json_text(value));
}

void oci_json_put_number(json_t *object, const char *key, int64_t value)
{
	oci_json_put(object, key, oci_json_number(value));
}

void oci_json_push_text(json_t *array, const char *value)
{
	oci_json_push(array, oci_json_text(value));
}

json_t *oci_json_need_object(json_t *object, const char *key)
{
	json_t *member = json_object_get(object, key);

	if (!member) {
		member = oci_json_object();
		oci_json_put(object, key, member);
	}
	return member;
}

json_t *oci_json_need_array(json_t *object, const char *key)
{
	json_t *member = json_object_get(object, key);

	if (!member) {
		member = oci_json_array();
		oci_json_put(object, key, member);
	}
	return member;
}

bool oci_json_has_text(const json_t *array, const char *text)
{
	const json_t *value;
	size_t i;

	json_array_foreach(array, i, value)
	{
		if (json_is_string(value) && strcmp(json_string_value(value), text) == 0)
			return true;
	}
	return false;
}

char *oci_json_dump(const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);

	assert(text);
	return text;
}
