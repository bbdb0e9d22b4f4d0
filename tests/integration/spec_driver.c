/*
 * spec_driver.c - the spec builder as a program, for pod/spec.sh.
 *
 * usage: spec_driver spec         a case (see tests/unit/specjson.h) on stdin, config.json on
 * stdout spec_driver exec CONFIG CMD...   process.json of an exec on stdout Warnings and errors go
 * to stderr; the status says which it was.
 */
#include "tests/unit/specjson.h"

#include "base/buf.h"
#include "base/fs.h"
#include "oci/exec_process.h"

static int do_spec(void)
{
	struct specjson s;
	struct buf text = BUF_NULL;
	struct oci_spec spec = OCI_SPEC_NULL;
	struct err e = ERR_NULL;
	size_t n;
	int r;

	do {
		n = fread(buf_reserve(&text, 65536), 1, 65536, stdin);
		buf_commit(&text, n);
	} while (n > 0);
	specjson_load(&s, text.data ? text.data : "");
	r = oci_spec_build(&s.in, &spec, &e);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", err_code_name(e.code), e.text);
	else
		puts(spec.config_json);
	for (size_t i = 0; spec.warnings && spec.warnings[i]; i++)
		fprintf(stderr, "warning: %s\n", spec.warnings[i]);
	oci_spec_done(&spec);
	specjson_done(&s);
	buf_done(&text);
	return r < 0;
}

static int do_exec(const char *config, char **cmd)
{
	struct buf text = BUF_NULL;
	struct err e = ERR_NULL;
	char *process = NULL;

	if (fs_read_file(config, 1 << 24, &text, &e) != 0 ||
	    oci_exec_process(text.data, (const char *const *)cmd, false, &process, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	puts(process);
	free(process);
	buf_done(&text);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "spec") == 0)
		return do_spec();
	if (argc > 3 && strcmp(argv[1], "exec") == 0)
		return do_exec(argv[2], argv + 3);
	fprintf(stderr, "usage: spec_driver spec | spec_driver exec CONFIG CMD...\n");
	return 2;
}
