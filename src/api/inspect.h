/*
 * inspect.h - CRI-O's inspection of the node over HTTP, which cAdvisor asks: GET /info, /config and
 * /containers/ID, of containers and pods.
 */
#pragma once

struct http_head;
struct httpd_answer;

/* For server_options.http.  Reads snapshots of the store: any thread. */
void inspect_answer(const struct http_head *head, struct httpd_answer *ret);
