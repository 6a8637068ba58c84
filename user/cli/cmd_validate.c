// SPDX-License-Identifier: GPL-2.0
/* sluice sim validate */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "sim/closed.h"
#include "sim/ref_score.h"

#define CCS_MAX	16

/* One congestion control and its runs. */
struct group {
	char cc[REF_CC_LEN];
	unsigned int *shard;
	struct ref_outcome *outcome;
	size_t n, skipped;	/* those left out are of a congestion control that we do not have */
};

struct validation {
	struct group group[CCS_MAX];
	size_t n;
	struct sim_closed_form closed[SIM_CLOSED_FORMS];
};

struct options {
	uint64_t flows, runs, seed;
};

static const struct {
	const char *name;
	enum ref_part part;
} parts[] = { { NULL, REF_ALL }, { "fit", REF_EVEN }, { "held_out", REF_ODD } };

static int parse(const struct cli *cli, int argc, char **argv, struct options *o)
{
	const struct { const char *name; uint64_t min, max; uint64_t *value; } names[] = {
		{ "flows", 1, 1000000, &o->flows },
		{ "runs", 1, 1000000, &o->runs },
		{ "seed", 0, 0xffffffff, &o->seed },
	};

	*o = (struct options){ 1000000, 1000000, 1 };
	for (int a = 0; a < argc; a += 2) {
		size_t i = 0;

		while (i < 3 && strcmp(argv[a], names[i].name))
			i++;
		if (i == 3)
			return cli_usage(cli, "there is no parameter '%s'", argv[a]);
		if (a + 1 == argc ||
		    !cli_number(argv[a + 1], names[i].min, names[i].max, names[i].value))
			return cli_usage(cli, "%s must be %llu to %llu", names[i].name,
					 (unsigned long long)names[i].min,
					 (unsigned long long)names[i].max);
	}
	return CLI_OK;
}

static void validation_free(struct validation *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free(v->group[i].shard);
		free(v->group[i].outcome);
	}
}

static struct group *find_group(struct validation *v, const char *cc)
{
	for (size_t i = 0; i < v->n; i++)
		if (!strcmp(v->group[i].cc, cc))
			return &v->group[i];
	if (v->n == CCS_MAX)
		return NULL;
	strcpy(v->group[v->n].cc, cc);
	return &v->group[v->n++];
}

/* 0, or CLI_FAILED after the sentence. */
static int add_run(struct group *g, const char *dir, const struct ref_entry *entry,
		   const struct options *o)
{
	unsigned int *shard = realloc(g->shard, (g->n + 1) * sizeof(*shard));
	struct ref_outcome *outcome = realloc(g->outcome, (g->n + 1) * sizeof(*outcome));
	double *fct_ns = calloc(entry->flows, sizeof(*fct_ns));
	struct ref_run run = { 0 };
	struct sl_err e;
	int r = -1;

	g->shard = shard ? shard : g->shard;
	g->outcome = outcome ? outcome : g->outcome;
	if (!shard || !outcome || !fct_ns) {
		cli_fail("out of memory");
	} else if (ref_read_run(dir, entry, &run, &e)) {
		cli_fail_err(&e);
	} else {
		const size_t n = o->flows < run.n ? o->flows : run.n;

		if (ref_simulate(&run, n, o->seed, fct_ns, &e))
			cli_fail("%s/shard%02u_%s.tsv: %s", dir, entry->shard, entry->cc, e.text);
		else if (ref_outcome(&run, fct_ns, n, &outcome[g->n]))
			cli_fail("%s/shard%02u_%s.tsv: no flow ended", dir, entry->shard,
				 entry->cc);
		else
			r = 0;
		shard[g->n] = entry->shard;
		g->n += !r;
	}
	ref_run_free(&run);
	free(fct_ns);
	return r ? CLI_FAILED : CLI_OK;
}

static int validate(const char *dir, const struct options *o, struct validation *v)
{
	struct ref_index x;
	struct sl_err e;
	int r = CLI_OK;

	if (ref_read_index(dir, &x, &e))
		return cli_fail_err(&e);
	for (size_t i = 0; !r && i < x.n; i++) {
		struct group *g = find_group(v, x.entry[i].cc);

		if (!g)
			r = cli_fail("%s/INDEX.tsv:%u: more than %d congestion controls", dir,
				     x.entry[i].line, CCS_MAX);
		else if (!ref_knows(g->cc))
			g->skipped++;
		else if (g->n < o->runs)
			r = add_run(g, dir, &x.entry[i], o);
	}
	ref_index_free(&x);
	if (!r && sim_closed_forms(v->closed))
		r = cli_fail("the simulation ended: out of memory");
	return r;
}

/* --- what came out ----------------------------------------------------------------- */

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static int score(const struct group *g, enum ref_model model, enum ref_part part,
		 struct ref_score *ret)
{
	return ref_score(g->outcome, g->n, model, part, ret);
}

static json_t *score_json(const struct group *g, enum ref_model model, enum ref_part part)
{
	struct ref_score s;

	if (score(g, model, part, &s))
		return NULL;
	return json_pack("{s:I s:o s:o s:o s:o}", "runs", (json_int_t)s.runs,
			 "spearman_mean", number(s.spearman_mean),
			 "spearman_p99", number(s.spearman_p99),
			 "median_rel_err_mean", number(s.median_rel_err_mean),
			 "median_rel_err_p99", number(s.median_rel_err_p99));
}

static json_t *both_json(const struct group *g, enum ref_part part)
{
	json_t *o = score_json(g, REF_SIM, part);

	if (o && json_object_set_new(o, "null", score_json(g, REF_NULL, part))) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static json_t *run_json(const struct group *g, size_t i)
{
	const struct ref_outcome *o = &g->outcome[i];

	return json_pack("{s:I s:s s:I s:I s:f s:f s:f s:f s:f s:f s:f}",
			 "shard", (json_int_t)g->shard[i], "part", parts[1 + i % 2].name,
			 "flows", (json_int_t)o->flows, "unended", (json_int_t)o->unended,
			 "slowdown_mean", o->sim.mean, "slowdown_p99", o->sim.p99,
			 "ns3_slowdown_mean", o->ns3.mean, "ns3_slowdown_p99", o->ns3.p99,
			 "null_slowdown_mean", o->maxmin.mean, "null_slowdown_p99", o->maxmin.p99,
			 "flow_median_rel_err", o->flow_err);
}

static json_t *group_json(const struct group *g)
{
	json_t *o = both_json(g, REF_ALL), *each = json_array();

	for (size_t i = 1; o && i < 3; i++)
		json_object_set_new(o, parts[i].name, both_json(g, parts[i].part));
	for (size_t i = 0; i < g->n; i++)
		json_array_append_new(each, run_json(g, i));
	if (o)
		json_object_set_new(o, "each", each);
	return o;
}

static int show_json(const struct validation *v)
{
	json_t *doc = json_object(), *skipped = json_object(), *closed = json_array();

	for (size_t i = 0; i < v->n; i++) {
		const struct group *g = &v->group[i];

		if (g->n)
			json_object_set_new(doc, g->cc, group_json(g));
		else
			json_object_set_new(skipped, g->cc, json_integer((json_int_t)g->skipped));
	}
	for (int i = 0; i < SIM_CLOSED_FORMS; i++) {
		const struct sim_closed_form *c = &v->closed[i];

		json_array_append_new(closed, json_pack("{s:s s:f s:f s:f}", "case", c->what,
							"theory", c->theory, "measured",
							c->measured, "rel_err",
							c->measured / c->theory - 1));
	}
	json_object_set_new(doc, "skipped", skipped);
	json_object_set_new(doc, "fitted_parameters", json_array());
	json_object_set_new(doc, "closed_forms", closed);
	return cli_print_json(doc);
}

static void show_row(const char *cc, const char *part, const char *model, const struct ref_score *s)
{
	printf("%-8s %-9s %-6s %5zu  %8.3f %8.3f  %9.2f %9.2f\n", cc, part, model, s->runs,
	       s->spearman_mean, s->spearman_p99, 100 * s->median_rel_err_mean,
	       100 * s->median_rel_err_p99);
}

static int show_group(const struct group *g)
{
	size_t unended = 0;

	for (size_t i = 0; i < 3; i++) {
		const char *name = parts[i].name ? parts[i].name : "all";
		struct ref_score sim, null;

		if (score(g, REF_SIM, parts[i].part, &sim) ||
		    score(g, REF_NULL, parts[i].part, &null))
			return cli_fail("out of memory");
		show_row(g->cc, name, "sluice", &sim);
		show_row(g->cc, name, "null", &null);
	}
	for (size_t i = 0; i < g->n; i++)
		unended += g->outcome[i].unended;
	if (unended)
		printf("%zu flows of %s did not end and are left out\n", unended, g->cc);
	return CLI_OK;
}

static int show_text(const struct validation *v)
{
	int r = CLI_OK;

	printf("slowdowns of runs against ns-3's      Spearman's rank    median error, %%\n");
	printf("%-8s %-9s %-6s %5s  %8s %8s  %9s %9s\n", "cc", "part", "model", "runs", "mean",
	       "p99", "mean", "p99");
	for (size_t i = 0; !r && i < v->n; i++)
		if (v->group[i].n)
			r = show_group(&v->group[i]);
	for (size_t i = 0; i < v->n; i++)
		if (!v->group[i].n)
			printf("%-8s %zu runs left out: there is no such sender here\n",
			       v->group[i].cc, v->group[i].skipped);
	printf("fit is the 1st, 3rd, ... run of each, held_out the others; nothing is fitted\n");
	printf("\n%-47s %9s %9s %8s\n", "closed forms", "theory", "measured", "error, %");
	for (int i = 0; i < SIM_CLOSED_FORMS; i++)
		printf("%-47s %9.3f %9.3f %8.2f\n", v->closed[i].what, v->closed[i].theory,
		       v->closed[i].measured,
		       100 * (v->closed[i].measured / v->closed[i].theory - 1));
	return r;
}

int cmd_validate(struct cli *cli, int argc, char **argv)
{
	struct validation v = { 0 };
	struct options o;
	int r;

	if (argc < 2)
		return cli_usage(cli, "no directory of reference runs given");
	r = parse(cli, argc - 2, argv + 2, &o);
	if (r)
		return r;
	r = validate(argv[1], &o, &v);
	if (!r)
		r = cli->json ? show_json(&v) : show_text(&v);
	validation_free(&v);
	return r;
}
