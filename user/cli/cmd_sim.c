// SPDX-License-Identifier: GPL-2.0
/* sluice sim */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmd_sim_steer.h"
#include "cli/sim_show.h"

/* Numbers: where they are in the scenario. */
static const struct {
	const char *name;
	uint64_t min, max;
	size_t offset;
} numbers[] = {
#define X(name, min, max, def, text) { #name, min, max, offsetof(struct sim_scenario, name) },
	SIM_SCENARIO_NUMBERS(X)
#undef X
};

#define N_NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

/* What the command line said, and what it owns. */
struct request {
	struct sim_scenario scenario;
	const char *trace_path, *switch_path, *log_path;
	struct dist sizes, switch_sizes;
	struct link_trace trace;
};

/* One of n names; -1: it is none of them. */
static int word(const char *text, const char *(*name)(unsigned int), unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (!strcmp(text, name(i)))
			return (int)i;
	return -1;
}

static const char *cc_name(unsigned int i)
{
	return sim_cc_name(i);
}

static const char *network_name(unsigned int i)
{
	return sim_network_name(i);
}

/* A parameter that is no number: CLI_OK, an error that was reported, or -1: it is none. */
static int parse_word(const struct cli *cli, const char *name, const char *value, struct request *q)
{
	struct sim_scenario *c = &q->scenario;
	int i;

	if (!strcmp(name, "cc") || !strcmp(name, "other_cc")) {
		i = value ? word(value, cc_name, SIM_CC_MAX) : -1;
		if (i < 0)
			return cli_usage(cli, "%s must be reno, dctcp or cubic", name);
		*(name[0] == 'c' ? &c->cc : &c->other_cc) = i;
	} else if (!strcmp(name, "topology")) {
		i = value ? word(value, network_name, SIM_NETWORK_MAX) : -1;
		if (i < 0)
			return cli_usage(cli, "topology must be bottleneck, parking_lot or leaf_spine");
		c->topology = i;
	} else if (!strcmp(name, "link_trace") || !strcmp(name, "switch_sizes")) {
		if (!value)
			return cli_usage(cli, "%s needs a file", name);
		*(name[0] == 'l' ? &q->trace_path : &q->switch_path) = value;
	} else if (!strcmp(name, "flow_log")) {
		if (!value)
			return cli_usage(cli, "flow_log needs a file");
		q->log_path = value;
	} else {
		return -1;
	}
	return CLI_OK;
}

static int parse(const struct cli *cli, int argc, char **argv, struct request *q)
{
	int r;

	for (int a = 0; a < argc; a += 2) {
		const char *value = a + 1 < argc ? argv[a + 1] : NULL;
		size_t i = 0;

		r = parse_word(cli, argv[a], value, q);
		if (r > 0)
			return r;
		if (r == CLI_OK)
			continue;
		while (i < N_NUMBERS && strcmp(argv[a], numbers[i].name))
			i++;
		if (i == N_NUMBERS)
			return cli_usage(cli, "there is no parameter '%s'", argv[a]);
		if (!value || !cli_number(value, numbers[i].min, numbers[i].max,
					  (uint64_t *)((char *)&q->scenario + numbers[i].offset)))
			return cli_usage(cli, "%s must be %llu to %llu", numbers[i].name,
					 (unsigned long long)numbers[i].min,
					 (unsigned long long)numbers[i].max);
	}
	return CLI_OK;
}

static int read_files(const char *path, struct request *q, struct sl_err *e)
{
	int r = dist_read(path, &q->sizes, e);

	if (!r && q->switch_path)
		r = dist_read(q->switch_path, &q->switch_sizes, e);
	if (!r && q->trace_path)
		r = link_trace_read(q->trace_path, &q->trace, e);
	q->scenario.sizes = &q->sizes;
	q->scenario.switch_sizes = q->switch_path ? &q->switch_sizes : NULL;
	q->scenario.trace = q->trace_path ? &q->trace : NULL;
	return r;
}

static json_t *parameters_json(const struct request *q)
{
	const struct sim_scenario *c = &q->scenario;
	json_t *set = json_object();

	for (size_t i = 0; i < N_NUMBERS; i++)
		json_object_set_new(set, numbers[i].name, json_integer((json_int_t)
				    *(const uint64_t *)((const char *)c + numbers[i].offset)));
	json_object_set_new(set, "topology", json_string(sim_network_name(c->topology)));
	json_object_set_new(set, "cc", json_string(sim_cc_name(c->cc)));
	json_object_set_new(set, "other_cc", json_string(sim_cc_name(c->other_cc)));
	if (q->trace_path)
		json_object_set_new(set, "link_trace", json_string(q->trace_path));
	if (q->switch_path)
		json_object_set_new(set, "switch_sizes", json_string(q->switch_path));
	return set;
}

static void log_flow(void *file, const struct sim_flow_record *r)
{
	if (r->ended_ns)
		fprintf(file, "%llu\t%llu\t%llu\t%.3f\t%d\t%s\n", (unsigned long long)r->started_ns,
			(unsigned long long)r->bytes, (unsigned long long)(r->ended_ns - r->started_ns),
			r->slowdown, r->ecn, sim_cc_name(r->cc));
}

/* A line for each flow that finishes, in that order. */
static FILE *open_log(const char *path)
{
	FILE *f = fopen(path, "we");

	if (f)
		fprintf(f, "# start_ns\tbytes\tfct_ns\tslowdown\tecn\tcc\n");
	return f;
}

static int simulate(struct cli *cli, const struct request *q)
{
	const uint64_t ns = q->scenario.seconds * 1000000000ULL;
	struct sim_result result = { .seconds = q->scenario.seconds };
	struct sim_world w = { 0 };
	FILE *log = q->log_path ? open_log(q->log_path) : NULL;
	struct sl_err e;
	int r;

	if (q->log_path && !log)
		return cli_fail("%s: %s", q->log_path, strerror(errno));
	if (sim_world_build(&q->scenario, &w, &e)) {
		if (log)
			fclose(log);
		return cli_fail_err(&e);
	}
	if (log)
		sim_watch_flows(w.sim, log_flow, log);
	result.n_queues = w.topology.n_queues;
	result.queue = calloc(w.topology.n_queues, sizeof(*result.queue));
	r = result.queue ? sim_run(w.sim, ns) : -1;
	if (!r) {
		for (unsigned int i = 0; i < w.topology.n_queues; i++)
			sim_stage_read(w.sim, w.topology.queue[i], &result.queue[i]);
		sim_flow_read(w.sim, &result.in_time);
		/* What is under way may end, but nothing is counted of queues any more. */
		if (!q->scenario.endless)
			r = sim_run(w.sim, ns * 2 + 10000000000ULL);
		sim_flow_read(w.sim, &result.flows);
		result.events = sim_events(w.sim);
	}
	if (log && fclose(log))
		r = cli_fail("%s: %s", q->log_path, strerror(errno));
	else if (r)
		r = cli_fail("the simulation ended: out of memory");
	else if (cli->json)
		r = cli_print_json(sim_result_json(parameters_json(q), &result));
	else
		sim_result_print(&result);
	sim_world_free(&w);
	free(result.queue);
	return r;
}

int cmd_sim(struct cli *cli, int argc, char **argv)
{
	struct request q = { 0 };
	struct sl_err e;
	int r;

	if (argc && !strcmp(argv[0], "steer"))
		return cmd_sim_steer(cli, argc - 1, argv + 1);
	if (argc && !strcmp(argv[0], "validate"))
		return cmd_validate(cli, argc, argv);
	if (argc < 2 || strcmp(argv[0], "run"))
		return cli_usage(cli, argc && strcmp(argv[0], "run") ? "there is no 'sim %s'" :
				 "no file of flow sizes given", argc ? argv[0] : "");
	sim_scenario_default(&q.scenario);
	r = parse(cli, argc - 2, argv + 2, &q);
	if (!r && read_files(argv[1], &q, &e))
		r = cli_fail_err(&e);
	if (!r)
		r = simulate(cli, &q);
	dist_free(&q.sizes);
	dist_free(&q.switch_sizes);
	link_trace_free(&q.trace);
	return r;
}
