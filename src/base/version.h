/*
 * version.h - the project's version.
 */
#pragma once

#define CRISP_VERSION "0.1.0"
#define CRISP_CRI_VERSION "v1" /* RuntimeApiVersion */
#define CRISP_KUBELET_API "0.1.0" /* reply to the kubelet's Version call */
