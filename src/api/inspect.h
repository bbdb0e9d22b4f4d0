/*
 * inspect.h - CRI-O's inspection of the node over HTTP, which cAdvisor asks: GET /info, /config and
 * /containers/ID, of containers and pods; GET /pause/ID and /unpause/ID of containers.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "gen/api.pb-c.h"
#include "gen/state.pb-c.h"

struct http_head;
struct httpd_answer;

/* For server_options.http.  Reads snapshots of the store, or posts to the main loop: any thread. */
void inspect_answer(const struct http_head *head, struct httpd_answer *ret);

/* Make a JSON object of a map's entries.  All map<string, string> have the same two fields at the
 * same offsets: cast their entries. */
typedef Runtime__V1__ContainerConfig__LabelsEntry inspect_map_entry;
json_t *inspect_map_json(inspect_map_entry *const *entries, size_t n);

/* A process in the pod's network namespace: its init, else one of a container.  0: none.  For any
 * thread. */
int32_t inspect_pod_pid(const char *id, const Crisp__State__Sandbox *row);
