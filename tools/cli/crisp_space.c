/*
 * crisp_space.c - `images --tree` and `gc`: content of the image store, its users, and unused
 * content.
 */
#include "crisp.h"

#include <stdio.h>
#include <string.h>

#include "crisp_image.h"
#include "crisp_json.h"
#include "crisp_table.h"

#define TREE_TIMEOUT_MS 60000
#define GC_TIMEOUT_MS 600000
#define SHORT_ID 13

static const char *short_id(const char *id)
{
	return strncmp(id, "sha256:", 7) == 0 ? id + 7 : id;
}

static void print_layer(const Crisp__V1__TreeLayer *l, bool last)
{
	char size[32];

	format_bytes(l->bytes, size);
	printf("  %s %.*s %s", last ? "`-" : "|-", SHORT_ID, short_id(l->diff_id), size);
	for (size_t i = 0; i < l->n_shared_with; i++)
		printf("%s %.*s", i ? "," : ", also of", SHORT_ID, short_id(l->shared_with[i]));
	puts(l->missing ? ", missing" : "");
}

static void print_image(const Crisp__V1__TreeImage *image)
{
	char shared[32], own[32];

	format_bytes(image->shared_bytes, shared);
	format_bytes(image->unique_bytes, own);
	printf("%.*s", SHORT_ID, short_id(image->id));
	for (size_t i = 0; i < image->n_names; i++)
		printf(" %s", image->names[i]);
	printf("\n  %s%s, %s of its own, %s shared", image->state, image->pinned ? ", pinned" : "",
	       own, shared);
	for (size_t i = 0; i < image->n_containers; i++)
		printf("%s %.*s", i ? "," : ", used by", SHORT_ID, image->containers[i]);
	printf("\n");
	if (image->error[0])
		printf("  %s\n", image->error);
	for (size_t i = 0; i < image->n_layers; i++)
		print_layer(image->layers[i], i + 1 == image->n_layers);
}

int images_tree(struct cli *cli, const char *name)
{
	_cleanup_answer_ Crisp__V1__ImageTreeResponse *resp = NULL;
	Crisp__V1__ImageTreeRequest req = CRISP__V1__IMAGE_TREE_REQUEST__INIT;
	struct err e;

	if (name)
		req.name = (char *)(uintptr_t)name;
	if (cli_connect(cli, TREE_TIMEOUT_MS, &e) < 0 ||
	    cri_call_image_tree(cli->client, &req, &resp, &e) < 0)
		return cli_fail(&e);
	if (cli->json) {
		json_print(&resp->base, stdout);
		return CLI_EXIT_OK;
	}
	for (size_t i = 0; i < resp->n_images; i++)
		print_image(resp->images[i]);
	for (size_t i = 0; i < resp->n_pulls; i++)
		printf("pull %.*s of %s keeps what it has found\n", SHORT_ID, resp->pulls[i]->id,
		       resp->pulls[i]->reference);
	return CLI_EXIT_OK;
}

static void print_garbage(const Crisp__V1__CollectGarbageResponse *resp, bool dry_run)
{
	static const char *const headings[] = { "", "KIND", "ID", "NAME", "SIZE", "WHY" };
	_cleanup_table_ struct table *t = table_new(headings, ARRAY_LEN(headings));
	char size[32];

	for (size_t i = 0; i < resp->n_items; i++) {
		const Crisp__V1__GarbageItem *x = resp->items[i];

		format_bytes(x->bytes, size);
		table_add(t, x->removed ? "remove" : "keep");
		table_add(t, x->kind);
		table_add_id(t, x->id);
		table_add(t, x->name);
		table_add(t, x->removed || x->bytes ? size : "");
		table_add(t, x->why);
	}
	if (resp->n_items)
		table_print(t, stdout);
	format_bytes(resp->bytes, size);
	printf(dry_run ? "%s would be freed\n" : "%s freed\n", size);
}

int cmd_gc(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "dry-run", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	_cleanup_answer_ Crisp__V1__CollectGarbageResponse *resp = NULL;
	Crisp__V1__CollectGarbageRequest req = CRISP__V1__COLLECT_GARBAGE_REQUEST__INIT;
	struct err e;

	while (cli_option(cli, argc, argv, "n", longs) != -1)
		req.dry_run = true;
	if (optind < argc)
		return cli_usage(cli, "\"%s\" is too much", argv[optind]);
	if (cli_connect(cli, GC_TIMEOUT_MS, &e) < 0 ||
	    cri_call_collect_garbage(cli->client, &req, &resp, &e) < 0)
		return cli_fail(&e);
	if (cli->json)
		json_print(&resp->base, stdout);
	else
		print_garbage(resp, req.dry_run);
	return CLI_EXIT_OK;
}
