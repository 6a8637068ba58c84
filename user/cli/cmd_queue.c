// SPDX-License-Identifier: GPL-2.0
/*
 * "sluice queue": knobs and counters of the sluice qdiscs, and of those that stand in for them,
 * straight from the kernel.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/queue_flows.h"
#include "cli/queue_stock.h"
#include "lib/hist.h"
#include "lib/qdisc.h"

#define PAIRS_MAX 16

static const char *source_name(__u32 source)
{
	static const char *const names[] = {
		[SLUICE_SRC_BASELINE] = "baseline",
		[SLUICE_SRC_LEARNED] = "learned",
		[SLUICE_SRC_HOLD] = "hold",
		[SLUICE_SRC_TREE] = "tree",
	};

	return source < sizeof(names) / sizeof(names[0]) ? names[source] : "unknown";
}

/* Over the time with a backlog: how long the qdisc has existed is not told. */
static double average_backlog(const struct sluice_qdisc_stats *s)
{
	return s->backlogged_ns ? (double)s->backlog_byte_us / ((double)s->backlogged_ns / 1e3) : 0;
}

static json_t *quantile_json(const struct sluice_qdisc_stats *s, double q)
{
	double ns = hist_quantile_ns(s->sojourn_hist, NULL, q);

	return ns < 0 ? json_null() : json_integer((json_int_t)ns);
}

static json_t *mean_json(const struct sluice_qdisc_stats *s)
{
	if (!s->sojourn_samples)
		return json_null();
	return json_integer((json_int_t)(s->sojourn_sum_ns / s->sojourn_samples));
}

static json_t *knob_json(const struct qdisc_id *id, const char *knob)
{
	__u32 v;

	return qdisc_read_knob(id, knob, &v, NULL) < 0 ? json_null() : json_integer(v);
}

/* null where there was none yet. */
static json_t *epoch_json(const struct sluice_qdisc_epoch *e)
{
	json_t *o;

	if (!e->since_ns)
		return json_null();
	o = json_pack("{s:s}", "source", source_name(e->source));
#define PUT(name) json_object_set_new(o, #name, json_integer((json_int_t)e->name))
	PUT(generation);
	PUT(since_ns);
	PUT(elapsed_ns);
	PUT(packets);
	PUT(bytes);
	PUT(ce_packets);
	PUT(ce_bytes);
	PUT(drops);
	PUT(backlog_byte_us);
	PUT(backlogged_ns);
	PUT(backlog_max_bytes);
#undef PUT
	return o;
}

static json_t *sample_json(const struct qdisc_sample *q, const json_t *controlled)
{
	const struct sluice_qdisc_stats *s = &q->stats;
	char handle[16];
	json_t *o;

	snprintf(handle, sizeof(handle), "%x:", q->handle >> 16);
	o = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I,"
		      " s:{s:I, s:I, s:I}, s:I, s:I, s:I, s:I}",
		      "dev", q->id.ifname, "parent", q->id.parent, "handle", handle,
		      "source", source_name(s->source), "qth_min", (json_int_t)s->qth_min,
		      "qth_max", (json_int_t)s->qth_max, "max_p", (json_int_t)s->max_p,
		      "baseline", "qth_min", (json_int_t)s->base_qth_min, "qth_max",
		      (json_int_t)s->base_qth_max, "max_p", (json_int_t)s->base_max_p,
		      "generation", (json_int_t)s->generation, "lease_ms", (json_int_t)s->lease_ms,
		      "lease_expired", (json_int_t)s->lease_expired,
		      "manual_gen", (json_int_t)s->manual_gen);
	if (!o)
		return NULL;
	json_object_set_new(o, "backend", json_string(ecn_backend(q->backend)->name));
#define PUT(name) json_object_set_new(o, #name, json_integer((json_int_t)s->name))
	PUT(limit_bytes);
	PUT(limit_pkts);
	json_object_set_new(o, "drop_non_ect", knob_json(&q->id, "drop_non_ect"));
	json_object_set_new(o, "hold", knob_json(&q->id, "hold"));
	json_object_set_new(o, "sojourn", knob_json(&q->id, "sojourn"));
	json_object_set_new(o, "tree_interval_ms", knob_json(&q->id, "tree_interval_ms"));
	json_object_set_new(o, "mark_dequeue", knob_json(&q->id, "mark_dequeue"));
	json_object_set_new(o, "packet_mode", knob_json(&q->id, "packet_mode"));
	json_object_set_new(o, "ce_threshold_us", knob_json(&q->id, "ce_threshold_us"));
	PUT(tree_generation);
	PUT(tree_lease_ms);
	PUT(tree_lease_expired);
	PUT(tree_evaluations);
	PUT(time_ns);
	PUT(packets);
	PUT(bytes);
	PUT(ce_packets);
	PUT(ce_bytes);
	PUT(ce_sojourn_packets);
	PUT(ce_sojourn_bytes);
	PUT(early_drops);
	PUT(limit_drops);
	PUT(backlog_bytes);
	PUT(backlog_packets);
	PUT(backlog_max_bytes);
	PUT(backlog_byte_us);
	PUT(backlogged_ns);
	json_object_set_new(o, "avg_backlog_bytes", json_real(average_backlog(s)));
	PUT(sojourn_samples);
#undef PUT
	json_object_set_new(o, "sojourn_mean_ns", mean_json(s));
	json_object_set_new(o, "sojourn_p50_ns", quantile_json(s, 0.50));
	json_object_set_new(o, "sojourn_p95_ns", quantile_json(s, 0.95));
	json_object_set_new(o, "sojourn_p99_ns", quantile_json(s, 0.99));
	queue_flows_json(queue_stock_find(controlled, q), o);
	json_object_set_new(o, "epoch", epoch_json(&s->epoch));
	json_object_set_new(o, "epoch_before", epoch_json(&s->epoch_before));
	return o;
}

static void print_duration(double ns)
{
	if (ns >= 1e9)
		printf("%.2fs", ns / 1e9);
	else if (ns >= 1e6)
		printf("%.2fms", ns / 1e6);
	else
		printf("%.1fus", ns / 1e3);
}

static void print_sojourn(const struct sluice_qdisc_stats *s)
{
	static const int percent[] = { 50, 95, 99 };
	size_t i;

	if (!s->sojourn_samples) {
		printf("  sojourn  no packet measured\n");
		return;
	}
	printf("  sojourn  mean ");
	print_duration((double)s->sojourn_sum_ns / (double)s->sojourn_samples);
	for (i = 0; i < sizeof(percent) / sizeof(percent[0]); i++) {
		printf(" p%d ", percent[i]);
		print_duration(hist_quantile_ns(s->sojourn_hist, NULL, percent[i] / 100.0));
	}
	printf(" (%llu samples)\n", (unsigned long long)s->sojourn_samples);
}

static void print_sample(const struct qdisc_sample *q, const json_t *controlled)
{
	const struct sluice_qdisc_stats *s = &q->stats;
	typedef unsigned long long ull;

	printf("%s %s (handle %x:) %s", q->id.ifname, q->id.parent, q->handle >> 16,
	       source_name(s->source));
	if (s->source == SLUICE_SRC_LEARNED)
		printf(" generation %u lease %u ms", s->generation, s->lease_ms);
	if (s->source == SLUICE_SRC_TREE)
		printf(" generation %u lease %u ms", s->generation, s->tree_lease_ms);
	printf("\n  in force qth_min %u qth_max %u max_p %u ppm\n", s->qth_min, s->qth_max,
	       s->max_p);
	printf("  baseline qth_min %u qth_max %u max_p %u ppm, written %u times, "
	       "leases expired %u\n",
	       s->base_qth_min, s->base_qth_max, s->base_max_p, s->manual_gen, s->lease_expired);
	if (s->tree_lease_ms || s->tree_evaluations)
		printf("  tree     generation %u lease %u ms, evaluated %llu times, "
		       "leases expired %u\n", s->tree_generation, s->tree_lease_ms,
		       (ull)s->tree_evaluations, s->tree_lease_expired);
	printf("  limit    %u bytes %u packets\n", s->limit_bytes, s->limit_pkts);
	printf("  sent     %llu bytes %llu packets\n", (ull)s->bytes, (ull)s->packets);
	printf("  marked   %llu bytes %llu packets (%llu for their waiting time), early drops %llu, "
	       "limit drops %llu\n", (ull)s->ce_bytes, (ull)s->ce_packets,
	       (ull)s->ce_sojourn_packets, (ull)s->early_drops, (ull)s->limit_drops);
	printf("  backlog  %llu bytes %llu packets, average while backlogged %.0f bytes, "
	       "maximum %llu bytes\n", (ull)s->backlog_bytes, (ull)s->backlog_packets,
	       average_backlog(s), (ull)s->backlog_max_bytes);
	print_sojourn(s);
	queue_flows_print(queue_stock_find(controlled, q), "  flows    ");
}

static bool selected(const struct qdisc_sample *q, int argc, char **argv)
{
	return (argc < 1 || !strcmp(q->id.ifname, argv[0])) &&
	       (argc < 2 || !strcmp(q->id.parent, argv[1]));
}

/* Nothing matched: say which part of the question was wrong. */
static int none_found(int argc, char **argv)
{
	struct qdisc_id id = { .parent = "root" };
	struct sl_err e;
	__u32 value;

	snprintf(id.ifname, sizeof(id.ifname), "%s", argv[0]);
	if (argc > 1)
		snprintf(id.parent, sizeof(id.parent), "%s", argv[1]);
	if (qdisc_read_knob(&id, "qth_min", &value, &e) < 0)
		return cli_fail_err(&e);
	return cli_fail("%s %s: the qdisc is being removed", id.ifname, id.parent);
}

static int show(struct cli *cli, int argc, char **argv)
{
	const struct qdisc_sample *samples;
	struct qdisc_reader *r;
	json_t *list = NULL, *controlled;
	struct sl_err e;
	size_t n, i, shown = 0;
	bool stock;

	if (qdisc_reader_new(&r, &e) < 0)
		return cli_fail_err(&e);
	qdisc_reader_stock(r, true);
	if (qdisc_read(r, &samples, &n, &e) < 0) {
		qdisc_reader_free(r);
		return cli_fail_err(&e);
	}
	controlled = queue_stock_controlled();
	if (cli->json)
		list = json_array();
	for (i = 0; i < n; i++) {
		stock = samples[i].backend != ECN_SLUICE;
		if (!selected(&samples[i], argc, argv) ||
		    (stock && !queue_stock_selected(controlled, &samples[i], argc > 0)))
			continue;
		if (stock && cli->json)
			json_array_append_new(list, queue_stock_json(controlled, &samples[i]));
		else if (stock)
			queue_stock_print(controlled, &samples[i]);
		else if (cli->json)
			json_array_append_new(list, sample_json(&samples[i], controlled));
		else
			print_sample(&samples[i], controlled);
		shown++;
	}
	json_decref(controlled);
	qdisc_reader_free(r);
	if (!shown && argc) {
		json_decref(list);
		return none_found(argc, argv);
	}
	return cli->json ? cli_print_json(list) : CLI_OK;
}

struct change {
	const char *knob;
	__u32 value, old;
};

static struct change *find_change(struct change *c, size_t n, const char *knob)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(c[i].knob, knob))
			return &c[i];
	return NULL;
}

/*
 * Orders qth_min and qth_max so that no state in between has min > max: the
 * maximum goes first unless it sinks below the minimum in force.
 */
static void order_thresholds(struct change *c, size_t n)
{
	struct change *min = find_change(c, n, "qth_min"), *max = find_change(c, n, "qth_max");
	struct change swap;
	bool max_first;

	if (!min || !max)
		return;
	max_first = max->value >= min->old;
	if (max_first != (max < min)) {
		swap = *min;
		*min = *max;
		*max = swap;
	}
}

/* Reads the words into c and checks all of them before anything is written. */
static int parse_changes(struct cli *cli, const struct qdisc_id *id, int argc, char **argv,
			 struct change *c, size_t *n)
{
	struct sl_err e;
	uint64_t value;
	int i;

	for (i = 0; i < argc; i += 2) {
		if (*n == PAIRS_MAX || find_change(c, *n, argv[i]))
			return cli_usage(cli, "%s is given twice", argv[i]);
		/* An unknown knob is said before a wrong value of it. */
		if (qdisc_check_knob(id, argv[i], 1514, &e) < 0 && strstr(e.text, "unknown knob"))
			return cli_fail_err(&e);
		if (!cli_number(argv[i + 1], 0, UINT32_MAX, &value))
			return cli_fail("%s %s: '%s' is not a number for %s", id->ifname,
					id->parent, argv[i + 1], argv[i]);
		c[*n].knob = argv[i];
		c[*n].value = (__u32)value;
		if (qdisc_check_knob(id, c[*n].knob, c[*n].value, &e) < 0 ||
		    qdisc_read_knob(id, c[*n].knob, &c[*n].old, &e) < 0)
			return cli_fail_err(&e);
		(*n)++;
	}
	return CLI_OK;
}

static int set(struct cli *cli, int argc, char **argv)
{
	struct change c[PAIRS_MAX], *min, *max;
	struct qdisc_id id = { "", "" };
	struct sl_err e;
	size_t n = 0, i;
	int r;

	if (argc < 4 || argc % 2)
		return cli_usage(cli, "queue set takes a device, a parent, and knobs with values");
	if (strlen(argv[0]) >= sizeof(id.ifname) || strlen(argv[1]) >= sizeof(id.parent) ||
	    strchr(argv[0], '/') || strchr(argv[1], '/'))
		return cli_fail("no sluice qdisc '%s %s'; 'sluice queue show' lists them", argv[0],
				argv[1]);
	strcpy(id.ifname, argv[0]);
	strcpy(id.parent, argv[1]);
	r = parse_changes(cli, &id, argc - 2, argv + 2, c, &n);
	if (r != CLI_OK)
		return r;
	min = find_change(c, n, "qth_min");
	max = find_change(c, n, "qth_max");
	if (min && max && min->value > max->value)
		return cli_fail("%s %s: qth_min %u exceeds qth_max %u", id.ifname, id.parent,
				min->value, max->value);
	order_thresholds(c, n);
	for (i = 0; i < n; i++)
		if (qdisc_write_knob(&id, c[i].knob, c[i].value, &e) < 0)
			break;
	if (i == n)
		return CLI_OK;
	/* The way back goes through the same valid states. */
	while (i--)
		qdisc_write_knob(&id, c[i].knob, c[i].old, NULL);
	return cli_fail("%s; nothing was changed", e.text);
}

int cmd_queue(struct cli *cli, int argc, char **argv)
{
	if (argc >= 1 && argc <= 3 && !strcmp(argv[0], "show"))
		return show(cli, argc - 1, argv + 1);
	if (argc >= 1 && !strcmp(argv[0], "set"))
		return set(cli, argc - 1, argv + 1);
	return cli_usage(cli, "queue is followed by show or set");
}
