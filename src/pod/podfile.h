/*
 * podfile.h - what describes a pod's checkpoint: pod.json, and pod.json.sum beside it.
 *
 * A checkpoint is a directory:
 *
 *   pod.json        version, architecture, the pod, its containers, its volumes, and size and
 *                   checksum of every other file
 *   pod.json.sum    checksum of pod.json
 *   containers/NAME/    one container: the members of an archive of CheckpointContainer
 *   volumes/N.tar       the content of /dev/shm (0) and of emptyDir volumes in memory
 *
 * Checksums are XXH3 of 128 bits: they detect damage, no attacker.  Nothing names a path of the
 * node that a restore would use.  Workers only.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PODFILE_VERSION 1
#define PODFILE_DIR "pod" /* in the directory of the client */
#define PODFILE_NAME "pod.json"
#define PODFILE_SUM_NAME "pod.json.sum"
#define PODFILE_CONTAINERS "containers"
#define PODFILE_VOLUMES "volumes"
#define PODFILE_KEEPS_TCP "tcp-established" /* option of CRIU: connections go on */
#define PODFILE_MAX (16 * 1024 * 1024) /* bytes of pod.json */
#define PODFILE_SUM_TEXT 38 /* "xxh3:", 32 hex digits, NUL */

/* Checksum of the file at path.  *ret_size: its bytes. */
int podfile_sum(const char *path, char ret[PODFILE_SUM_TEXT], int64_t *ret_size, struct err *e);

/* Add all files of dir to `files` of pod, write pod.json and its checksum, and sync dir's file
 * system. */
int podfile_write(const char *dir, json_t *pod, struct err *e);

/* Is path an emptyDir volume of a pod's in memory? */
bool podfile_is_memory_volume(const char *path);
