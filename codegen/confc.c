/*
 * confc.c - the compiler of src/conf/crisp.keys: the table of keys in C, the manual, the options
 * and the completion of crispd.
 * usage: confc -o DIR FILE.  Nothing is written for a file with a mistake.
 */
#include "confc.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void conf_fields(const struct key_table *t, struct emit *out)
{
	confc_fields(t, KEY_PLACE_CONF, out);
}

static void runtime_fields(const struct key_table *t, struct emit *out)
{
	confc_fields(t, KEY_PLACE_RUNTIME, out);
}

static const struct {
	const char *name;
	void (*write)(const struct key_table *t, struct emit *out);
} outputs[] = {
	{ "conf_fields.h", conf_fields }, { "conf_runtime_fields.h", runtime_fields },
	{ "conf_keys.h", confc_header },  { "conf_keys.c", confc_source },
	{ "crisp.conf.5", confc_manual }, { "crispd-options.8", confc_man_options },
	{ "crispd.bash", confc_bash },	  { "crispd.zsh", confc_zsh },
	{ "crispd.fish", confc_fish },
};

static int write_all(const struct key_table *t, const char *dir)
{
	for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++) {
		char *path = text_format("%s/%s", dir, outputs[i].name);
		struct emit out = EMIT_NULL;
		int r;

		outputs[i].write(t, &out);
		r = emit_write_file(&out, path);
		if (r < 0) {
			fprintf(stderr, "%s: cannot be written: %s\n", path, strerror(-r));
			return 1;
		}
		emit_done(&out);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct diag d = DIAG_NULL;
	struct key_table t;

	if (argc != 4 || strcmp(argv[1], "-o")) {
		fprintf(stderr, "usage: confc -o DIR FILE\n");
		return 2;
	}
	key_table_load(&t, argv[3], &d);
	if (!d.n)
		return write_all(&t, argv[2]);
	fprintf(stderr, "%s%u mistake%s\n", emit_text(&d.text), d.n, d.n == 1 ? "" : "s");
	return 1;
}
