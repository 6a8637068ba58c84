// SPDX-License-Identifier: GPL-2.0
/* sluice sim steer: one workload and one policy on simulated CPUs. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmd_sim_steer.h"
#include "policy/steer_workloads.h"

/* X(name, minimum, maximum, default, text): what can be set, as "name value". */
#define STEER_PARAMS(X)								\
	X(load, 0.01, 3, 0.8, "of what the CPUs can do, steering included")	\
	X(seconds, 0.1, 100000, 10, "simulated, and counted")			\
	X(warmup, 0, 100000, 2, "seconds before that")				\
	X(interval_ms, 1, 60000, 250, "between decisions")			\
	X(stale, 0, 16, 0, "intervals that loads are old")			\
	X(seed, 0, 0xffffffff, 1, "of all random numbers")			\
	X(cpus, 0, 128, 0, "CPUs; 0: as the workload has them")			\
	X(rxqs, 0, 128, 0, "RX queues; 0: as the workload has them")		\
	X(ring, 8, 1048576, SLUICE_CPUMAP_QSIZE, "packets of a CPU's ring")	\
	X(hold, 0, 1, 1, "whether moves keep the order of packets")		\
	X(stack_ns, 0, 1e6, 5000, "a packet through the stack")			\
	X(guard, 0, 1, 1, "whether the daemon's guard limits moves")		\
	X(train, 0, 1e6, 0, "seconds that the agent learns first, with other seeds")

enum {
#define X(name, min, max, def, text) PARAM_##name,
	STEER_PARAMS(X)
#undef X
	PARAM_MAX,
};

static const struct {
	const char *name;
	double min, max, def;
} params[PARAM_MAX] = {
#define X(name, min, max, def, text) { #name, min, max, def },
	STEER_PARAMS(X)
#undef X
};

static const struct {
	const char *name;
	double min, max;
	size_t at;
} tunables[] = {
#define X(name, def, min, max, text) { #name, min, max, offsetof(struct steer_tuning, name) },
	STEER_TUNABLES(X)
#undef X
};
#define TUNABLES (sizeof(tunables) / sizeof(tunables[0]))

struct request {
	struct steer_workload workload;
	const struct steer_policy_ops *ops;
	double value[PARAM_MAX];
	struct steer_policy_config config;
	const char *sizes_path, *capture_path;
	struct dist sizes;
	struct cpus_capture capture;
	struct steer_env_params env;
};

static int parse_one(const struct cli *cli, struct request *q, const char *name, const char *text)
{
	if (!strcmp(name, "sizes") && text) {
		q->sizes_path = text;
		return CLI_OK;
	}
	if (!strcmp(name, "capture") && text) {
		q->capture_path = text;
		return CLI_OK;
	}
	for (int i = 0; i < PARAM_MAX; i++) {
		if (strcmp(name, params[i].name))
			continue;
		if (!text || !cli_decimal(text, params[i].min, params[i].max, &q->value[i]))
			return cli_usage(cli, "%s must be %g to %g", name, params[i].min,
					 params[i].max);
		return CLI_OK;
	}
	for (size_t i = 0; i < TUNABLES; i++) {
		if (strcmp(name, tunables[i].name))
			continue;
		if (!text || !cli_decimal(text, tunables[i].min, tunables[i].max,
				      (double *)((char *)&q->config.tuning + tunables[i].at)))
			return cli_usage(cli, "%s must be %g to %g", name, tunables[i].min,
					 tunables[i].max);
		return CLI_OK;
	}
	return cli_usage(cli, "there is no parameter '%s', or it has no value", name);
}

static int parse(const struct cli *cli, int argc, char **argv, struct request *q)
{
	struct sl_err e;
	int r;

	q->workload.family = argv[0];
	q->ops = steer_policy_find(argv[1], &e);
	if (!q->ops)
		return cli_usage(cli, "%s", e.text);
	for (int i = 0; i < PARAM_MAX; i++)
		q->value[i] = params[i].def;
	steer_policy_config_default(&q->config);
	for (int a = 2; a < argc; a += 2) {
		r = parse_one(cli, q, argv[a], argv[a + 1]);
		if (r)
			return r;
	}
	q->workload.load = q->value[PARAM_load];
	return CLI_OK;
}

static void set_machine(struct request *q)
{
	struct cpus_params *c = &q->env.cpus;
	const double cpus = q->value[PARAM_cpus], rxqs = q->value[PARAM_rxqs];

	/* The load stays what it is by CPU. */
	if (cpus > 0) {
		q->env.traffic.rate_pps *= floor(cpus) / c->n_cpus;
		c->n_cpus = (unsigned int)cpus;
	}
	if (rxqs > 0)
		c->n_rxqs = (unsigned int)rxqs;
	for (unsigned int i = 0; i < CPUS_RSS_SLOTS; i++)
		c->rss_table[i] = (uint8_t)(i % c->n_rxqs);
}

static int prepare(struct request *q, struct sl_err *e)
{
	struct steer_env_params *p = &q->env;
	int r = 0;

	steer_env_params_default(p);
	p->interval_s = q->value[PARAM_interval_ms] / 1e3;
	p->warmup = (unsigned int)ceil(q->value[PARAM_warmup] / p->interval_s);
	p->stale = (unsigned int)q->value[PARAM_stale];
	p->cpus.ring_pkts = (uint32_t)q->value[PARAM_ring];
	p->cpus.costs.stack_ns = q->value[PARAM_stack_ns];
	if (!(q->value[PARAM_hold] > 0))
		p->cpus.config.flags |= SLUICE_STEER_F_NO_HOLD;
	if (!(q->value[PARAM_guard] > 0)) {
		p->refuse_losing = false;
		p->changes_per_s = p->moves_per_epoch = 1000000;
	}
	if (q->sizes_path)
		r = dist_read(q->sizes_path, &q->sizes, e);
	if (!r && q->capture_path)
		r = cpus_capture_read(q->capture_path, &q->capture, e);
	if (!r)
		r = steer_workload_fill(&q->workload, q->sizes_path ? &q->sizes : NULL,
					q->capture_path ? &q->capture : NULL, p, e);
	if (!r)
		set_machine(q);
	return r;
}

/*
 * The agent learns on the same workload with other seeds, ten seconds at a time, and then only
 * acts.
 */
static int train(struct request *q, struct steer_policy *p, struct sl_err *e)
{
	const unsigned int intervals = (unsigned int)ceil(10 / q->env.interval_s);
	struct steer_env_params env = q->env;
	struct steer_outcome o;
	int r = 0;

	env.warmup = 0;
	for (double done = 0; done < q->value[PARAM_train] && !r; done += 10) {
		steer_agent_restart(steer_policy_agent(p));
		r = steer_env_run(&env, (uint64_t)(q->value[PARAM_seed] + 1e9 + done), p, intervals,
				  &o, e);
	}
	return r;
}

static int run(struct request *q, struct steer_outcome *o, struct sl_err *e)
{
	const unsigned int counted =
		(unsigned int)ceil(q->value[PARAM_seconds] / q->env.interval_s);
	struct steer_policy *p, *learner = NULL;
	void *blob = NULL;
	size_t size;
	int r;

	q->config.seed = q->config.agent.seed = (uint64_t)q->value[PARAM_seed];
	q->config.agent.explore = q->value[PARAM_train] > 0;
	r = steer_policy_new(q->ops, &q->config, &p, e);
	if (r)
		return r;
	if (steer_policy_agent(p) && q->value[PARAM_train] > 0) {
		learner = p;
		p = NULL;
		q->config.agent.explore = q->config.agent.learn = false;
		r = train(q, learner, e);
		if (!r)
			r = steer_policy_new(q->ops, &q->config, &p, e);
		if (!r && (r = steer_agent_save(steer_policy_agent(learner), &blob, &size)) >= 0)
			r = steer_agent_load(steer_policy_agent(p), blob, size);
		free(blob);
	}
	if (!r)
		r = steer_env_run(&q->env, (uint64_t)q->value[PARAM_seed], p,
				  q->env.warmup + counted, o, e);
	steer_policy_free(p);
	steer_policy_free(learner);
	return r;
}

static int show_json(const struct request *q, const struct steer_outcome *o)
{
	json_t *set = json_object(), *util = json_array();

	for (int i = 0; i < PARAM_MAX; i++)
		json_object_set_new(set, params[i].name, json_real(q->value[i]));
	for (size_t i = 0; i < TUNABLES; i++)
		json_object_set_new(set, tunables[i].name, json_real(*(const double *)
				    ((const char *)&q->config.tuning + tunables[i].at)));
	for (unsigned int i = 0; i < q->env.cpus.n_cpus; i++)
		json_array_append_new(util, json_real(o->util[i]));
	return cli_print_json(json_pack(
		"{s:s s:s s:o s:f s:f s:{s:f s:f s:f s:f} s:f s:f s:f s:f s:f s:I s:o s:f s:o}",
		"workload", q->workload.family, "policy", q->ops->name, "parameters", set,
		"seconds", o->seconds, "packets", o->packets, "sojourn_us", "mean", o->mean_us,
		"p50", o->p50_us, "p99", o->p99_us, "p999", o->p999_us,
		"dropped_share", o->dropped, "reordered_share", o->reordered,
		"cold_share", o->cold, "moves_per_s", o->moves_per_s,
		"refused_per_s", o->refused_per_s, "moves_forced", (json_int_t)o->moves_forced,
		"reward", isnan(o->reward) ? json_null() : json_real(o->reward),
		"cost_us", o->cost_us, "utilisation", util));
}

static void show_text(const struct request *q, const struct steer_outcome *o)
{
	printf("%s at %.0f %% by %s: %.0f packets in %.1f s\n", q->workload.family,
	       100 * q->workload.load, q->ops->name, o->packets, o->seconds);
	printf("sojourn: mean %.1f us, p50 %.1f, p99 %.1f, p99.9 %.1f; cost %.1f us\n", o->mean_us,
	       o->p50_us, o->p99_us, o->p999_us, o->cost_us);
	printf("packets: %.4f %% dropped, %.4f %% overtaken, %.4f %% on another CPU than before\n",
	       100 * o->dropped, 100 * o->reordered, 100 * o->cold);
	printf("moves:   %.2f a second, %.2f refused, %llu forced\n", o->moves_per_s,
	       o->refused_per_s, (unsigned long long)o->moves_forced);
	if (!isnan(o->reward))
		printf("reward:  %.4f on average\n", o->reward);
	printf("CPUs:   ");
	for (unsigned int i = 0; i < q->env.cpus.n_cpus; i++)
		printf(" %.1f", 100 * o->util[i]);
	printf(" %% used\n");
}

static int list(const struct cli *cli)
{
	static const struct { const char *name, *text; } families[] = {
#define X(name, text) { #name, text },
		STEER_FAMILIES(X)
#undef X
	};
	json_t *w = json_object(), *p = json_object();

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		json_object_set_new(w, families[i].name, json_string(families[i].text));
	for (size_t i = 0; i < steer_policies_n; i++)
		json_object_set_new(p, steer_policies[i]->name,
				    json_string(steer_policies[i]->text));
	if (cli->json)
		return cli_print_json(json_pack("{s:o s:o}", "workloads", w, "policies", p));
	json_decref(w);
	json_decref(p);
	printf("workloads:\n");
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		printf("  %-11s %s\n", families[i].name, families[i].text);
	printf("policies:\n");
	for (size_t i = 0; i < steer_policies_n; i++)
		printf("  %-11s %s\n", steer_policies[i]->name, steer_policies[i]->text);
	return CLI_OK;
}

int cmd_sim_steer(struct cli *cli, int argc, char **argv)
{
	static struct request q;
	struct steer_outcome o;
	struct sl_err e = { "" };
	int r;

	if (argc == 1 && !strcmp(argv[0], "list"))
		return list(cli);
	if (argc < 2)
		return cli_usage(cli, "no workload and policy given; 'sim steer list' shows them");
	r = parse(cli, argc, argv, &q);
	if (r)
		return r;
	r = prepare(&q, &e);
	if (!r)
		r = run(&q, &o, &e);
	if (r)
		r = cli_fail("%s", e.text[0] ? e.text : strerror(-r));
	else if (cli->json)
		r = show_json(&q, &o);
	else
		show_text(&q, &o);
	dist_free(&q.sizes);
	cpus_capture_free(&q.capture);
	return r;
}
