// SPDX-License-Identifier: GPL-2.0
#include "daemon/decisions.h"

#include "lib/log.h"

void decisions_add(struct decisions *d, const struct decision *one)
{
	struct decision *slot = &d->ring[d->total % DECISIONS_KEPT];
	bool go = guard_go(one->verdict);

	*slot = *one;
	clock_gettime(CLOCK_REALTIME, &slot->time);
	d->total++;
	d->carried_out += go;
	d->by_verdict[one->verdict]++;
	log_line(go ? LOG_INFO : LOG_DEBUG, "%s: %s%s: %s (guard: %s)", one->object,
		 go ? "" : "not ", one->change, one->reason, guard_verdict_text(one->verdict));
}

json_t *decisions_json(const struct decisions *d)
{
	uint64_t n = d->total < DECISIONS_KEPT ? d->total : DECISIONS_KEPT, i;
	json_t *list = json_array(), *item;

	for (i = 0; list && i < n; i++) {
		const struct decision *one = &d->ring[(d->total - 1 - i) % DECISIONS_KEPT];

		item = json_pack("{s:f, s:s, s:s, s:s, s:s, s:b, s:b}", "time",
				 (double)one->time.tv_sec + one->time.tv_nsec / 1e9, "object",
				 one->object, "change", one->change, "reason", one->reason,
				 "guard", guard_verdict_name(one->verdict), "carried_out",
				 guard_go(one->verdict), "explored", one->explored);
		if (item && one->reward_valid)
			json_object_set_new(item, "reward", json_real(one->reward));
		if (json_array_append_new(list, item)) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
