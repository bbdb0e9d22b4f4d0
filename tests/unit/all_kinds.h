/*
 * all_kinds.h - the daemon's kinds, for programs that link the code of all of them.
 */
#pragma once

#include "core/objects.h"
#include "images/image.h"
#include "images/pull.h"
#include "pod/container.h"
#include "pod/exec.h"
#include "pod/sandbox.h"
#include "pod/shim.h"
#include "pod/stream.h"

static const struct kind_ops *const all_kinds[KIND_COUNT] = {
	[KIND_IMAGE] = &kind_image, [KIND_SANDBOX] = &kind_sandbox,
	[KIND_SHIM] = &kind_shim,   [KIND_CONTAINER] = &kind_container,
	[KIND_EXEC] = &kind_exec,   [KIND_STREAM] = &kind_stream,
	[KIND_PULL] = &kind_pull,
};
