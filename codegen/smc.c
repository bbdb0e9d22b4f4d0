/*
 * smc.c - the state machine compiler: smc -o DIR states/X.sm writes DIR/sm_X.{h,c,dot,txt}.
 * Invariants: no output when a file has an error; the output is a function of the files' bytes and
 * names; files given together are one family.
 */
#include "smc.h"
#include "emit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Row and action counts fit the 16 bits of sm/machine.h in any file of this size. */
#define SMC_FILE_MAX (128 * 1024)

void *smc_grow(void **v, size_t *n, size_t size)
{
	char *grown = realloc(*v, (*n + 1) * size);
	char *at;

	if (!grown)
		abort();
	*v = grown;
	at = grown + (*n)++ * size;
	for (size_t i = 0; i < size; i++)
		at[i] = 0;
	return at;
}

void smc_error(struct smc_machine *m, unsigned int line, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s:%u: error: ", m->path, line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	m->n_errors++;
}

static void refs_done(struct smc_refs *refs)
{
	for (size_t i = 0; i < refs->n; i++)
		free(refs->v[i].name);
	free(refs->v);
}

static void state_done(struct smc_state *s)
{
	for (size_t i = 0; i < s->rows.n; i++) {
		struct smc_row *row = &s->rows.v[i];

		for (size_t a = 0; a < row->actions.n; a++) {
			free(row->actions.v[a].ref.name);
			free(row->actions.v[a].told);
			free(row->actions.v[a].answered);
		}
		free(row->actions.v);
		free(row->event.name);
		free(row->guard.name);
		free(row->target.name);
	}
	for (size_t i = 0; i < s->decisions.n; i++)
		free(s->decisions.v[i].event.name);
	refs_done(&s->holds);
	free(s->rows.v);
	free(s->decisions.v);
	free(s->name);
	free(s->shows);
	free(s->recover.name);
	free(s->recover_told);
	free(s->deadline.name);
	free(s->unbounded);
	free(s->cells);
}

void smc_machine_done(struct smc_machine *m)
{
	for (enum smc_decl_kind k = 0; k < SMC_N_DECLS; k++) {
		for (size_t i = 0; i < m->decls[k].n; i++) {
			free(m->decls[k].v[i].name);
			free(m->decls[k].v[i].from);
			free(m->decls[k].v[i].payload);
			free(m->decls[k].v[i].unless.name);
			refs_done(&m->decls[k].v[i].yields);
			refs_done(&m->decls[k].v[i].states);
		}
		free(m->decls[k].v);
	}
	for (size_t i = 0; i < m->states.n; i++)
		state_done(&m->states.v[i]);
	free(m->states.v);
	free(m->retired.v);
	free(m->name);
	free(m->prefix);
	free(m->row_type);
	free(m->parent);
	free(m->parent_field);
}

/* Read the whole file as text.  NULL: failed, with a message. */
static char *file_read(const char *path)
{
	char *text = malloc(SMC_FILE_MAX + 1);
	FILE *f = fopen(path, "re");
	size_t n = 0;

	if (f && text) {
		n = fread(text, 1, SMC_FILE_MAX + 1, f);
		text[n <= SMC_FILE_MAX ? n : 0] = '\0';
	}
	if (!f || !text || ferror(f))
		fprintf(stderr, "%s: error: cannot read: %s\n", path, strerror(errno));
	else if (n > SMC_FILE_MAX)
		fprintf(stderr, "%s: error: larger than %d bytes; split the machine\n", path,
			SMC_FILE_MAX);
	else if (strlen(text) != n)
		fprintf(stderr, "%s: error: a NUL byte at offset %zu; remove it\n", path,
			strlen(text));
	else {
		fclose(f);
		return text;
	}
	if (f)
		fclose(f);
	free(text);
	return NULL;
}

static int file_write(const struct smc_machine *m, const char *dir, const char *ending,
		      void (*write)(const struct smc_machine *m, struct emit *out))
{
	struct emit path = EMIT_NULL, out = EMIT_NULL;
	int r;

	emit_put(&path, "%s/sm_%s.%s", dir, m->name, ending);
	write(m, &out);
	r = emit_write_file(&out, emit_text(&path));
	if (r < 0)
		fprintf(stderr, "%s: error: cannot write: %s\n", emit_text(&path), strerror(-r));
	emit_done(&path);
	emit_done(&out);
	return r;
}

static int read_machine(struct smc_machine *m, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *text = file_read(path);

	*m = (struct smc_machine){ .path = path, .base = slash ? slash + 1 : path };
	if (!text)
		return -1;
	smc_parse(m, text);
	free(text);
	if (!m->n_errors)
		smc_check(m);
	return m->n_errors ? -1 : 0;
}

static bool write_machine(const struct smc_machine *m, const char *dir)
{
	return file_write(m, dir, "h", smc_emit_header) == 0 &&
	       file_write(m, dir, "c", smc_emit_source) == 0 &&
	       file_write(m, dir, "dot", smc_report_dot) == 0 &&
	       file_write(m, dir, "txt", smc_report_text) == 0;
}

static int compile(char **paths, size_t n, const char *dir)
{
	struct smc_machine *all = calloc(n, sizeof(*all));
	int failed = 0;

	if (!all)
		abort();
	for (size_t i = 0; i < n; i++)
		failed |= read_machine(&all[i], paths[i]) < 0;
	if (!failed)
		smc_check_family(all, n);
	for (size_t i = 0; i < n; i++)
		failed |= all[i].n_errors > 0;
	for (size_t i = 0; i < n && !failed; i++)
		failed = !write_machine(&all[i], dir);
	for (size_t i = 0; i < n; i++)
		smc_machine_done(&all[i]);
	free(all);
	return failed;
}

int main(int argc, char **argv)
{
	const char *dir = NULL;
	int c;

	while ((c = getopt(argc, argv, "o:")) == 'o')
		dir = optarg;
	if (c != -1 || !dir || optind >= argc) {
		fprintf(stderr, "usage: smc -o DIR FILE.sm...\n");
		return 2;
	}
	return compile(argv + optind, (size_t)(argc - optind), dir);
}
