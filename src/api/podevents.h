/*
 * podevents.h - GetContainerEvents: CONTAINER_CREATED, STARTED, STOPPED and DELETED events of pods
 * and containers, derived from the committed moves of their machines.
 *
 * A container is created, started, stopped when its row first shows CONTAINER_CREATED, RUNNING,
 * EXITED; a pod is created and started when it becomes ready, stopped when its network and
 * namespaces are gone too.  An object is deleted with its row.  Objects whose id no client has got
 * raise no events.  An event carries the pod's status and its containers' statuses as of the
 * commit; above LIMIT_EVENT bytes it carries the pod's status alone.
 *
 * Each event is packed once and shared by all subscribers.  A subscriber that has not taken events
 * of LIMIT_EVENTS_BEHIND bytes ends with RESOURCE_EXHAUSTED and the number of events it lost.
 *
 * A client that asks again loses no event: for a minute after the end of a stream, new streams
 * begin with the first event that the ended one did not get.  The start of crispd counts as the end
 * of all streams.  Its first events are the last minute's of the earlier daemon, taken from the
 * histories of the rows, so they may arrive twice; then what recovery finds, such as containers
 * that ended meanwhile.  Rows that were deleted in that minute count (core/ended.h); an event of a
 * deleted pod carries its last status, and no containers'.  Events that
 * no stream is owed are dropped after a minute, or above LIMIT_EVENTS_KEPT bytes: the next stream
 * then ends at once with RESOURCE_EXHAUSTED and their number.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

/* After loading, before recovery.  Does nothing with enable_pod_events = false, which also ends
 * each stream at once. */
void podevents_start(void);
/* Events that subscribers lost since the start, since they were too slow.  Any thread. */
uint64_t podevents_dropped(void);
/* After the server has drained. */
void podevents_stop(void);
