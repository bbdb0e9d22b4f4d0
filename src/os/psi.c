/*
 * psi.c - parse "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" and the line of full.
 */
#include "os/psi.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"

/* The kernel prints two decimals.  No strtod: the result must not depend on the locale. */
static bool parse_percent(const char *text, double *ret)
{
	const char *dot = strchr(text, '.');
	_cleanup_free_ char *whole = dot ? xstrndup(text, (size_t)(dot - text)) : NULL;
	uint64_t percent, hundredths;

	if (!dot || strlen(dot + 1) != 2 || str_to_u64(whole, 1000, &percent) < 0 ||
	    str_to_u64(dot + 1, 99, &hundredths) < 0)
		return false;
	*ret = (double)percent + (double)hundredths / 100;
	return true;
}

static bool parse_word(const char *word, struct psi_line *line)
{
	const struct {
		const char *name;
		double *to;
	} averages[] = {
		{ "avg10=", &line->avg10 },
		{ "avg60=", &line->avg60 },
		{ "avg300=", &line->avg300 },
	};

	for (size_t i = 0; i < ARRAY_LEN(averages); i++)
		if (str_starts(word, averages[i].name))
			return parse_percent(word + strlen(averages[i].name), averages[i].to);
	if (str_starts(word, "total="))
		return str_to_u64(word + strlen("total="), UINT64_MAX, &line->total_us) == 0;
	return true; /* of a later kernel */
}

void psi_parse(const char *text, struct psi *ret)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *rest = copy, *line;
	struct psi psi = { .known = false };
	bool valid = true;

	while ((line = strsep(&rest, "\n"))) {
		char *name = strsep(&line, " "), *word;
		bool some = strcmp(name, "some") == 0;

		if (!some && strcmp(name, "full") != 0)
			continue;
		psi.known |= some;
		while ((word = strsep(&line, " ")))
			valid &= parse_word(word, some ? &psi.some : &psi.full);
	}
	*ret = psi.known && valid ? psi : (struct psi){ .known = false };
}
