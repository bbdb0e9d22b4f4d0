/*
 * statsdrv.c - one RPC of the statistics that crictl does not have: asks for one object by its id
 * and prints the answer in one line.
 *
 *   statsdrv SOCKET container|pod ID
 *
 * A refusal goes to stderr as "CODE: text" and is status 1.
 */
#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "api/grpc_env.h"
#include "gen/cri_client.h"
#include "gen/cri_print.h"

static int ask_container(struct rpc_client *c, char *id, ProtobufCMessage **ret, struct err *e)
{
	Runtime__V1__ContainerStatsRequest req = RUNTIME__V1__CONTAINER_STATS_REQUEST__INIT;
	Runtime__V1__ContainerStatsResponse *resp = NULL;
	int r;

	req.container_id = id;
	r = cri_call_container_stats(c, &req, &resp, e);
	*ret = r == 0 ? &resp->base : NULL;
	return r;
}

static int ask_pod(struct rpc_client *c, char *id, ProtobufCMessage **ret, struct err *e)
{
	Runtime__V1__PodSandboxStatsRequest req = RUNTIME__V1__POD_SANDBOX_STATS_REQUEST__INIT;
	Runtime__V1__PodSandboxStatsResponse *resp = NULL;
	int r;

	req.pod_sandbox_id = id;
	r = cri_call_pod_sandbox_stats(c, &req, &resp, e);
	*ret = r == 0 ? &resp->base : NULL;
	return r;
}

int main(int argc, char **argv)
{
	static char text[64 * 1024];
	struct rpc_client *client = NULL;
	ProtobufCMessage *resp = NULL;
	struct err e = ERR_NULL;
	int r;

	if (argc != 4)
		return 2;
	grpc_env_init();
	r = rpc_client_open(argv[1], 60000, &client, &e);
	if (r == 0)
		r = strcmp(argv[2], "pod") == 0 ? ask_pod(client, argv[3], &resp, &e)
						: ask_container(client, argv[3], &resp, &e);
	if (r == 0) {
		cri_print(resp, text, sizeof(text));
		puts(text);
		protobuf_c_message_free_unpacked(resp, NULL);
	} else {
		fprintf(stderr, "%s: %s\n", err_code_name(e.code), e.text);
	}
	rpc_client_close(client);
	return r == 0 ? 0 : 1;
}
