// SPDX-License-Identifier: GPL-2.0
#include "lib/frame_key.h"

#include <string.h>

#include "../../bpf/parse.bpf.h"

_Static_assert(FRAME_KEY_FOUND == SLUICE_PARSED, "one is returned as the other");

int frame_key(const void *data, size_t bytes, __u32 inside, struct sluice_flow_key *key)
{
	struct sluice_inner inner = { 0 };
	int r;

	memset(key, 0, sizeof(*key));
	r = sluice_parse_outer(data, data + bytes, inside, key, NULL, &inner);
	if (r == SLUICE_PARSE_INSIDE)
		r = sluice_parse_inner(data, data + bytes, &inner, key, NULL);
	return r;
}
