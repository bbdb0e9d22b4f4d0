/*
 * args.c - parse the command line by the tables of keys and options, and merge the configuration:
 * options over variables over files.  Options are never abbreviated.
 */
#include "conf/args.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/util.h"
#include "conf/apply.h"

#define HELP_COLUMN 34

/* A key that an option sets. */
struct conf_given {
	const char *key, *value;
	const char *word; /* as on the command line */
};

/* --- the command line --- */

/* An option of either table. */
struct arg_target {
	const struct conf_option *option;
	const struct conf_key *key;
};

static bool is_named(const char *text, const char *name, size_t n)
{
	return text && strlen(text) == n && strncmp(text, name, n) == 0;
}

static struct arg_target find(const char *name, size_t n)
{
	for (size_t i = 0; i < conf_n_options; i++)
		if (is_named(conf_options[i].name, name, n) ||
		    is_named(conf_options[i].letter, name, n))
			return (struct arg_target){ .option = &conf_options[i] };
	for (size_t i = 0; i < conf_n_keys; i++)
		if (is_named(conf_keys[i].flag, name, n) || is_named(conf_keys[i].alias, name, n))
			return (struct arg_target){ .key = &conf_keys[i] };
	return (struct arg_target){ .key = NULL };
}

static void consider(const char *name, const char *wanted, const char **best, unsigned *distance)
{
	unsigned d = name ? str_distance(name, wanted) : UINT_MAX;

	if (d >= *distance)
		return;
	*distance = d;
	*best = name;
}

static int unknown(const char *word, const char *name, size_t n, struct err *e)
{
	_cleanup_free_ char *wanted = xstrndup(name, n);
	unsigned distance = (unsigned)(n / 3 + 2);
	const char *best = NULL;

	for (size_t i = 0; i < conf_n_options; i++)
		consider(conf_options[i].name, wanted, &best, &distance);
	for (size_t i = 0; i < conf_n_keys; i++)
		consider(conf_keys[i].flag, wanted, &best, &distance);
	return err_set(e, ERR_INVALID, "unknown option %s%s%s%s", word,
		       best ? "; did you mean --" : "", best ? best : "", best ? "?" : "");
}

static void add_given(struct conf_args *a, const char *key, const char *value, const char *word)
{
	a->given = xrealloc(a->given, (a->n_given + 1) * sizeof(*a->given));
	a->given[a->n_given++] = (struct conf_given){ key, value, word };
}

/* --name=VALUE, --name VALUE, or -name as Go's programs have it; *i: index of the word. */
static int parse_option(struct conf_args *a, int argc, char **argv, int *i, struct err *e)
{
	const char *word = argv[*i], *name = word + strspn(word, "-");
	size_t n = strcspn(name, "=");
	const char *value = name[n] ? name + n + 1 : NULL;
	struct arg_target f = name - word > 2 ? (struct arg_target){ .key = NULL } : find(name, n);
	bool takes = f.key ? f.key->kind != CONF_KIND_BOOLEAN : f.option && f.option->argument;

	if (!f.key && !f.option)
		return unknown(word, name, n, e);
	if (!value && takes && *i + 1 < argc)
		value = argv[++*i];
	if (!value && takes)
		return err_set(e, ERR_INVALID, "%s needs a value", word);
	if (!value)
		value = "true";
	if (f.key)
		add_given(a, f.key->name, value, word);
	else if (f.option - conf_options == CONF_OPTION_RUNTIMES)
		add_given(a, CONF_RUNTIMES, value, word);
	else
		a->options[f.option - conf_options] = value;
	return 0;
}

int conf_args_parse(struct conf_args *ret, int argc, char **argv, struct err *e)
{
	*ret = CONF_ARGS_NULL;
	for (int i = 1; i < argc; i++) {
		int r = 0;

		if (argv[i][0] == '-' && argv[i][1])
			r = parse_option(ret, argc, argv, &i, e);
		else if (ret->command || strcmp(argv[i], "config") != 0)
			r = err_set(e, ERR_INVALID, "unexpected argument \"%s\"", argv[i]);
		else
			ret->command = argv[i];
		if (r < 0)
			return r;
	}
	return 0;
}

void conf_args_done(struct conf_args *a)
{
	free(a->given);
	*a = CONF_ARGS_NULL;
}

/* --- the environment --- */

/* An empty variable counts as none. */
static const char *variable(const char *name)
{
	const char *value = name ? getenv(name) : NULL;

	return value && *value ? value : NULL;
}

const char *conf_args_value(const struct conf_args *a, enum conf_option_id id)
{
	return a->options[id] ? a->options[id] : variable(conf_options[id].variable);
}

bool conf_args_has(const struct conf_args *a, enum conf_option_id id)
{
	const char *value = conf_args_value(a, id);
	bool on = false;

	return value && (conf_parse_boolean(value, &on) < 0 || on);
}

static int set_from(struct conf *c, const char *key, const char *value, const char *name,
		    struct err *e)
{
	if (conf_set(c, key, value, e) < 0)
		return err_wrap(e, "%s", name);
	return 0;
}

/* Handlers of CONTAINER_RUNTIMES, between commas. */
static int set_runtimes(struct conf *c, struct err *e)
{
	const char *name = conf_options[CONF_OPTION_RUNTIMES].variable;
	const char *value = variable(name);
	_cleanup_free_ char *copy = xstrdup(value ? value : "");
	char *rest = value ? copy : NULL;
	int r = 0;

	while (rest && r == 0)
		r = set_from(c, CONF_RUNTIMES, strsep(&rest, ","), name, e);
	return r;
}

static int set_variables(struct conf *c, struct err *e)
{
	int r = set_runtimes(c, e);

	for (size_t i = 0; i < conf_n_keys && r == 0; i++) {
		const char *const *name = conf_keys[i].variables;

		while (name && *name && !variable(*name))
			name++;
		if (name && *name)
			r = set_from(c, conf_keys[i].name, variable(*name), *name, e);
		/* An option replaces a list that came from a variable. */
		c->set_by_flag[i] = false;
	}
	return r;
}

static int set_given(const struct conf_args *a, struct conf *c, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < a->n_given && r == 0; i++)
		r = set_from(c, a->given[i].key, a->given[i].value, a->given[i].word, e);
	return r;
}

static int set_fallbacks(struct conf *c, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < conf_n_keys && r == 0; i++) {
		const struct conf_key *k = &conf_keys[i];
		const char *value = variable(k->fallback);

		if (value && !conf_is_set(c, k->name))
			r = set_from(c, k->name, value, k->fallback, e);
	}
	return r;
}

/* --- the whole --- */

/* Merge in the order of precedence; the first error is e, but all are listed. */
static int merge(const struct conf_args *a, struct conf *c, struct err *e)
{
	int r = conf_load(c, conf_args_value(a, CONF_OPTION_CONFIG),
			  conf_args_value(a, CONF_OPTION_CONFIG_DIR), e);

	if (r < 0)
		return r;
	r = set_variables(c, e);
	if (r == 0)
		r = set_given(a, c, e);
	if (r == 0)
		r = set_fallbacks(c, e);
	if (r < 0)
		conf_add_error(c, xstrdup(e->text));
	return r;
}

int conf_args_apply(const struct conf_args *a, struct conf *c, struct err *e)
{
	int r = merge(a, c, e);

	if (r == 0 && conf_args_has(a, CONF_OPTION_STRICT_CONFIG) && c->ignored)
		return err_set(e, ERR_INVALID, "--strict-config: %s", c->ignored[0]);
	return r == 0 ? conf_finish(c, e) : r;
}

/* --- help --- */

/* Bytes of the first sentence of a text of lines. */
static size_t sentence(const char *doc)
{
	size_t n = 0;

	while (doc[n] && !(doc[n] == '.' && strchr(" \n", doc[n + 1])))
		n++;
	return n;
}

static void help_one(FILE *out, const char *name, const char *alias, const char *argument,
		     const char *doc)
{
	int n = fprintf(out, "  --%s", name);

	if (alias)
		n += fprintf(out, ", %s%s", alias[1] ? "--" : "-", alias);
	if (argument)
		n += fprintf(out, " %s", argument);
	fprintf(out, n < HELP_COLUMN ? "%*s" : "\n%*.0s",
		n < HELP_COLUMN ? HELP_COLUMN - n : HELP_COLUMN, "");
	for (size_t i = 0, end = sentence(doc); i < end; i++)
		fputc(doc[i] == '\n' ? ' ' : doc[i], out);
	fputc('\n', out);
}

static const char *argument_of(enum conf_kind kind)
{
	switch (kind) {
	case CONF_KIND_STRING:
	case CONF_KIND_MANAGER:
		return "TEXT";
	case CONF_KIND_PATH:
		return "PATH";
	case CONF_KIND_INTEGER:
	case CONF_KIND_SIZE:
		return "NUMBER";
	case CONF_KIND_LIST:
		return "TEXT,...";
	case CONF_KIND_PATHS:
		return "PATH,...";
	case CONF_KIND_BOOLEAN:
	case CONF_KIND_ADDS:
	case CONF_KIND_MAP:
		break;
	}
	return NULL;
}

void conf_args_help(FILE *out)
{
	fputs("usage: crispd [OPTION]... [config [--default]]\n\n"
	      "config prints the configuration in force; crisp.conf(5) explains each key.\n\n",
	      out);
	for (size_t i = 0; i < conf_n_options; i++)
		help_one(out, conf_options[i].name, conf_options[i].letter,
			 conf_options[i].argument, conf_options[i].doc);
	fputc('\n', out);
	for (size_t i = 0; i < conf_n_keys; i++)
		if (conf_keys[i].flag)
			help_one(out, conf_keys[i].flag, conf_keys[i].alias,
				 argument_of(conf_keys[i].kind), conf_keys[i].doc);
}
