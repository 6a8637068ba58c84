// SPDX-License-Identifier: GPL-2.0
/* The plan's file: a table of keys for the parser of configurations, then what the lists mean. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/fits.h"
#include "lab/plan.h"
#include "lab/plan_priv.h"
#include "lib/config.h"
#include "policy/lab.h"

#define LIST_MAX	180	/* a line of the parser */
#define STATIC_GRID	"static:grid"
#define EPOCHS_MIN	20
#define EPOCH_S		0.05
#define KERNEL_RATE_MAX	200	/* Mbit/s that an emulated machine may carry */

struct raw {
	char name[PLAN_NAME_MAX], sizes[160];
	unsigned int executor, seed, trials, attempts, block, series, aa;
	bool fresh, virtual_time;
	double weight[FLOW_CLASSES], goodput;
	unsigned int endpoint;
	char class[16], candidate[LAB_POLICY_MAX], reference[LAB_POLICY_MAX];
	char workloads[2][LIST_MAX], more[2][LIST_MAX];
	char key[LAB_KEYS][LIST_MAX];
	char role[LAB_ROLES][LIST_MAX];
};

static const char *const executors[] = { "simulator", "kernel", "native", NULL };
static const char *const endpoints[] = {
	"J", "slowdown_mean", "fct_mean_us", "fct_p50_us", "fct_p99_us", "fct_p999_us", "goodput_bps",
	"latency_mean_us", "latency_p50_us", "latency_p99_us", "latency_p999_us",
	"cpu_ns_per_packet", "rr_mean_us", "rr_p50_us", "rr_p99_us", NULL
};

#define AT(field)	offsetof(struct raw, field), sizeof(((struct raw *)0)->field)
#define TEXT(s, k, d, f) { s, k, CONFIG_TEXT, 0, 0, d, "", "", NULL, NULL, AT(f) }
#define UINT(s, k, d, lo, hi, f) { s, k, CONFIG_UINT, lo, hi, d, "", "", NULL, NULL, AT(f) }
#define REAL(s, k, d, lo, hi, f) { s, k, CONFIG_REAL, lo, hi, d, "", "", NULL, NULL, AT(f) }
#define WORD(s, k, d, w, f) { s, k, CONFIG_WORD, 0, 0, d, "", "", w, NULL, AT(f) }

static const struct config_row rows[] = {
	TEXT("plan", "name", "", name),
	WORD("plan", "executor", "simulator", executors, executor),
	UINT("plan", "seed", "1", 0, 4294967295.0, seed),
	UINT("plan", "trials", "1", 1, 10000, trials),
	UINT("plan", "attempts", "3", 1, 100, attempts),
	UINT("plan", "block", "1", 1, 10000, block),
	UINT("plan", "series", "10", 0, 1000, series),
	UINT("plan", "aa", "0", 0, 1000, aa),
	{ "plan", "fresh", CONFIG_BOOL, 0, 0, "no", "", "", NULL, NULL, AT(fresh) },
	{ "plan", "virtual_time", CONFIG_BOOL, 0, 0, "no", "", "", NULL, NULL, AT(virtual_time) },
	TEXT("plan", "sizes", "", sizes),
	REAL("objective", "10k", "0.3", 0, 1000, weight[0]),
	REAL("objective", "100k", "0.3", 0, 1000, weight[1]),
	REAL("objective", "1m", "0.2", 0, 1000, weight[2]),
	REAL("objective", "large", "0.2", 0, 1000, weight[3]),
	REAL("objective", "goodput", "0.2", 0, 1000, goodput),
	WORD("endpoint", "metric", "J", endpoints, endpoint),
	TEXT("endpoint", "class", "", class),
	TEXT("endpoint", "candidate", "", candidate),
	TEXT("endpoint", "reference", "", reference),
	TEXT("workloads", "train", "", workloads[0]),
	TEXT("workloads", "test", "", workloads[1]),
	TEXT("workloads", "train_too", "", more[0]),
	TEXT("workloads", "test_too", "", more[1]),
	TEXT("configurations", "rate_mbps", "", key[LAB_RATE]),
	TEXT("configurations", "rtt_us", "", key[LAB_RTT]),
	TEXT("configurations", "seconds", "", key[LAB_SECONDS]),
	TEXT("configurations", "limit_bytes", "", key[LAB_LIMIT]),
	TEXT("configurations", "steer", "", key[LAB_STEER]),
	TEXT("configurations", "cpus", "", key[LAB_CPUS]),
	TEXT("configurations", "cpumap_qsize", "", key[LAB_QSIZE]),
	TEXT("configurations", "napi_budget", "", key[LAB_NAPI]),
	TEXT("configurations", "rx_ring", "", key[LAB_RING]),
	TEXT("policies", "default", "", role[LAB_DEFAULT]),
	TEXT("policies", "static", "", role[LAB_STATIC]),
	TEXT("policies", "baseline", "", role[LAB_BASELINE]),
	TEXT("policies", "learned", "", role[LAB_LEARNED]),
	TEXT("policies", "online", "", role[LAB_ONLINE]),
	TEXT("policies", "oracle", "", role[LAB_ORACLE]),
};

struct reading {
	struct plan plan;
	struct raw raw;
	struct lab_grid grid;
	const char *path;
	struct sl_err *e;
};

/* The line of the file on which a key stands; 0: it does not. */
static unsigned int line_of(const char *text, const char *section, const char *key)
{
	const size_t n = strlen(key);
	unsigned int line = 1;
	bool inside = false;

	for (const char *at = text; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL, line++) {
		at += strspn(at, " \t");
		if (*at == '[')
			inside = !strncmp(at + 1, section, strlen(section)) &&
				at[1 + strlen(section)] == ']';
		else if (inside && !strncmp(at, key, n) && strchr(" \t=:", at[n]) && at[n])
			return line;
	}
	return 0;
}

static int refuse(struct reading *r, const char *section, const char *key, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int refuse(struct reading *r, const char *section, const char *key, const char *format, ...)
{
	const unsigned int line = key ? line_of(r->plan.text, section, key) : 0;
	char text[330];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return line ? sl_err(r->e, -EINVAL, "%s:%u: %s", r->path, line, text) :
		sl_err(r->e, -EINVAL, "%s: %s", r->path, text);
}

/* Calls fn for every word of a list. */
static int each_word(struct reading *r, const char *section, const char *key, const char *list,
		     int (*fn)(struct reading *, const char *section, const char *key,
			       const char *word, int arg), int arg)
{
	char copy[LIST_MAX], *at = copy, *word;
	int error = 0;

	snprintf(copy, sizeof(copy), "%s", list);
	while (!error && (word = strsep(&at, " \t,")))
		if (*word)
			error = fn(r, section, key, word, arg);
	return error;
}

/* --- workloads ------------------------------------------------------------------------ */

static int add_workload(struct reading *r, const char *section, const char *key, const char *name,
			int test)
{
	struct plan *p = &r->plan;
	struct sl_err why = { "" };
	struct plan_workload *more;

	for (size_t i = 0; i < p->workloads; i++) {
		if (strcmp(p->workload[i].w.name, name))
			continue;
		return p->workload[i].test == !!test ?
			refuse(r, section, key, "the workload '%s' is there twice: its cells would be "
			       "the same; take one away", name) :
			refuse(r, section, key, "the workload '%s' is to train and to test: what was "
			       "held out must not be seen; take one away", name);
	}
	more = reallocarray(p->workload, p->workloads + 1, sizeof(*more));
	if (!more)
		return sl_err(r->e, -ENOMEM, "out of memory");
	p->workload = more;
	more[p->workloads].test = test;
	if (workload_find(name, r->raw.sizes, &more[p->workloads].w, &why))
		return refuse(r, section, key, "%.320s", why.text);
	if (p->executor == PLAN_NATIVE && !workload_is_native(&more[p->workloads].w))
		return refuse(r, section, key, "the workload '%s' needs a link with a rate, a delay or "
			      "marks, which the native lab has not: take it away, or say executor = "
			      "kernel", name);
	p->workloads++;
	return 0;
}

/* A name, or "family:NAME" for all of one. */
static int take_workload(struct reading *r, const char *section, const char *key, const char *word,
			 int test)
{
	const char *wanted = word + strlen("family:"), *name, *family;
	bool any = false;
	int error = 0;

	if (strncmp(word, "family:", strlen("family:")))
		return add_workload(r, section, key, word, test);
	for (size_t i = 0; !error && (name = workload_name(i, &family)); i++) {
		if (strcmp(family, wanted))
			continue;
		any = true;
		error = add_workload(r, section, key, name, test);
	}
	return any ? error : refuse(r, section, key, "there is no family '%s'; 'sluice lab list' has "
				    "each workload's", wanted);
}

static int take_workloads(struct reading *r)
{
	static const char *const key[2][2] = { { "train", "train_too" }, { "test", "test_too" } };
	int error = 0;

	for (int test = 0; test < 2; test++) {
		if (!error)
			error = each_word(r, "workloads", key[test][0], r->raw.workloads[test],
					  take_workload, test);
		if (!error)
			error = each_word(r, "workloads", key[test][1], r->raw.more[test],
					  take_workload, test);
	}
	if (!error && !r->plan.workloads)
		error = refuse(r, "workloads", NULL, "no workloads: the product is empty; name some "
			       "as 'train' and 'test' in [workloads]");
	return error;
}

/* --- policies ------------------------------------------------------------------------- */

static int add_policy(struct reading *r, const char *section, const char *key, const char *word,
		      int role)
{
	struct plan *p = &r->plan;
	struct sl_err why = { "" };
	struct plan_policy *more;

	for (size_t i = 0; i < p->policies; i++)
		if (!strcmp(p->policy[i].name, word))
			return refuse(r, section, key, "the policy '%s' is there twice: its cells "
				      "would be the same; take one away", word);
	more = reallocarray(p->policy, p->policies + 1, sizeof(*more));
	if (!more)
		return sl_err(r->e, -ENOMEM, "out of memory");
	p->policy = more;
	if (lab_policy_parse(word, role, p->executor, &more[p->policies].p, &why))
		return refuse(r, section, key, "%.320s", why.text);
	snprintf(more[p->policies].name, sizeof(more->name), "%s", word);
	p->policies++;
	return 0;
}

static int take_policy(struct reading *r, const char *section, const char *key, const char *word,
		       int role)
{
	char name[LAB_POLICY_MAX];
	int error = 0;

	if (strcmp(word, STATIC_GRID))
		return add_policy(r, section, key, word, role);
	for (unsigned int i = 0; !error && i < LAB_STEPS; i++) {
		snprintf(name, sizeof(name), "static:%.0f", lab_step_bytes(i));
		error = add_policy(r, section, key, name, role);
	}
	return error;
}

/* The one policy becomes so many of one and the same. */
static int copy_for_aa(struct reading *r)
{
	struct plan *p = &r->plan;
	struct plan_policy *all;
	int error = 0;

	if (p->policies != 1)
		return refuse(r, "plan", "aa", "an A/A plan has one policy, which it compares with "
			      "itself; this one names %zu: leave one", p->policies);
	all = calloc(p->aa, sizeof(*all));
	if (!all)
		return sl_err(r->e, -ENOMEM, "out of memory");
	for (unsigned int i = 0; !error && i < p->aa; i++) {
		all[i].p = p->policy[0].p;
		memset(&all[i].p.model, 0, sizeof(all[i].p.model));
		error = model_copy(&p->policy[0].p.model, &all[i].p.model);
		snprintf(all[i].name, sizeof(all[i].name), "%.80s#%u", p->policy[0].name, i + 1);
	}
	lab_policy_free(&p->policy[0].p);
	free(p->policy);
	p->policy = all;
	p->policies = p->aa;
	return error ? sl_err(r->e, error, "out of memory") : 0;
}

static int take_policies(struct reading *r)
{
	int error = 0;

	for (int i = 0; !error && i < LAB_ROLES; i++)
		error = each_word(r, "policies", lab_role_name(i), r->raw.role[i], take_policy, i);
	if (!error && !r->plan.policies)
		error = refuse(r, "policies", NULL, "no policies: the product is empty; name some in "
			       "[policies]");
	if (!error && r->plan.fresh && !r->plan.aa)
		error = refuse(r, "plan", "fresh", "policies that are compared must have the same "
			       "arrivals: fresh is for A/A plans alone");
	if (!error && r->plan.aa == 1)
		error = refuse(r, "plan", "aa", "an A/A plan needs two copies or more");
	return !error && r->plan.aa ? copy_for_aa(r) : error;
}

/* --- configurations --------------------------------------------------------------------- */

static int take_configurations(struct reading *r)
{
	struct sl_err why = { "" };
	struct plan *p = &r->plan;

	for (int k = 0; k < LAB_KEYS; k++) {
		const char *name = lab_key_rows[k].name;

		if (!line_of(p->text, "configurations", name))
			continue;
		if (lab_grid_set(&r->grid, k, r->raw.key[k], &why))
			return refuse(r, "configurations", name, "%.320s", why.text);
		if (!lab_key_rows[k].in[p->executor])
			return refuse(r, "configurations", name, "%s is nothing that the %s has: take it "
				      "away, or say executor = %s", name,
				      p->executor == PLAN_SIMULATOR ? "simulator" : p->executor ==
				      PLAN_KERNEL ? "kernel lab" : "native lab", k == LAB_RING ? "native" :
				      "kernel");
	}
	if (lab_grid_expand(&r->grid, p->executor, PLAN_RUNS_MAX, &p->configuration,
			    &p->configurations, &why))
		return refuse(r, "configurations", NULL, "%.320s", why.text);
	return 0;
}

/* What no run could do. */
static int check_configuration(struct reading *r, const struct lab_configuration *c)
{
	const struct plan *p = &r->plan;
	const double epoch_s = fmax(EPOCH_S, 20 * c->value[LAB_RTT] / 1e6);

	if (p->executor == PLAN_SIMULATOR && c->value[LAB_SECONDS] < EPOCHS_MIN * epoch_s)
		return refuse(r, "configurations", "seconds", "%g s are less than %d intervals at "
			      "rtt_us = %g, in which policies decide: make it %g or more",
			      c->value[LAB_SECONDS], EPOCHS_MIN, c->value[LAB_RTT],
			      ceil(EPOCHS_MIN * epoch_s));
	if (p->executor == PLAN_KERNEL && c->value[LAB_RATE] > KERNEL_RATE_MAX)
		return refuse(r, "configurations", "rate_mbps", "the emulated machine of the kernel "
			      "lab does not carry %g Mbit/s: make it %d or less", c->value[LAB_RATE],
			      KERNEL_RATE_MAX);
	for (size_t i = 0; i < p->policies; i++) {
		const struct lab_policy *q = &p->policy[i].p;

		if (q->means == LAB_THRESHOLD && q->triple.qth_min >= c->value[LAB_LIMIT])
			return refuse(r, "policies", "static", "%s never marks in a queue of "
				      "limit_bytes = %.0f: make the limit larger, or take it away",
				      q->name, c->value[LAB_LIMIT]);
	}
	return 0;
}

/* --- policies that are made -------------------------------------------------------------- */

/* What they are made for is the world's own J (user/policy/world.h). */
static bool has_default_weights(const struct objective *o)
{
	return o->class[0] == 0.3 && o->class[1] == 0.3 && o->class[2] == 0.2 &&
	       o->class[3] == 0.2 && o->goodput == 0.2;
}

static int check_fits(struct reading *r)
{
	const struct plan *p = &r->plan;
	const struct lab_policy *q = NULL;

	for (size_t i = 0; i < p->policies; i++)
		q = *p->policy[i].p.fit ? &p->policy[i].p : q;
	if (!q)
		return 0;
	if (!has_default_weights(&p->objective))
		return refuse(r, "policies", lab_role_name(q->role), "%s is made by the J of 0.3, 0.3, 0.2, "
			      "0.2 and goodput 0.2, and would be judged by another: take [objective] or the "
			      "policy away", q->name);
	for (unsigned int i = 0; i < p->workloads; i++)
		if (!fits_possible(p, i))
			return refuse(r, "policies", lab_role_name(q->role), "%s is made from families that "
				      "it does not run on, and there is none beside '%s': name workloads of "
				      "another one", q->name, p->workload[i].w.family);
	return 0;
}

/* --- the rest --------------------------------------------------------------------------- */

static bool has_policy(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->policies; i++)
		if (!strcmp(p->policy[i].name, name))
			return true;
	return false;
}

static int check_class(struct reading *r)
{
	const char *metric = r->plan.endpoint;
	const bool needs = !strncmp(metric, "fct_", 4) || !strncmp(metric, "slowdown", 8);

	for (unsigned int c = 0; needs && c <= FLOW_CLASSES; c++)
		if (!strcmp(flow_class_name(c), r->plan.endpoint_class))
			return 0;
	if (needs)
		return refuse(r, "endpoint", "metric", "%s is of a class of flows: say class = 10k, "
			      "100k, 1m, large or all in [endpoint]", metric);
	return *r->plan.endpoint_class ? refuse(r, "endpoint", "class", "%s has no classes of flows: "
						"take 'class' away", metric) : 0;
}

static int check_endpoint(struct reading *r)
{
	const struct plan *p = &r->plan;
	size_t test = 0, fixed = 0;
	bool families = false;

	for (size_t i = 0; i < p->workloads; i++) {
		test += p->workload[i].test;
		families |= strcmp(p->workload[i].w.family, p->workload[0].w.family) != 0;
	}
	for (size_t i = 0; i < p->policies; i++)
		fixed += p->policy[i].p.role == LAB_STATIC;
	if (p->aa)
		return 0;
	if (!*p->candidate || !*p->reference)
		return refuse(r, "endpoint", NULL, "the one primary endpoint is missing: name two "
			      "policies as 'candidate' and 'reference' in [endpoint]");
	if (!has_policy(p, p->candidate))
		return refuse(r, "endpoint", "candidate", "the candidate '%s' is none of the plan's "
			      "policies: name it in [policies], too", p->candidate);
	if (!strcmp(p->candidate, p->reference))
		return refuse(r, "endpoint", "reference", "'%s' is compared with itself: name another "
			      "reference, or make it an A/A plan (aa in [plan])", p->candidate);
	if (!strcmp(p->reference, "best-static")) {
		if (fixed < 2 || (test == p->workloads && !families))
			return refuse(r, "endpoint", "reference", "best-static is the best of several "
				      "static policies on workloads to train, or of other families: the "
				      "plan needs two, and some of these");
	} else if (!has_policy(p, p->reference)) {
		return refuse(r, "endpoint", "reference", "the reference '%s' is neither one of the "
			      "plan's policies nor best-static", p->reference);
	}
	if (!test)
		return refuse(r, "workloads", "train", "no workload is held out, so the primary "
			      "endpoint has nothing to be measured on: name some as 'test'");
	return check_class(r);
}

static int check_objective(struct reading *r)
{
	double sum = 0;

	for (int c = 0; c < FLOW_CLASSES; c++)
		sum += r->plan.objective.class[c];
	return sum > 0 ? 0 : refuse(r, "objective", "10k", "all weights of sizes are 0: J would be "
				    "of goodput alone; give one a weight");
}

static int read_text(struct reading *r)
{
	FILE *f = fopen(r->path, "re");
	char *text = NULL;
	size_t room = 0;
	ssize_t n;

	if (!f)
		return sl_err(r->e, -errno, "cannot read the plan %s: %s", r->path, strerror(errno));
	n = getdelim(&text, &room, '\0', f);
	fclose(f);
	if (n <= 0) {
		free(text);
		return sl_err(r->e, -EINVAL, "the plan %s is empty or no file; Documentation/lab.md "
			      "has one", r->path);
	}
	r->plan.text = text;
	return 0;
}

static void take_scalars(struct reading *r)
{
	const struct raw *raw = &r->raw;
	struct plan *p = &r->plan;
	const char *file = strrchr(r->path, '/');

	snprintf(p->name, sizeof(p->name), "%.63s", *raw->name ? raw->name : file ? file + 1 : r->path);
	p->executor = raw->executor;
	p->seed = raw->seed;
	p->trials = raw->trials;
	p->attempts_max = raw->attempts;
	p->block = raw->block;
	p->series = raw->series;
	p->aa = raw->aa;
	p->fresh = raw->fresh;
	p->virtual_time = raw->virtual_time;
	memcpy(p->objective.class, raw->weight, sizeof(raw->weight));
	p->objective.goodput = raw->goodput;
	snprintf(p->endpoint, sizeof(p->endpoint), "%s", endpoints[raw->endpoint]);
	snprintf(p->endpoint_class, sizeof(p->endpoint_class), "%s", raw->class);
	snprintf(p->candidate, sizeof(p->candidate), "%s", raw->candidate);
	snprintf(p->reference, sizeof(p->reference), "%s", raw->reference);
}

static int check_clock(struct reading *r)
{
	return !r->plan.virtual_time || r->plan.executor == PLAN_KERNEL ? 0 :
		refuse(r, "plan", "virtual_time", "the simulator has no other time than its own: take it "
		       "away, or say executor = kernel");
}

static int take(struct reading *r)
{
	int error = config_load(r->path, rows, sizeof(rows) / sizeof(rows[0]), &r->raw,
				sizeof(r->raw), r->e);

	if (error)
		return error;
	take_scalars(r);
	error = check_clock(r);
	if (!error)
		error = check_objective(r);
	if (!error)
		error = take_workloads(r);
	if (!error)
		error = take_policies(r);
	if (!error)
		error = take_configurations(r);
	for (size_t i = 0; !error && i < r->plan.configurations; i++)
		error = check_configuration(r, &r->plan.configuration[i]);
	if (!error)
		error = check_fits(r);
	if (!error)
		error = check_endpoint(r);
	if (!error && plan_runs(&r->plan) > PLAN_RUNS_MAX)
		error = refuse(r, "plan", "trials", "%zu workloads x %zu configurations x %zu policies "
			       "x %u trials are %zu runs, more than %d: name fewer",
			       r->plan.workloads, r->plan.configurations, r->plan.policies,
			       r->plan.trials, plan_runs(&r->plan), PLAN_RUNS_MAX);
	return error ? error : plan_hash(&r->plan, r->e);
}

int plan_read(const char *path, struct plan *ret, struct sl_err *e)
{
	struct reading *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return sl_err(e, -ENOMEM, "out of memory");
	r->path = path;
	r->e = e;
	error = read_text(r);
	if (!error)
		error = take(r);
	if (error)
		plan_free(&r->plan);
	else
		*ret = r->plan;
	free(r);
	return error;
}
