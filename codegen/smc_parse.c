/*
 * smc_parse.c - parse a .sm file into the model: one statement a line, no nesting.
 * After an error, skip the line and continue, so that one run reports every wrong line.  The
 * parser does not resolve names.
 */
#include "smc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longest name, which becomes part of C identifiers and a column in the matrix. */
#define SMC_NAME_MAX 40
/* State numbers and versions; far above any real machine, far below overflow. */
#define SMC_NUMBER_MAX 9999u
/* A day: by design, no state may take longer. */
#define SMC_WITHIN_MAX_MS (24ll * 3600 * 1000)

#define SMC_USAGE "machine NAME prefix PREFIX version N row TYPE [unstored]"

enum smc_token_kind {
	SMC_TOKEN_END,
	SMC_TOKEN_WORD,
	SMC_TOKEN_TEXT, /* "between quotes" */
	SMC_TOKEN_MARK, /* = : , .. or -> */
};

struct smc_token {
	enum smc_token_kind kind;
	const char *at; /* without the quotes */
	size_t len;
};

struct smc_parser {
	struct smc_machine *m;
	const char *next; /* in the current line, which ends at a newline or NUL */
	unsigned int line;
	bool failed; /* the current line has been reported */
	struct smc_token token;
	struct smc_state *state; /* state of the current lines */
};

const struct smc_code smc_codes[] = {
	{ "CANCELLED", 1 },
	{ "UNKNOWN", 2 },
	{ "INVALID_ARGUMENT", 3 },
	{ "DEADLINE_EXCEEDED", 4 },
	{ "NOT_FOUND", 5 },
	{ "ALREADY_EXISTS", 6 },
	{ "PERMISSION_DENIED", 7 },
	{ "RESOURCE_EXHAUSTED", 8 },
	{ "FAILED_PRECONDITION", 9 },
	{ "ABORTED", 10 },
	{ "OUT_OF_RANGE", 11 },
	{ "UNIMPLEMENTED", 12 },
	{ "INTERNAL", 13 },
	{ "UNAVAILABLE", 14 },
	{ "DATA_LOSS", 15 },
	{ "UNAUTHENTICATED", 16 },
	{ NULL, 0 },
};

const char *const smc_class_names[SMC_N_CLASSES] = {
	[SMC_CLASS_RPC] = "rpc",     [SMC_CLASS_DONE] = "done",	    [SMC_CLASS_SHIM] = "shim",
	[SMC_CLASS_CLOCK] = "clock", [SMC_CLASS_FAMILY] = "family",
};

const char *const smc_decl_names[SMC_N_DECLS] = {
	[SMC_DECL_EVENT] = "event",	  [SMC_DECL_GUARD] = "guard",
	[SMC_DECL_STEP] = "step",	  [SMC_DECL_EFFECT] = "effect",
	[SMC_DECL_DEADLINE] = "deadline", [SMC_DECL_INVARIANT] = "invariant",
	[SMC_DECL_TRAIT] = "trait",	  [SMC_DECL_STATE] = "state",
};

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return is_lower(c) || is_upper(c) || is_digit(c) || c == '_';
}

/* Report only the first error of a line. */
static void parse_stop(struct smc_parser *p)
{
	p->failed = true;
	p->token = (struct smc_token){ .kind = SMC_TOKEN_END, .at = p->next };
}

static void token_next_text(struct smc_parser *p)
{
	const char *end = p->next + 1;

	while (*end != '"' && *end != '\n' && *end != '\0')
		end++;
	if (*end != '"') {
		smc_error(p->m, p->line, "the quoted text does not end; close it with \"");
		parse_stop(p);
		return;
	}
	p->token = (struct smc_token){ .kind = SMC_TOKEN_TEXT, .at = p->next + 1 };
	p->token.len = (size_t)(end - p->token.at);
	p->next = end + 1;
}

static void token_next(struct smc_parser *p)
{
	struct smc_token *t = &p->token;
	const char *s;

	if (p->failed)
		return;
	while (*p->next == ' ' || *p->next == '\t')
		p->next++;
	s = p->next;
	*t = (struct smc_token){ .kind = SMC_TOKEN_END, .at = s };
	if (*s == '\0' || *s == '\n' || *s == '#')
		return;
	if (*s == '"') {
		token_next_text(p);
		return;
	}
	if (is_word(*s)) {
		t->kind = SMC_TOKEN_WORD;
		while (is_word(s[t->len]))
			t->len++;
	} else if (*s == '=' || *s == ':' || *s == ',') {
		t->kind = SMC_TOKEN_MARK;
		t->len = 1;
	} else if ((s[0] == '-' && s[1] == '>') || (s[0] == '.' && s[1] == '.')) {
		t->kind = SMC_TOKEN_MARK;
		t->len = 2;
	} else {
		smc_error(p->m, p->line,
			  "byte 0x%02x means nothing here; a line holds words, "
			  "\"text\", = : , .. -> and # comments",
			  (unsigned char)*s);
		parse_stop(p);
		return;
	}
	p->next = s + t->len;
}

static bool token_is(const struct smc_parser *p, const char *text)
{
	return p->token.kind != SMC_TOKEN_END && p->token.kind != SMC_TOKEN_TEXT &&
	       p->token.len == strlen(text) && memcmp(p->token.at, text, p->token.len) == 0;
}

/* Consume the token if it equals text. */
static bool parse_accept(struct smc_parser *p, const char *text)
{
	if (!token_is(p, text))
		return false;
	token_next(p);
	return true;
}

static void parse_expected(struct smc_parser *p, const char *what)
{
	if (p->failed)
		return;
	if (p->token.kind == SMC_TOKEN_END)
		smc_error(p->m, p->line, "the line ends too early; write %s here", what);
	else if (p->token.kind == SMC_TOKEN_TEXT)
		smc_error(p->m, p->line, "the text \"%.*s\" is not expected; write %s here",
			  (int)p->token.len, p->token.at, what);
	else
		smc_error(p->m, p->line, "%.*s is not expected; write %s here", (int)p->token.len,
			  p->token.at, what);
	parse_stop(p);
}

static bool parse_expect(struct smc_parser *p, const char *text)
{
	if (parse_accept(p, text))
		return true;
	parse_expected(p, text);
	return false;
}

static void parse_end(struct smc_parser *p)
{
	if (!p->failed && p->token.kind != SMC_TOKEN_END)
		parse_expected(p, "nothing more");
}

static char *xdup(const char *text)
{
	char *s = strdup(text);

	if (!s)
		abort();
	return s;
}

static char *token_copy(const struct smc_parser *p)
{
	char *s = strndup(p->token.at, p->token.len);

	if (!s)
		abort();
	return s;
}

/* Consume a word; NULL: none, with a message. */
static char *parse_word(struct smc_parser *p, const char *what)
{
	char *s;

	if (p->token.kind != SMC_TOKEN_WORD) {
		parse_expected(p, what);
		return NULL;
	}
	if (p->token.len > SMC_NAME_MAX) {
		smc_error(p->m, p->line, "%.*s... is too long; use at most %d characters", 16,
			  p->token.at, SMC_NAME_MAX);
		parse_stop(p);
		return NULL;
	}
	s = token_copy(p);
	token_next(p);
	return s;
}

/* Consume a name in lower case: all names but those of states. */
static char *parse_name(struct smc_parser *p, const char *what)
{
	char *s = parse_word(p, what);
	bool ok = s && is_lower(s[0]);

	for (const char *c = s; ok && *c; c++)
		ok = !is_upper(*c);
	if (s && !ok) {
		smc_error(p->m, p->line, "%s is not a name for %s; use lower case, digits and _", s,
			  what);
		free(s);
		parse_stop(p);
		return NULL;
	}
	return s;
}

static char *parse_state_name(struct smc_parser *p)
{
	char *s = parse_word(p, "the name of a state");
	bool ok = s && is_upper(s[0]);

	for (const char *c = s; ok && *c; c++)
		ok = !is_lower(*c);
	if (s && !ok) {
		smc_error(p->m, p->line,
			  "%s is not a name for a state; use upper case, digits and _", s);
		free(s);
		parse_stop(p);
		return NULL;
	}
	return s;
}

/* Parse digits at the start of the token; *ret_unit points to the characters after them. */
static bool token_number(const struct smc_parser *p, unsigned int *ret, const char **ret_unit)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < p->token.len && is_digit(p->token.at[i]); i++) {
		n = n * 10 + (unsigned int)(p->token.at[i] - '0');
		if (n > 10 * SMC_NUMBER_MAX)
			return false;
	}
	*ret = n;
	*ret_unit = p->token.at + i;
	return p->token.kind == SMC_TOKEN_WORD && i > 0;
}

static unsigned int parse_number(struct smc_parser *p, const char *what)
{
	const char *unit;
	unsigned int n;

	if (p->token.kind != SMC_TOKEN_WORD || !is_digit(p->token.at[0])) {
		parse_expected(p, what);
		return 0;
	}
	if (!token_number(p, &n, &unit) || unit != p->token.at + p->token.len ||
	    n > SMC_NUMBER_MAX) {
		smc_error(p->m, p->line, "%.*s is not a number up to %u", (int)p->token.len,
			  p->token.at, SMC_NUMBER_MAX);
		parse_stop(p);
		return 0;
	}
	token_next(p);
	return n;
}

/* In milliseconds; 0: no duration, with a message. */
static int64_t parse_duration(struct smc_parser *p)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 } };
	const char *unit, *end = p->token.at + p->token.len;
	int64_t ms = 0;
	unsigned int n;

	if (p->token.kind != SMC_TOKEN_WORD || !is_digit(p->token.at[0])) {
		parse_expected(p, "a time such as 10s");
		return 0;
	}
	for (size_t i = 0; token_number(p, &n, &unit) && i < sizeof(units) / sizeof(units[0]); i++)
		if (strlen(units[i].unit) == (size_t)(end - unit) &&
		    memcmp(unit, units[i].unit, (size_t)(end - unit)) == 0)
			ms = units[i].ms * n;
	if (ms <= 0 || ms > SMC_WITHIN_MAX_MS) {
		smc_error(p->m, p->line,
			  "%.*s is no limit; write minutes (2m), seconds (10s) or "
			  "milliseconds (500ms), above zero and up to a day",
			  (int)p->token.len, p->token.at);
		parse_stop(p);
		return 0;
	}
	token_next(p);
	return ms;
}

static struct smc_ref parse_ref(struct smc_parser *p, const char *what)
{
	struct smc_ref ref = { .line = p->line, .index = -1 };

	ref.name = parse_name(p, what);
	return ref;
}

/* One name or more, up to the end of the line. */
static void parse_refs(struct smc_parser *p, struct smc_refs *refs, const char *what)
{
	do {
		struct smc_ref ref = parse_ref(p, what);

		if (ref.name)
			*smc_push(refs) = ref;
	} while (p->token.kind != SMC_TOKEN_END);
}

static bool token_class(const struct smc_parser *p, enum smc_class *ret)
{
	for (enum smc_class c = 0; c < SMC_N_CLASSES; c++)
		if (token_is(p, smc_class_names[c])) {
			*ret = c;
			return true;
		}
	return false;
}

static void parse_machine(struct smc_parser *p)
{
	struct smc_machine *m = p->m;

	if (m->name) {
		smc_error(m, p->line, "a second machine; put it in a file of its own");
		parse_stop(p);
		return;
	}
	m->line = p->line;
	m->name = parse_name(p, "the machine");
	parse_expect(p, "prefix");
	m->prefix = parse_name(p, "the prefix of C names");
	parse_expect(p, "version");
	m->version = parse_number(p, "the version of the machine");
	parse_expect(p, "row");
	m->row_type = parse_word(p, "the C type of the row");
	m->unstored = parse_accept(p, "unstored");
	parse_end(p);
	if (!p->failed && m->version == 0)
		smc_error(m, p->line, "version 0; versions start at 1");
	if (m->row_type && (!is_upper(m->row_type[0]) || !strstr(m->row_type, "__")))
		smc_error(m, p->line,
			  "%s is no row type; write the protobuf-c struct, such as "
			  "Crisp__State__Thing",
			  m->row_type);
}

static void parse_effect(struct smc_parser *p, struct smc_decl *d)
{
	d->lasting = token_is(p, "lasting");
	if (d->name && !d->lasting && !token_is(p, "fleeting")) {
		smc_error(p->m, p->line,
			  "effect %s must say lasting (what it makes survives a "
			  "reboot) or fleeting (it dies with the kernel)",
			  d->name);
		parse_stop(p);
		return;
	}
	token_next(p);
	if (parse_accept(p, "retry")) {
		d->retry_min_ms = parse_duration(p);
		parse_expect(p, "..");
		d->retry_max_ms = parse_duration(p);
		if (!p->failed && d->retry_max_ms < d->retry_min_ms)
			smc_error(p->m, p->line,
				  "effect %s: the last pause is shorter than the "
				  "first",
				  d->name);
	}
	if (parse_expect(p, "yields"))
		parse_refs(p, &d->yields, "an event");
}

static void parse_trait(struct smc_parser *p, struct smc_decl *d)
{
	if (!parse_expect(p, "="))
		return;
	do {
		struct smc_ref ref = { .line = p->line, .index = -1 };

		ref.name = parse_state_name(p);
		if (ref.name)
			*smc_push(&d->states) = ref;
	} while (p->token.kind != SMC_TOKEN_END);
}

static void parse_event(struct smc_parser *p, struct smc_decl *d)
{
	if (!token_class(p, &d->class))
		parse_expected(p, "a class (rpc, done, shim, family or clock)");
	token_next(p);
	if (d->class == SMC_CLASS_DONE && parse_accept(p, "from"))
		d->from = parse_name(p, "another machine");
	if (d->class == SMC_CLASS_FAMILY) {
		d->quiet = d->name && strcmp(d->name, "childless") == 0;
		if (!d->quiet && parse_accept(p, "unless")) {
			d->quiet = true;
			d->unless = parse_ref(p, "a trait of the children");
		}
	} else if (d->class != SMC_CLASS_CLOCK && parse_accept(p, "carries")) {
		d->payload = parse_name(p, "a payload");
	}
}

static void parse_decl(struct smc_parser *p, enum smc_decl_kind kind)
{
	struct smc_decl *d;

	if (p->m->states.n) {
		smc_error(p->m, p->line, "%s below a state; declare it above the first state",
			  smc_decl_names[kind]);
		parse_stop(p);
		return;
	}
	d = smc_push(&p->m->decls[kind]);
	d->line = p->line;
	d->name = parse_name(p, smc_decl_names[kind]);
	if (kind == SMC_DECL_EFFECT)
		parse_effect(p, d);
	if (kind == SMC_DECL_TRAIT && !p->failed)
		parse_trait(p, d);
	if (kind == SMC_DECL_EVENT && !p->failed)
		parse_event(p, d);
	if ((kind == SMC_DECL_GUARD || kind == SMC_DECL_STEP) && parse_accept(p, "takes"))
		d->payload = parse_name(p, "what the events carry");
	parse_end(p);
}

static void parse_parent(struct smc_parser *p)
{
	struct smc_machine *m = p->m;

	if (m->parent || m->states.n) {
		smc_error(m, p->line, "parent stands once, above the first state");
		parse_stop(p);
		return;
	}
	m->parent_line = p->line;
	m->parent = parse_name(p, "the parent's machine");
	parse_expect(p, "by");
	m->parent_field = parse_name(p, "the field of the row that holds its id");
	parse_end(p);
}

static void parse_retired(struct smc_parser *p)
{
	do {
		unsigned int n = parse_number(p, "the number of a state that no longer exists");

		if (!p->failed)
			*smc_push(&p->m->retired) =
				(struct smc_retired){ .number = n, .line = p->line };
	} while (p->token.kind != SMC_TOKEN_END);
}

static void parse_kind(struct smc_parser *p, struct smc_state *s)
{
	if (parse_accept(p, "initial"))
		s->kind = SMC_KIND_INITIAL;
	else if (parse_accept(p, "busy"))
		s->kind = SMC_KIND_BUSY;
	else if (parse_accept(p, "rest"))
		s->kind = SMC_KIND_REST;
	else if (parse_accept(p, "final"))
		s->kind = SMC_KIND_FINAL;
	else
		parse_expected(p, "initial, busy, rest or final");
}

static void parse_state(struct smc_parser *p)
{
	struct smc_state *s = smc_push(&p->m->states);

	p->state = s;
	s->line = p->line;
	s->recover.index = -1;
	s->deadline.index = -1;
	s->name = parse_state_name(p);
	parse_expect(p, "=");
	s->number = parse_number(p, "the number that is stored for the state");
	parse_kind(p, s);
	if (parse_accept(p, "shows"))
		s->shows = parse_word(p, "the status that clients see");
	parse_end(p);
	if (s->shows && (s->kind == SMC_KIND_INITIAL || s->kind == SMC_KIND_FINAL))
		smc_error(p->m, p->line,
			  "state %s shows %s, but no client can see it; only busy "
			  "and rest states show a status",
			  s->name, s->shows);
}

/* Parse the receiver and event after `tell`.  *ret_text becomes all of it. */
static char *parse_tell(struct smc_parser *p, enum smc_op *ret_op, char **ret_text)
{
	char *event = NULL;

	if (parse_accept(p, "children"))
		*ret_op = SMC_OP_TELL_CHILDREN;
	else if (parse_accept(p, "parent"))
		*ret_op = SMC_OP_TELL_PARENT;
	else
		parse_expected(p, "children or parent");
	event = parse_name(p, "an event");
	if (!event)
		return NULL;
	free(*ret_text);
	if (asprintf(ret_text, "tell %s %s", *ret_op == SMC_OP_TELL_PARENT ? "parent" : "children",
		     event) < 0)
		abort();
	return event;
}

static void parse_reply_to(struct smc_parser *p, struct smc_action *a)
{
	char *text;

	a->op = SMC_OP_REPLY_TO;
	a->answered = parse_name(p, "an event");
	if (!a->answered)
		return;
	if (asprintf(&text, "reply %s", a->answered) < 0)
		abort();
	free(a->ref.name);
	a->ref.name = text;
}

static void parse_recover(struct smc_parser *p)
{
	struct smc_state *s = p->state;

	if (s->recover.name) {
		smc_error(p->m, p->line, "state %s already recovers on line %u; keep one", s->name,
			  s->recover.line);
		parse_stop(p);
		return;
	}
	s->recover = parse_ref(p, "an effect, or none,");
	if (s->recover.name && strcmp(s->recover.name, "tell") == 0) {
		enum smc_op op = SMC_OP_TELL_CHILDREN;

		s->recover_told = parse_tell(p, &op, &s->recover.name);
		if (op == SMC_OP_TELL_PARENT)
			smc_error(p->m, p->line,
				  "a parent knows what it waits for; recover by an "
				  "effect or tell children");
	}
	parse_end(p);
}

/* 10s, 500ms, or the name of a deadline. */
static void parse_within(struct smc_parser *p)
{
	struct smc_state *s = p->state;

	if (p->token.kind == SMC_TOKEN_WORD && is_digit(p->token.at[0]))
		s->within_ms = parse_duration(p);
	else
		s->deadline = parse_ref(p, "a limit such as 10s, or a deadline,");
	parse_end(p);
}

static void parse_limit(struct smc_parser *p, bool within)
{
	struct smc_state *s = p->state;

	if (s->limit_line) {
		smc_error(p->m, p->line, "state %s already has a limit on line %u; keep one",
			  s->name, s->limit_line);
		parse_stop(p);
		return;
	}
	s->limit_line = p->line;
	if (within) {
		parse_within(p);
		return;
	}
	if (p->token.kind != SMC_TOKEN_TEXT || p->token.len == 0) {
		parse_expected(p, "the reason in quotes");
		return;
	}
	s->unbounded = token_copy(p);
	token_next(p);
	parse_end(p);
}

static void parse_actions(struct smc_parser *p, struct smc_row *row)
{
	static const struct {
		const char *word;
		enum smc_op op;
	} words[] = {
		{ "save", SMC_OP_SAVE },
		{ "reply", SMC_OP_REPLY },
		{ "requeue", SMC_OP_REQUEUE },
	};

	do {
		struct smc_action *a = smc_push(&row->actions);

		a->op = SMC_OP_STEP; /* or an effect: names are resolved later */
		a->ref = parse_ref(p, "an action");
		for (size_t i = 0; a->ref.name && i < sizeof(words) / sizeof(words[0]); i++)
			if (strcmp(a->ref.name, words[i].word) == 0)
				a->op = words[i].op;
		if (a->op == SMC_OP_SAVE && parse_accept(p, "boot")) {
			a->op = SMC_OP_SAVE_BOOT;
			free(a->ref.name);
			a->ref.name = xdup("save boot");
		}
		if (a->op == SMC_OP_REPLY && p->token.kind == SMC_TOKEN_WORD)
			parse_reply_to(p, a);
		if (a->ref.name && strcmp(a->ref.name, "tell") == 0)
			a->told = parse_tell(p, &a->op, &a->ref.name);
	} while (parse_accept(p, ","));
}

static void parse_on(struct smc_parser *p)
{
	struct smc_row *row = smc_push(&p->state->rows);

	row->line = p->line;
	row->guard.index = -1;
	row->target.index = -1;
	row->event = parse_ref(p, "an event");
	if (parse_accept(p, "if"))
		row->guard = parse_ref(p, "a guard");
	if (parse_accept(p, "->")) {
		row->target.line = p->line;
		row->target.name = parse_state_name(p);
	} else if (parse_accept(p, "stay")) {
		row->stay = true;
	} else {
		parse_expected(p, "-> STATE, or stay,");
	}
	if (parse_accept(p, ":"))
		parse_actions(p, row);
	parse_end(p);
}

static void parse_code(struct smc_parser *p, size_t from)
{
	char *name = parse_word(p, "a status code");
	unsigned int i = 0;

	while (name && smc_codes[i].name && strcmp(smc_codes[i].name, name) != 0)
		i++;
	if (name && !smc_codes[i].name) {
		smc_error(p->m, p->line,
			  "%s is no status code; write a gRPC code such as "
			  "FAILED_PRECONDITION",
			  name);
		parse_stop(p);
	}
	free(name);
	for (size_t d = from; !p->failed && d < p->state->decisions.n; d++)
		p->state->decisions.v[d].code = i;
}

static void parse_answer(struct smc_parser *p, enum smc_answer answer)
{
	bool by_class = answer == SMC_ANSWER_NEVER || answer == SMC_ANSWER_REFUSE;
	size_t from = p->state->decisions.n;

	do {
		struct smc_decision d = { .answer = answer };

		d.is_class = token_class(p, &d.class);
		if (d.is_class && !by_class) {
			smc_error(p->m, p->line,
				  "%s is a class; name each event here, so that "
				  "nothing is passed over in silence",
				  smc_class_names[d.class]);
			parse_stop(p);
			return;
		}
		d.event = parse_ref(p, "an event");
		if (d.event.name)
			*smc_push(&p->state->decisions) = d;
	} while (p->token.kind == SMC_TOKEN_WORD && !is_upper(p->token.at[0]));
	if (answer == SMC_ANSWER_REFUSE)
		parse_code(p, from);
	parse_end(p);
}

/* Keywords that open a line of a state, in the order of parse_in_state(). */
static const char *const state_words[] = {
	"on",	"holds", "recover", "within", "unbounded", "ignore",
	"wait", "join",	 "refuse",  "never",  NULL,
};

static int token_state_word(const struct smc_parser *p)
{
	for (int i = 0; state_words[i]; i++)
		if (token_is(p, state_words[i]))
			return i;
	return -1;
}

static void parse_in_state(struct smc_parser *p, int word)
{
	static const enum smc_answer answers[] = {
		SMC_ANSWER_IGNORE, SMC_ANSWER_WAIT,  SMC_ANSWER_JOIN,
		SMC_ANSWER_REFUSE, SMC_ANSWER_NEVER,
	};

	if (!p->state) {
		smc_error(p->m, p->line, "%s belongs to a state; write the state line above it",
			  state_words[word]);
		parse_stop(p);
		return;
	}
	token_next(p);
	if (word == 0)
		parse_on(p);
	else if (word == 1)
		parse_refs(p, &p->state->holds, "an invariant");
	else if (word == 2)
		parse_recover(p);
	else if (word <= 4)
		parse_limit(p, word == 3);
	else
		parse_answer(p, answers[word - 5]);
}

static void parse_line(struct smc_parser *p)
{
	int word = token_state_word(p);

	if (parse_accept(p, "machine")) {
		parse_machine(p);
		return;
	}
	if (!p->m->line) {
		smc_error(p->m, p->line, "the first line must be: " SMC_USAGE);
		p->m->line = p->line;
		parse_stop(p);
		return;
	}
	for (enum smc_decl_kind k = 0; k < SMC_DECL_STATE; k++)
		if (parse_accept(p, smc_decl_names[k])) {
			parse_decl(p, k);
			return;
		}
	if (parse_accept(p, "parent"))
		parse_parent(p);
	else if (parse_accept(p, "retired"))
		parse_retired(p);
	else if (parse_accept(p, "state"))
		parse_state(p);
	else if (word >= 0)
		parse_in_state(p, word);
	else
		parse_expected(p, "machine, parent, event, guard, step, effect, deadline, "
				  "invariant, trait, retired, state or a line of a state");
}

void smc_parse(struct smc_machine *m, const char *text)
{
	struct smc_parser p = { .m = m, .next = text };

	for (bool more = true; more;) {
		const char *end = strchrnul(p.next, '\n');

		p.line++;
		p.failed = false;
		token_next(&p);
		if (!p.failed && p.token.kind != SMC_TOKEN_END)
			parse_line(&p);
		more = *end == '\n';
		p.next = end + 1;
	}
	if (!m->line)
		smc_error(m, p.line, "there is no machine in this file; write " SMC_USAGE);
}
