// SPDX-License-Identifier: GPL-2.0
/* Of "sluice queue show": stock qdiscs that stand in for ours. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/queue_flows.h"
#include "cli/queue_stock.h"

json_t *queue_stock_controlled(void)
{
	json_t *reply, *list;

	if (client_request("status", &reply, NULL) < 0)
		return json_array();
	list = json_incref(json_object_get(json_object_get(reply, "ecn"), "queues"));
	json_decref(reply);
	return list;
}

const json_t *queue_stock_find(const json_t *controlled, const struct qdisc_sample *q)
{
	json_t *one;
	size_t i;

	json_array_foreach(controlled, i, one)
		if (!strcmp(get_text(one, "dev"), q->id.ifname) &&
		    !strcmp(get_text(one, "parent"), q->id.parent) &&
		    !strcmp(get_text(one, "backend"), ecn_backend(q->backend)->name))
			return one;
	return NULL;
}

bool queue_stock_selected(const json_t *controlled, const struct qdisc_sample *q, bool named)
{
	return named || queue_stock_find(controlled, q);
}

static const char *state_text(const json_t *controlled, const struct qdisc_sample *q)
{
	const json_t *one = queue_stock_find(controlled, q);

	if (one)
		return get_text(one, "text");
	return q->blocked ? ecn_block_text(q->blocked) : "not controlled";
}

json_t *queue_stock_json(const json_t *controlled, const struct qdisc_sample *q)
{
	const struct ecn_backend *b = ecn_backend(q->backend);
	const struct sluice_qdisc_stats *s = &q->stats;
	json_t *o, *lacks = json_array();
	char handle[16];
	unsigned int bit;

	for (bit = 0; bit < ECN_LACK_N; bit++)
		if (b->lacks & (1u << bit))
			json_array_append_new(lacks, json_string(ecn_lack_name(bit)));
	snprintf(handle, sizeof(handle), "%x:", q->handle >> 16);
	o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I}",
		      "dev", q->id.ifname, "parent", q->id.parent, "handle", handle,
		      "backend", b->name, "state", state_text(controlled, q), "lacks", lacks,
		      "packets", (json_int_t)s->packets, "bytes", (json_int_t)s->bytes,
		      "backlog_packets", (json_int_t)s->backlog_packets,
		      "backlog_bytes", (json_int_t)s->backlog_bytes);
	if (q->backend == ECN_RED) {
		json_object_set_new(o, "qth_min", json_integer(q->raw.qth_min));
		json_object_set_new(o, "qth_max", json_integer(q->raw.qth_max));
		json_object_set_new(o, "max_p", json_integer(ecn_red_ppm(q->raw.max_p)));
		json_object_set_new(o, "limit_bytes", json_integer(s->limit_bytes));
	} else {
		json_object_set_new(o, "ce_threshold_us", q->raw.ce_threshold_us == ECN_CE_OFF ?
				    json_null() : json_integer(q->raw.ce_threshold_us));
	}
	queue_flows_json(queue_stock_find(controlled, q), o);
	return o;
}

void queue_stock_print(const json_t *controlled, const struct qdisc_sample *q)
{
	const struct ecn_backend *b = ecn_backend(q->backend);
	const struct sluice_qdisc_stats *s = &q->stats;
	const char *before = "lacks";
	unsigned int bit;

	printf("%s %s (handle %x:) stock %s; %s\n  in force ", q->id.ifname, q->id.parent,
	       q->handle >> 16, b->name, state_text(controlled, q));
	if (q->backend == ECN_RED)
		printf("qth_min %u qth_max %u max_p %u ppm%s\n", q->raw.qth_min, q->raw.qth_max,
		       ecn_red_ppm(q->raw.max_p), q->raw.wlog ? ", on an average" : "");
	else if (q->raw.ce_threshold_us == ECN_CE_OFF)
		printf("no ce_threshold\n");
	else
		printf("ce_threshold %u us\n", q->raw.ce_threshold_us);
	printf("  sent     %llu bytes %llu packets\n", (unsigned long long)s->bytes,
	       (unsigned long long)s->packets);
	printf("  backlog  %llu bytes %llu packets\n", (unsigned long long)s->backlog_bytes,
	       (unsigned long long)s->backlog_packets);
	queue_flows_print(queue_stock_find(controlled, q), "  flows    ");
	for (bit = 0; bit < ECN_LACK_N; bit++) {
		if (!(b->lacks & (1u << bit)))
			continue;
		printf("  %-8s %s\n", before, ecn_lack_text(bit));
		before = "";
	}
}
