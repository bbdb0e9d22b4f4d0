/*
 * inspect.h - CRI-O's inspection of the node over HTTP, which cAdvisor asks: GET /info, /config and
 * /containers/ID, of containers and pods; GET /pause/ID and /unpause/ID of containers.
 */
#pragma once

struct http_head;
struct httpd_answer;

/* For server_options.http.  Reads snapshots of the store, or posts to the main loop: any thread. */
void inspect_answer(const struct http_head *head, struct httpd_answer *ret);
