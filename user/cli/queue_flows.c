// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>

#include "cli/client.h"
#include "cli/queue_flows.h"

void queue_flows_json(const json_t *queue, json_t *o)
{
	json_t *f = json_object_get(queue, "flows");

	json_object_set_new(o, "flows", f ? json_incref(f) : json_null());
}

void queue_flows_print(const json_t *queue, const char *lead)
{
	const json_t *f = json_object_get(queue, "flows"), *ect = json_object_get(f, "ect_share");

	if (!json_is_object(f))
		return;
	printf("%s%.0f in progress (%.1f s ago)", lead, get_num(f, "active"), get_num(f, "age_s"));
	if (json_is_real(json_object_get(f, "elephant_share")))
		printf("; %.0f %% of the bytes by large ones", get_num(f, "elephant_share") * 100);
	if (json_is_real(ect))
		printf(", %.0f %% of those ECN-capable", get_num(f, "ect_share") * 100);
	if (json_is_real(json_object_get(f, "shares_age_s")))
		printf(" (%.1f s ago)", get_num(f, "shares_age_s"));
	printf("\n");
}
