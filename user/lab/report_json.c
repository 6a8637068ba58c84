// SPDX-License-Identifier: GPL-2.0
/* The report as numbers. Shares are of 1, not of 100; null is what could not be told. */
#include "lab/report.h"

#include <math.h>

/* NAN is no JSON. */
static json_t *real(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *interval(const struct stats_interval *s)
{
	return json_pack("{s:o s:o s:o s:o}", "mean", real(s->mean), "low", real(s->low), "high",
			 real(s->high), "upper", real(s->upper));
}

static json_t *name(const struct report_data *d, size_t policy)
{
	return policy == REPORT_NONE ? json_null() : json_string(d->p[policy].name);
}

static json_t *opportunity(const struct report_opportunity *o)
{
	return json_pack("{s:o s:s s:I s:o s:o}", "opportunity", interval(&o->o), "over",
			 report_level_name(o->level), "cases", (json_int_t)o->cases, "band",
			 isnan(o->o.mean) ? json_null() :
			 json_string(report_band_name(report_band(o->o.mean))), "p", real(o->p));
}

static json_t *cases(const struct report *r)
{
	const struct report_data *d = r->d;
	json_t *list = json_array();

	for (size_t c = 0; c < d->cases; c++) {
		const struct report_range *x = &r->p->range[c];
		json_t *o = opportunity(&r->r->by_case[c]), *top = json_array();

		for (int i = 0; i < 3; i++)
			json_array_append_new(top, name(d, x->top[i]));
		json_object_set_new(o, "workload", json_string(d->c[c].name));
		json_object_set_new(o, "family", json_string(d->family[d->c[c].family]));
		json_object_set_new(o, "test", json_boolean(d->c[c].test));
		json_object_set_new(o, "oracle", name(d, r->r->oracle[c]));
		json_object_set_new(o, "best_static", name(d, r->r->best_static[c]));
		json_object_set_new(o, "best_baseline", name(d, r->r->best_baseline[c]));
		json_object_set_new(o, "dynamic_range", real(x->range));
		json_object_set_new(o, "within_margin", real(x->within));
		json_object_set_new(o, "a_step_off", real(x->step));
		json_object_set_new(o, "cluster", json_integer(x->cluster));
		json_object_set_new(o, "top", top);
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *families(const struct report *r)
{
	json_t *list = json_array();

	for (size_t f = 0; f < r->d->families; f++) {
		json_t *o = opportunity(&r->r->by_family[f]);

		json_object_set_new(o, "family", json_string(r->d->family[f]));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *ladder(const struct report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->r->rungs; i++) {
		const struct report_rung *x = &r->r->rung[i];
		json_t *o = json_pack("{s:s s:s s:I s:o s:o s:o s:s s:o s:o s:o s:o s:o s:o s:o s:o}",
			"policy", x->name, "role", x->policy ? lab_role_name(x->policy->role) : "chosen",
			"cases", (json_int_t)x->cases, "over_oracle", interval(&x->over), "loss",
			interval(&x->loss), "captured", interval(&x->captured), "verdict",
			report_verdict_name(x->verdict), "needed",
			x->units_needed ? json_pack("{s:I s:s}", "n", (json_int_t)x->units_needed, "of",
						    report_level_name(x->level)) : json_null(),
			"p", real(x->p), "same_k", real(x->same), "alike_k", real(x->alike),
			"near_oracle", real(x->near), "own",
			real(x->own), "cv", real(x->cv), "inference_ns", real(x->inference_ns));

		json_array_append_new(list, o);
	}
	return list;
}

static json_t *by_family(const struct report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->r->parts; i++) {
		const struct report_rung *x = &r->r->part[i];

		json_array_append_new(list, json_pack("{s:s s:s s:I s:o s:o s:o s:s s:o}",
			"family", r->d->family[r->r->part_family[i]], "policy", x->name, "cases",
			(json_int_t)x->cases, "over_oracle", interval(&x->over), "loss",
			interval(&x->loss), "captured", interval(&x->captured), "verdict",
			report_verdict_name(x->verdict), "own", real(x->own)));
	}
	return list;
}

static json_t *goals(const struct report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->r->goals; i++) {
		const struct report_goal *g = &r->r->goal[i];
		json_t *o = opportunity(&g->o);

		json_object_set_new(o, "goal", json_string(g->name));
		json_object_set_new(o, "best_baseline", name(r->d, g->baseline));
		json_object_set_new(o, "candidate_loss", interval(&g->loss));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *outcomes(const struct report_data *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->policies; i++) {
		const struct report_policy *p = &d->p[i];

		json_array_append_new(list, json_pack("{s:s s:s s:i s:i s:i s:i s:i s:i s:i s:i}",
			"policy", p->name, "role", lab_role_name(p->role), "runs", p->runs, "valid",
			p->done, "failed", p->failed, "invalid", p->invalid, "absent", p->absent,
			"to_do", p->pending, "failed_attempts", p->failed_attempts, "invalid_attempts",
			p->invalid_attempts));
	}
	return list;
}

static json_t *endpoint(const struct report *r)
{
	const struct report_result *x = r->r;
	json_t *o = json_pack("{s:s s:s s:s}", "metric", r->d->endpoint, "candidate", r->d->candidate,
			      "reference", r->d->reference);

	if (!x->primary) {
		json_object_set_new(o, "missing", json_string(x->primary_missing));
		return o;
	}
	json_object_set_new(o, "loss", interval(&x->endpoint));
	json_object_set_new(o, "over", json_string(report_level_name(x->endpoint_level)));
	json_object_set_new(o, "verdict", json_string(report_verdict_name(x->endpoint_verdict)));
	json_object_set_new(o, "needed", x->endpoint_units ? json_integer(x->endpoint_units) :
			    json_null());
	json_object_set_new(o, "pairs", json_integer(x->endpoint_pairs));
	json_object_set_new(o, "p", real(x->endpoint_p));
	json_object_set_new(o, "clear_families", json_integer(x->clear_families));
	json_object_set_new(o, "captured_in_clear_families", interval(&x->clear_captured));
	return o;
}

static json_t *patterns(const struct report *r)
{
	const struct report_patterns *p = r->p;
	json_t *clusters = json_array(), *correlations = json_array(), *findings = json_array(),
	       *failures = json_array();

	for (unsigned int i = 0; i < p->clusters; i++)
		json_array_append_new(clusters, name(r->d, p->cluster_pick[i]));
	for (size_t i = 0; i < p->correlations; i++)
		json_array_append_new(correlations, json_pack("{s:s s:I s:f s:f s:o}", "metric",
			r->d->m[p->correlation[i].metric].name, "runs",
			(json_int_t)p->correlation[i].runs, "spearman", p->correlation[i].spearman,
			"pearson", p->correlation[i].pearson, "p", real(p->correlation[i].p)));
	for (size_t i = 0; i < p->findings; i++)
		json_array_append_new(findings, json_pack("{s:s s:s s:o}", "what", p->finding[i].what,
			"check", p->finding[i].check, "holds", p->finding[i].holds < 0 ? json_null() :
			json_boolean(p->finding[i].holds)));
	for (size_t i = 0; i < p->failures; i++) {
		const struct report_failure *f = &p->failure[i];

		json_array_append_new(failures, json_pack("{s:s s:I s:I s:o s:o s:o s:o s:s s:s}",
			"policy", r->r->rung[f->rung].name, "cases", (json_int_t)f->cases, "lost",
			(json_int_t)f->lost, "worst", f->lost ? json_string(r->d->c[f->worst].name) :
			json_null(), "worst_loss", real(f->worst_loss), "octaves", real(f->octaves),
			"octaves_sd", real(f->octaves_sd), "how", f->how, "fix", f->fix));
	}
	return json_pack("{s:o s:o s:o s:o s:{s:o s:o s:o s:o}}", "clusters", clusters, "correlations",
			 correlations, "findings", findings, "failures", failures, "variance", "workload",
			 real(p->share_workload), "setting", real(p->share_setting), "interaction",
			 real(p->share_interaction), "noise", real(p->share_noise));
}

static json_t *instrument(const struct report_aa *a)
{
	return json_pack("{s:I s:I s:o s:o s:o s:{s:I s:I s:I s:I} s:o s:o s:o s:o s:I}", "copies",
			 (json_int_t)a->copies, "runs", (json_int_t)a->samples, "cv", real(a->cv),
			 "cv_worst", real(a->cv_worst), "cv_over_trials", real(a->cv_trial), "dealt",
			 "cases", (json_int_t)a->shape.cases, "thresholds",
			 (json_int_t)a->shape.candidates, "trials", (json_int_t)a->shape.trials, "select",
			 (json_int_t)a->shape.select, "false_opportunity", real(a->honest_mean),
			 "false_opportunity_upper", real(a->honest_upper), "naive_false_opportunity",
			 real(a->naive_mean), "naive_false_opportunity_upper", real(a->naive_upper),
			 "trials_needed", (json_int_t)a->trials_needed);
}

json_t *report_json(const struct report *r)
{
	const struct report_data *d = r->d;
	json_t *doc = json_pack("{s:s s:s s:b s:I s:I s:I s:I s:I s:o}", "plan", d->plan, "executor",
		d->executor, "aa", d->aa, "runs", (json_int_t)d->runs, "valid", (json_int_t)d->valid,
		"to_do", (json_int_t)d->pending, "trials", (json_int_t)d->trials, "select",
		(json_int_t)d->select, "outcomes", outcomes(d));

	if (r->r) {
		json_object_set_new(doc, "held_out", json_boolean(r->r->held_out));
		json_object_set_new(doc, "all", opportunity(&r->r->all));
		json_object_set_new(doc, "primary", endpoint(r));
		json_object_set_new(doc, "cases", cases(r));
		json_object_set_new(doc, "families", families(r));
		json_object_set_new(doc, "ladder", ladder(r));
		json_object_set_new(doc, "by_family", by_family(r));
		json_object_set_new(doc, "goals", goals(r));
		json_object_set_new(doc, "patterns", patterns(r));
	}
	if (r->aa)
		json_object_set_new(doc, "instrument", instrument(r->aa));
	return doc;
}
