/*
 * protoc-gen-crisp.c - the protoc plugin: reads a CodeGeneratorRequest from standard input, writes
 * the generated files into a CodeGeneratorResponse on standard output.
 * Options, separated by commas: rules=FILE, bind=FILE, and source=PATH for each .proto, its name
 * in diagnostics and banners only.  keys=FILE instead of rules and bind: write the functions that
 * fill messages from the configuration.  Mistakes in the inputs are the response's error, as the
 * protocol requires, and the exit status stays 0; protoc then fails.
 */
#include "protoc-gen-crisp.h"

#include <google/protobuf/compiler/plugin.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOURCES_MAX 16
#define OUTPUTS_MAX 16

struct plugin_options {
	const char *rules;
	const char *bind;
	const char *keys;
	const char *sources[SOURCES_MAX];
	size_t n_sources;
};

struct generated_file {
	const char *name;
	struct emit text;
};

static const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void options_parse(struct plugin_options *o, char *text, struct diag *d)
{
	char *next;

	*o = (struct plugin_options){ .rules = NULL };
	for (; text && *text; text = next) {
		next = text + strcspn(text, ",");
		if (*next)
			*next++ = '\0';
		if (!strncmp(text, "rules=", 6))
			o->rules = text + 6;
		else if (!strncmp(text, "bind=", 5))
			o->bind = text + 5;
		else if (!strncmp(text, "keys=", 5))
			o->keys = text + 5;
		else if (!strncmp(text, "source=", 7) && o->n_sources < SOURCES_MAX)
			o->sources[o->n_sources++] = text + 7;
		else
			diag_add(d, "--crisp_opt", 0,
				 "%s: write rules=FILE, bind=FILE, "
				 "keys=FILE or source=PATH",
				 text);
	}
	if (!o->keys == (!o->rules || !o->bind))
		diag_add(d, "--crisp_opt", 0, "write rules=FILE,bind=FILE or keys=FILE");
}

/* Name of a request's file in messages: the source option of the same base name. */
static const char *options_source(const struct plugin_options *o, const char *name)
{
	size_t i;

	for (i = 0; i < o->n_sources; i++)
		if (!strcmp(path_base(o->sources[i]), path_base(name)))
			return o->sources[i];
	return name;
}

static const char *sources_join(const char *const *paths, size_t n, const struct plugin_options *o)
{
	struct emit e = EMIT_NULL;
	size_t i;

	for (i = 0; i < n; i++)
		emit_put(&e, "%s%s", i ? ", " : "", paths[i]);
	emit_put(&e, ", %s and %s", o->rules, o->bind);
	return e.text;
}

void plugin_emit_top(const struct plugin *p, struct emit *e, bool header)
{
	emit_banner(e, "protoc-gen-crisp", p->sources);
	if (header)
		emit_line(e, "#pragma once");
}

static void plugin_load_schema(struct plugin *p,
			       const Google__Protobuf__Compiler__CodeGeneratorRequest *r,
			       const struct plugin_options *o)
{
	size_t n = r->n_file_to_generate, i, j;
	Google__Protobuf__FileDescriptorProto **files = memory_zeroed(n, sizeof(*files));
	const char **paths = memory_zeroed(n, sizeof(*paths));

	p->files = files;
	p->paths = paths;
	p->stems = memory_zeroed(n, sizeof(*p->stems));
	p->headers = memory_zeroed(n, sizeof(*p->headers));
	p->packages = memory_zeroed(n, sizeof(*p->packages));
	p->n_files = n;
	for (i = 0; i < n; i++) {
		const char *name = r->file_to_generate[i];
		size_t stem = strlen(name);

		for (j = 0; j < r->n_proto_file; j++)
			if (!strcmp(r->proto_file[j]->name, name))
				files[i] = r->proto_file[j];
		if (!files[i]) {
			diag_add(&p->diag, name, 0, "protoc named it but did not send it");
			return;
		}
		if (stem > 6 && !strcmp(name + stem - 6, ".proto"))
			stem -= 6;
		paths[i] = options_source(o, name);
		p->stems[i] = text_format("%.*s", (int)stem, name);
		p->headers[i] = text_format("%s.pb-c.h", p->stems[i]);
		p->packages[i] = files[i]->package ? files[i]->package : "";
	}
	schema_load(&p->schema, files, paths, n, &p->diag);
}

static void plugin_load(struct plugin *p, const Google__Protobuf__Compiler__CodeGeneratorRequest *r,
			const struct plugin_options *o)
{
	plugin_load_schema(p, r, o);
	if (p->diag.n > 0)
		return; /* later messages would be consequences */
	p->sources = sources_join(p->paths, p->n_files, o);
	rules_load(&p->rules, o->rules, &p->schema, &p->diag);
	bindings_load(&p->bindings, o->bind, &p->schema, &p->diag);
}

static size_t plugin_generate(struct plugin *p, struct generated_file *out)
{
	static const char *const names[] = {
		"cri_rpc.h",   "cri_rpc.c",    "cri_validate.h", "cri_validate.c",   "cri_print.h",
		"cri_print.c", "cri_client.h", "cri_client.c",	 "cri_coverage.txt",
	};
	size_t n = sizeof(names) / sizeof(names[0]), i;

	for (i = 0; i < n; i++)
		out[i] = (struct generated_file){ .name = names[i] };
	plugin_emit_rpc(p, &out[0].text, &out[1].text);
	plugin_emit_validate(p, &out[2].text, &out[3].text);
	plugin_emit_print(p, &out[4].text, &out[5].text);
	plugin_emit_client(p, &out[6].text, &out[7].text);
	plugin_emit_coverage(p, &out[8].text);
	return n;
}

/* Write X_conf.[ch] for each file that names keys. */
static size_t plugin_generate_conf(struct plugin *p,
				   const Google__Protobuf__Compiler__CodeGeneratorRequest *r,
				   const struct plugin_options *o, struct generated_file *out)
{
	struct key_table keys;
	size_t n = 0, i;

	plugin_load_schema(p, r, o);
	if (p->diag.n == 0)
		key_table_load(&keys, o->keys, &p->diag);
	if (p->diag.n > 0)
		return 0;
	for (i = 0; i < p->n_files && n + 2 <= OUTPUTS_MAX; i++) {
		out[n] = (struct generated_file){ .name = text_format("%s_conf.h", p->stems[i]) };
		out[n + 1] =
			(struct generated_file){ .name = text_format("%s_conf.c", p->stems[i]) };
		conf_emit(&keys, &p->schema, p->files[i], p->paths[i], p->stems[i], &out[n].text,
			  &out[n + 1].text, &p->diag);
		if (out[n].text.len > 0)
			n += 2;
	}
	return n;
}

static int response_write(const Google__Protobuf__Compiler__CodeGeneratorResponse *resp)
{
	size_t size = google__protobuf__compiler__code_generator_response__get_packed_size(resp);
	uint8_t *bytes = memory_zeroed(size, 1);
	int r = 0;

	google__protobuf__compiler__code_generator_response__pack(resp, bytes);
	if (fwrite(bytes, 1, size, stdout) != size || fflush(stdout) != 0) {
		perror("protoc-gen-crisp: standard output");
		r = 1;
	}
	free(bytes);
	return r;
}

static int respond(const struct diag *d, struct generated_file *out, size_t n)
{
	Google__Protobuf__Compiler__CodeGeneratorResponse resp =
		GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__INIT;
	Google__Protobuf__Compiler__CodeGeneratorResponse__File files[OUTPUTS_MAX];
	Google__Protobuf__Compiler__CodeGeneratorResponse__File *list[OUTPUTS_MAX];
	size_t i;

	resp.has_supported_features = true;
	resp.supported_features = 1; /* FEATURE_PROTO3_OPTIONAL: refused by schema_load */
	if (d->n > 0)
		resp.error = text_format("%u mistake%s\n%s", d->n, d->n > 1 ? "s" : "",
					 emit_text(&d->text));
	for (i = 0; i < n; i++) {
		google__protobuf__compiler__code_generator_response__file__init(&files[i]);
		files[i].name = (char *)out[i].name;
		files[i].content = (char *)emit_text(&out[i].text);
		list[i] = &files[i];
	}
	resp.n_file = n;
	resp.file = list;
	return response_write(&resp);
}

int main(void)
{
	Google__Protobuf__Compiler__CodeGeneratorRequest *req;
	struct generated_file out[OUTPUTS_MAX];
	struct plugin p = { .n_files = 0 };
	struct emit input = EMIT_NULL;
	struct plugin_options o;
	char buf[65536];
	size_t n;

	while ((n = fread(buf, 1, sizeof(buf), stdin)) > 0)
		emit_bytes(&input, buf, n);
	req = google__protobuf__compiler__code_generator_request__unpack(
		NULL, input.len, (const uint8_t *)emit_text(&input));
	if (!req || !req->compiler_version || req->n_file_to_generate == 0) {
		fputs("protoc-gen-crisp: standard input is no plugin request; run it through "
		      "protoc --crisp_out\n",
		      stderr);
		return 1;
	}
	options_parse(&o, req->parameter, &p.diag);
	n = 0;
	if (p.diag.n == 0 && o.keys) {
		n = plugin_generate_conf(&p, req, &o, out);
	} else if (p.diag.n == 0) {
		plugin_load(&p, req, &o);
		n = p.diag.n == 0 ? plugin_generate(&p, out) : 0;
	}
	return respond(&p.diag, out, p.diag.n == 0 ? n : 0);
}
