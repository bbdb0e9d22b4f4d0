/*
 * reason.c - table of the words, from k8s.io/cri-api/pkg/errors.
 *
 * | word                      | RPC                        | the kubelet                       |
 * |---------------------------|----------------------------|-----------------------------------|
 * | RegistryUnavailable       | PullImage                  | waiting reason, pull back-off     |
 * | SignatureValidationFailed | PullImage, CreateContainer | waiting reason, pull back-off     |
 * | ImageVolumeMountFailed    | CreateContainer            | metric image_volume_mounted_...   |
 * | RROUnsupported            | CreateContainer            | shows the text                    |
 *
 * The other matches of the kubelet are on codes: NOT_FOUND of ContainerStatus, PodSandboxStatus,
 * StopPodSandbox and RemoveContainer (gone already), DEADLINE_EXCEEDED of ExecSync (the probe timed
 * out), UNAVAILABLE of ContainerStatus (log readers go on), UNIMPLEMENTED of
 * UpdatePodSandboxResources and of the streaming lists (go on without).
 */
#include "base/reason.h"

#include <stddef.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"

static const char *const words[] = {
	[REASON_REGISTRY_UNAVAILABLE] = "RegistryUnavailable",
	[REASON_SIGNATURE_VALIDATION_FAILED] = "SignatureValidationFailed",
	[REASON_RRO_UNSUPPORTED] = "RROUnsupported",
	[REASON_IMAGE_VOLUME_MOUNT_FAILED] = "ImageVolumeMountFailed",
};

static bool has_word(const struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_starts(e->text, words[i]) && e->text[strlen(words[i])] == ':')
			return true;
	return false;
}

const char *reason_word(enum reason reason)
{
	return words[reason];
}

int reason_set(struct err *e, enum reason reason)
{
	return has_word(e) ? -(int)e->code : err_wrap(e, "%s", words[reason]);
}

enum err_code reason_code(const struct err *e)
{
	return e->code != ERR_OK && has_word(e) ? ERR_UNKNOWN : e->code;
}
