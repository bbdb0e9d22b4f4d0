/*
 * limits.h - all bounds on external input.
 */
#pragma once

#include <stdint.h>

#define LIMIT_MESSAGE (16 * 1024 * 1024) /* payload of one gRPC message, bytes */
#define LIMIT_MESSAGE_SLACK (64 * 1024) /* framing fields around such a payload */
#define LIMIT_CALL_ARENA (64 * 1024 * 1024) /* memory one decoded request may take */
#define LIMIT_CONFIG_BYTES (1024 * 1024) /* one pod or container config, as stored */
#define LIMIT_EXEC_OUTPUT (16 * 1024 * 1024) /* ExecSync, stdout and stderr together */
#define LIMIT_EXEC_OUTPUTS (32 * 1024 * 1024) /* of all ExecSync calls in flight */
#define LIMIT_CALLS_IN_FLIGHT 1024 /* calls accepted and not answered */
#define LIMIT_CALLS_OF_CONNECTION 512 /* of these on one connection */
#define LIMIT_BATCH \
	(256 * 1024) /* a message of a streamed list ends with the item that passes it */
#define LIMIT_SUBSCRIBERS 1024 /* streams of GetContainerEvents */
#define LIMIT_EVENT (2 * 1024 * 1024) /* one event with the containers' statuses */
#define LIMIT_EVENTS_BEHIND (8 * 1024 * 1024) /* events that a subscriber has not taken */
#define LIMIT_EVENTS_KEPT (4 * 1024 * 1024) /* events for streams to come */
#define LIMIT_ENDED (4 * 1024 * 1024) /* rows of deleted objects, kept for events after a restart */
#define LIMIT_JOBS_QUEUED 4096 /* jobs in the queue of one lane */
#define LIMIT_HISTORY 32 /* moves kept with each object */
#define LIMIT_WAITERS 256 /* calls that wait for one object */
#define LIMIT_NFT_OUTPUT (16 * 1024 * 1024) /* a listing of the host ports' table */
#define LIMIT_PORT_MAPPINGS 4096 /* mappings of a pod */
#define LIMIT_CNI_OUTPUT (1024 * 1024) /* one plugin's stdout */
#define LIMIT_STDERR_TAIL 512 /* of a helper, kept for the error text */
#define LIMIT_CONF_FILE (1024 * 1024) /* any configuration file */
#define LIMIT_CDI_FILE (4 * 1024 * 1024) /* one CDI specification */
#define LIMIT_CDI_BYTES (32 * 1024 * 1024) /* of all of them */
#define LIMIT_CDI_FILES 1024 /* of them in one directory */
#define LIMIT_MANIFEST (4 * 1024 * 1024) /* manifest, index or image config */
#define LIMIT_ANNOTATIONS (8 * 1024) /* bytes of Image.spec.annotations */
#define LIMIT_LAYERS 500 /* of one image: what overlay takes */
#define LIMIT_LAYER_FILES 4000000 /* entries of one layer */
#define LIMIT_LAYER_BYTES (INT64_C(1) << 40) /* of one layer, unpacked */
#define LIMIT_RATIO 400 /* unpacked to compressed bytes of a layer, for */
#define LIMIT_RATIO_FREE ((uint64_t)4 << 30) /* layers that are larger than this, unpacked */
#define LIMIT_ZSTD_WINDOW_LOG 27 /* 128 MiB, what `zstd --long` makes */
#define LIMIT_XATTRS 1000 /* of one entry of a layer */
#define LIMIT_LAYER_NAMES (64 * 1024 * 1024) /* bytes of implicit directories' names */
