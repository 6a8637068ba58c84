// SPDX-License-Identifier: GPL-2.0
#include "cli/sim_show.h"

#include <stdio.h>

static const char *const class_names[SIM_CLASSES] = { "<=10KB", "<=100KB", "<=1MB", ">1MB" };
static const char *const ecn_names[2] = { "non-ECT", "ECT" };

static double mean(double sum, double n)
{
	return n > 0 ? sum / n : 0;
}

/* All queues as one: sums, and of the greatest backlog the greatest. */
static struct sim_stage_stats total(const struct sim_result *r)
{
	struct sim_stage_stats all = { 0 };

	for (unsigned int i = 0; i < r->n_queues; i++) {
		const struct sim_stage_stats *q = &r->queue[i];

		all.packets += q->packets;
		all.bytes += q->bytes;
		all.ce_packets += q->ce_packets;
		all.early_drops += q->early_drops;
		all.limit_drops += q->limit_drops;
		all.capacity_bytes += q->capacity_bytes;
		all.backlog_byte_ns += q->backlog_byte_ns;
		if (q->backlog_max_bytes > all.backlog_max_bytes)
			all.backlog_max_bytes = q->backlog_max_bytes;
	}
	return all;
}

static json_t *queue_json(const struct sim_stage_stats *q, double seconds)
{
	return json_pack("{s:I s:I s:I s:I s:I s:f s:f s:I}",
			 "packets", (json_int_t)q->packets, "bytes", (json_int_t)q->bytes,
			 "ce_packets", (json_int_t)q->ce_packets,
			 "early_drops", (json_int_t)q->early_drops,
			 "limit_drops", (json_int_t)q->limit_drops,
			 "utilisation", mean(q->bytes, q->capacity_bytes),
			 "backlog_mean_bytes", q->backlog_byte_ns / (seconds * 1e9),
			 "backlog_max_bytes", (json_int_t)q->backlog_max_bytes);
}

static json_t *class_json(const char *name, const struct sim_class_stats *c)
{
	return json_pack("{s:s s:I s:f s:f s:f s:f s:I s:f}", "class", name,
			 "flows", (json_int_t)c->flows,
			 "fct_mean_us", mean(c->fct_sum_ns, c->flows) / 1e3,
			 "slowdown_mean", mean(c->slowdown_sum, c->flows),
			 "slowdown_p50", sim_slowdown_quantile(c, 0.5),
			 "slowdown_p99", sim_slowdown_quantile(c, 0.99),
			 "unfinished", (json_int_t)c->unfinished,
			 "unfinished_age_us", mean(c->unfinished_age_sum_ns, c->unfinished) / 1e3);
}

static double goodput_bps(const struct sim_result *r, int ecn, int class)
{
	return r->in_time.traffic[ecn][class].acked_bytes * 8 / r->seconds;
}

static json_t *traffic_json(const struct sim_result *r, int ecn, int class)
{
	const struct sim_traffic_stats *t = &r->flows.traffic[ecn][class];

	return json_pack("{s:s s:b s:I s:f s:f}", "class", class_names[class], "ecn", ecn,
			 "flows", (json_int_t)t->flows, "goodput_bps", goodput_bps(r, ecn, class),
			 "slowdown_mean", mean(t->slowdown_sum, t->flows));
}

json_t *sim_result_json(json_t *parameters, const struct sim_result *r)
{
	const struct sim_stage_stats all = total(r);
	const struct sim_flow_stats *f = &r->flows;
	json_t *queues = json_array(), *classes = json_array(), *traffic = json_array();

	for (unsigned int i = 0; i < r->n_queues; i++)
		json_array_append_new(queues, queue_json(&r->queue[i], r->seconds));
	for (int i = 0; i < SIM_CLASSES; i++)
		json_array_append_new(classes, class_json(class_names[i], &f->class[i]));
	for (int i = 0; i < 2 * SIM_CLASSES; i++)
		json_array_append_new(traffic, traffic_json(r, i / SIM_CLASSES, i % SIM_CLASSES));
	return json_pack("{s:o s:o s:o s:{s:I s:I s:I s:I s:I} s:o s:o s:o s:f}",
			 "parameters", parameters, "queue", queue_json(&all, r->seconds),
			 "queues", queues, "flows",
			 "started", (json_int_t)f->started, "finished", (json_int_t)f->finished,
			 "unfinished", (json_int_t)f->unfinished,
			 "retransmits", (json_int_t)f->retransmits,
			 "timeouts", (json_int_t)f->timeouts, "classes", classes,
			 "traffic", traffic, "queries", class_json("queries", &f->query),
			 "events", r->events);
}

static void print_class(const char *name, const struct sim_class_stats *c)
{
	if (!c->flows && !c->unfinished)
		return;
	printf("%-8s %9llu %13.1f %9.2f", name, (unsigned long long)c->flows,
	       mean(c->fct_sum_ns, c->flows) / 1e3, mean(c->slowdown_sum, c->flows));
	for (int i = 0; i < 2; i++) {
		const double q = sim_slowdown_quantile(c, i ? 0.99 : 0.5);

		if (q < 0)
			printf(" %9s", "-");
		else
			printf(" %9.2f", q);
	}
	printf(" %10llu\n", (unsigned long long)c->unfinished);
}

static void print_traffic(const struct sim_result *r, int ecn)
{
	double bps = 0, least = 0;

	for (int i = 0; i < SIM_CLASSES; i++)
		bps += goodput_bps(r, ecn, i);
	for (int i = 0; i < SIM_CLASSES - 1; i++)
		least += goodput_bps(r, ecn, i);
	if (bps > 0)
		printf("%-8s %.1f kbit/s of goodput, %.1f of them flows up to 1 MB\n", ecn_names[ecn],
		       bps / 1e3, least / 1e3);
}

void sim_result_print(const struct sim_result *r)
{
	const struct sim_stage_stats q = total(r);

	printf("queue: %.1f %% of the rate used, backlog %.0f bytes on average, %llu at most\n",
	       100 * mean(q.bytes, q.capacity_bytes), q.backlog_byte_ns / (r->seconds * 1e9),
	       (unsigned long long)q.backlog_max_bytes);
	printf("       %.3f %% of packets marked, %llu dropped early, %llu at the limit\n",
	       100 * mean(q.ce_packets, q.packets), (unsigned long long)q.early_drops,
	       (unsigned long long)q.limit_drops);
	printf("flows: %llu finished, %llu not; %llu packets sent again, %llu time-outs\n",
	       (unsigned long long)r->flows.finished, (unsigned long long)r->flows.unfinished,
	       (unsigned long long)r->flows.retransmits, (unsigned long long)r->flows.timeouts);
	printf("%-8s %9s %13s %9s %9s %9s %10s\n", "size", "flows", "mean fct us", "slowdown", "p50",
	       "p99", "unfinished");
	for (int i = 0; i < SIM_CLASSES; i++)
		print_class(class_names[i], &r->flows.class[i]);
	print_class("queries", &r->flows.query);
	for (int i = 0; i < 2; i++)
		print_traffic(r, i);
}
