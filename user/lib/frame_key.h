/* SPDX-License-Identifier: GPL-2.0 */
/* The parser of the XDP program (bpf/parse.bpf.h), run in user space. */
#ifndef SLUICE_LIB_FRAME_KEY_H
#define SLUICE_LIB_FRAME_KEY_H

#include <stddef.h>
#include <linux/sluice.h>

#define FRAME_KEY_FOUND	(-1)

/*
 * FRAME_KEY_FOUND and *key, of the frame that begins with an Ethernet header, or the enum
 * sluice_pass why it has none. inside: SLUICE_INSIDE_* of the tunnels to look into.
 */
int frame_key(const void *data, size_t bytes, __u32 inside, struct sluice_flow_key *key);

#endif
