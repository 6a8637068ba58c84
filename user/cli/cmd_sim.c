// SPDX-License-Identifier: GPL-2.0
/* sluice sim */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "sim/sim.h"

/* X(name, minimum, maximum, default, text): what can be set, as "name value". */
#define SIM_PARAMS(X)								\
	X(rate_kbps, 1, 400000000, 1000000, "of the bottleneck, in kbit/s")	\
	X(rtt_us, 1, 10000000, 1000, "of an empty path, in us")			\
	X(load_percent, 0, 300, 50, "of the rate that arrives as flows")	\
	X(endless, 0, 10000, 0, "flows that never end, beside them")		\
	X(seconds, 1, 100000, 10, "simulated; flows that arrive in them may end later")	\
	X(seed, 0, 0xffffffff, 1, "of all random numbers")			\
	X(qth_min, 0, 0x7fffffff, 60000, "bytes, as of the qdisc")		\
	X(qth_max, 0, 0x7fffffff, 180000, "bytes")				\
	X(max_p, 0, 1000000, 100000, "ppm")					\
	X(limit_bytes, 1514, 0x7fffffff, 4000000, "bytes")			\
	X(drop_non_ect, 0, 1, 0, "flag")					\
	X(ecn, 0, 1, 1, "whether senders are ECN-capable")			\
	X(dctcp, 0, 1, 1, "DCTCP, else Reno")

enum {
#define X(name, min, max, def, text) PARAM_##name,
	SIM_PARAMS(X)
#undef X
	PARAM_MAX,
};

static const struct {
	const char *name;
	uint64_t min, max, def;
} params[PARAM_MAX] = {
#define X(name, min, max, def, text) { #name, min, max, def },
	SIM_PARAMS(X)
#undef X
};

static const char *const class_names[SIM_CLASSES] = { "<=10KB", "<=100KB", "<=1MB", ">1MB" };

struct result {
	struct sim_flow_stats flows;
	struct sim_stage_stats queue;
	double seconds, events;
};

static int parse(const struct cli *cli, int argc, char **argv, uint64_t value[PARAM_MAX])
{
	for (int i = 0; i < PARAM_MAX; i++)
		value[i] = params[i].def;
	for (int a = 0; a < argc; a += 2) {
		int i = 0;

		while (i < PARAM_MAX && strcmp(argv[a], params[i].name))
			i++;
		if (i == PARAM_MAX)
			return cli_usage(cli, "there is no parameter '%s'", argv[a]);
		if (a + 1 == argc || !cli_number(argv[a + 1], params[i].min, params[i].max, &value[i]))
			return cli_usage(cli, "%s must be %llu to %llu", params[i].name,
					 (unsigned long long)params[i].min,
					 (unsigned long long)params[i].max);
	}
	if (value[PARAM_qth_min] > value[PARAM_qth_max])
		return cli_usage(cli, "qth_min must not be above qth_max");
	if (!value[PARAM_load_percent] && !value[PARAM_endless])
		return cli_usage(cli, "without load and endless flows there is nothing to simulate");
	return CLI_OK;
}

/* A bottleneck and a way back of half the round-trip time each; 0 or -errno. */
static int build(struct sim *s, const uint64_t v[PARAM_MAX], const struct dist *sizes)
{
	const double rate_bps = v[PARAM_rate_kbps] * 1e3;
	const struct sim_stage_params there = {
		.rate_bps = rate_bps, .delay_ns = v[PARAM_rtt_us] * 500,
		.limit_bytes = v[PARAM_limit_bytes], .drop_non_ect = v[PARAM_drop_non_ect],
		.aqm = { v[PARAM_qth_min], v[PARAM_qth_max], v[PARAM_max_p] },
	};
	const struct sim_stage_params back = { .delay_ns = v[PARAM_rtt_us] * 500 };
	const uint16_t stage[] = { 0, 1 };
	struct sim_flow_params flow = {
		.data_path = 0, .ack_path = 1, .bytes = UINT64_MAX,
		.cc = v[PARAM_dctcp] ? SIM_DCTCP : SIM_RENO, .ecn = v[PARAM_ecn],
	};
	struct sim_source_params source = {
		.flow = flow, .sizes = sizes, .until_ns = v[PARAM_seconds] * 1000000000ULL,
		.flows_per_s = v[PARAM_load_percent] / 100.0 * rate_bps / 8 / dist_mean(sizes),
	};
	int r;

	if ((r = sim_add_stage(s, &there)) < 0 || (r = sim_add_stage(s, &back)) < 0 ||
	    (r = sim_add_path(s, &stage[0], 1)) < 0 || (r = sim_add_path(s, &stage[1], 1)) < 0)
		return r;
	for (uint64_t i = 0; i < v[PARAM_endless]; i++)
		if ((r = sim_add_flow(s, &flow)) < 0)
			return r;
	return v[PARAM_load_percent] ? sim_add_source(s, &source) : 0;
}

static int simulate(const uint64_t v[PARAM_MAX], const struct dist *sizes, struct result *out)
{
	struct sim *s = sim_new(v[PARAM_seed]);
	const uint64_t ns = v[PARAM_seconds] * 1000000000ULL;
	int r = s ? build(s, v, sizes) : -1;

	if (r >= 0)
		r = sim_run(s, ns);
	if (r >= 0) {
		sim_stage_read(s, 0, &out->queue);
		out->seconds = ns / 1e9;
		/* What is under way may end, but nothing is counted of the queue any more. */
		if (!v[PARAM_endless])
			r = sim_run(s, ns * 2 + 10000000000ULL);
		sim_flow_read(s, &out->flows);
		out->events = sim_events(s);
	}
	sim_free(s);
	return r;
}

static double mean(double sum, uint64_t n)
{
	return n ? sum / n : 0;
}

static json_t *class_json(int i, const struct sim_class_stats *c)
{
	return json_pack("{s:s s:I s:f s:f s:f s:f}", "class", class_names[i],
			 "flows", (json_int_t)c->flows, "fct_mean_us",
			 mean(c->fct_sum_ns, c->flows) / 1e3,
			 "slowdown_mean", mean(c->slowdown_sum, c->flows),
			 "slowdown_p50", sim_slowdown_quantile(c, 0.5),
			 "slowdown_p99", sim_slowdown_quantile(c, 0.99));
}

static int show_json(const uint64_t v[PARAM_MAX], const struct result *r)
{
	const struct sim_stage_stats *q = &r->queue;
	json_t *set = json_object(), *classes = json_array();

	for (int i = 0; i < PARAM_MAX; i++)
		json_object_set_new(set, params[i].name, json_integer((json_int_t)v[i]));
	for (int i = 0; i < SIM_CLASSES; i++)
		json_array_append_new(classes, class_json(i, &r->flows.class[i]));
	return cli_print_json(json_pack(
		"{s:o s:{s:I s:I s:I s:I s:I s:f s:f s:I} s:{s:I s:I s:I s:I s:I} s:o s:f}",
		"parameters", set, "queue",
		"packets", (json_int_t)q->packets, "bytes", (json_int_t)q->bytes,
		"ce_packets", (json_int_t)q->ce_packets, "early_drops", (json_int_t)q->early_drops,
		"limit_drops", (json_int_t)q->limit_drops,
		"utilisation", q->bytes * 8 / (v[PARAM_rate_kbps] * 1e3 * r->seconds),
		"backlog_mean_bytes", q->backlog_byte_ns / (r->seconds * 1e9),
		"backlog_max_bytes", (json_int_t)q->backlog_max_bytes, "flows",
		"started", (json_int_t)r->flows.started, "finished", (json_int_t)r->flows.finished,
		"unfinished", (json_int_t)r->flows.unfinished,
		"retransmits", (json_int_t)r->flows.retransmits,
		"timeouts", (json_int_t)r->flows.timeouts, "classes", classes, "events", r->events));
}

static void show_text(const uint64_t v[PARAM_MAX], const struct result *r)
{
	const struct sim_stage_stats *q = &r->queue;

	printf("queue: %.1f %% of the rate used, backlog %.0f bytes on average, %llu at most\n",
	       100 * q->bytes * 8 / (v[PARAM_rate_kbps] * 1e3 * r->seconds),
	       q->backlog_byte_ns / (r->seconds * 1e9), (unsigned long long)q->backlog_max_bytes);
	printf("       %.3f %% of packets marked, %llu dropped early, %llu at the limit\n",
	       q->packets ? 100.0 * q->ce_packets / q->packets : 0,
	       (unsigned long long)q->early_drops, (unsigned long long)q->limit_drops);
	printf("flows: %llu finished, %llu not; %llu packets sent again, %llu time-outs\n",
	       (unsigned long long)r->flows.finished, (unsigned long long)r->flows.unfinished,
	       (unsigned long long)r->flows.retransmits, (unsigned long long)r->flows.timeouts);
	printf("%-8s %9s %13s %9s %9s %9s\n", "size", "flows", "mean fct us", "slowdown", "p50",
	       "p99");
	for (int i = 0; i < SIM_CLASSES; i++) {
		const struct sim_class_stats *c = &r->flows.class[i];

		if (c->flows)
			printf("%-8s %9llu %13.1f %9.2f %9.2f %9.2f\n", class_names[i],
			       (unsigned long long)c->flows, mean(c->fct_sum_ns, c->flows) / 1e3,
			       mean(c->slowdown_sum, c->flows), sim_slowdown_quantile(c, 0.5),
			       sim_slowdown_quantile(c, 0.99));
	}
}

int cmd_sim(struct cli *cli, int argc, char **argv)
{
	uint64_t value[PARAM_MAX];
	struct result result = { 0 };
	struct dist sizes;
	struct sl_err e;
	int r;

	if (argc < 2 || strcmp(argv[0], "run"))
		return cli_usage(cli, argc && strcmp(argv[0], "run") ? "there is no 'sim %s'" :
				 "no file of flow sizes given", argc ? argv[0] : "");
	r = parse(cli, argc - 2, argv + 2, value);
	if (r)
		return r;
	if (dist_read(argv[1], &sizes, &e))
		return cli_fail_err(&e);
	r = simulate(value, &sizes, &result);
	dist_free(&sizes);
	if (r < 0)
		return cli_fail("the simulation ended: out of memory");
	if (cli->json)
		return show_json(value, &result);
	show_text(value, &result);
	return CLI_OK;
}
