// SPDX-License-Identifier: GPL-2.0
/* The tables of the report, and what they mean in words. */
#include "lab/report.h"

#include <math.h>
#include <string.h>

static const char *name_of(const struct report_data *d, size_t policy)
{
	return policy == REPORT_NONE ? "-" : d->p[policy].name;
}

static const char *band_of(const struct report_opportunity *o)
{
	return isnan(o->o.mean) ? "-" : report_band_name(report_band(o->o.mean));
}

/* By what the operator may care for; the candidate as J had it chosen. */
static void goals_table(struct doc *doc, const struct report *r)
{
	const struct report_data *d = r->d;
	char o[REPORT_TEXT], l[REPORT_TEXT], m[REPORT_TEXT];

	doc_text(doc, "The same if one figure were all that mattered: oracle and best baseline are then chosen by "
		 "it. FCT: flow completion time, by size of flow. The last two columns: %s as it is against best "
		 "static as it is, both chosen for J.", d->candidate);
	doc_table(doc, "goal\topportunity %\tband\tover\tbest baseline\tcandidate's loss %\tat most %");
	for (size_t i = 0; i < r->r->goals; i++) {
		const struct report_goal *g = &r->r->goal[i];

		doc_row(doc, "%s\t%s\t%s\t%zu cases, by %s\t%s\t%s\t%s", g->name,
			report_interval(o, &g->o.o, 100), band_of(&g->o), g->o.cases,
			report_level_name(g->o.level), name_of(d, g->baseline),
			report_interval(l, &g->loss, 100), report_number(m, "%.1f", 100 * g->loss.upper));
	}
}

void report_opportunity_tables(struct doc *doc, const struct report *r)
{
	const struct report_data *d = r->d;
	char o[REPORT_TEXT], p[REPORT_TEXT];

	doc_heading(doc, "What is there to win");
	doc_text(doc, "Opportunity = (best baseline - oracle) / best baseline, in J; in %%, with 95 %% "
		 "intervals. Chosen by the first %zu trials, judged by the other %zu. GO above %.0f %%, NO-GO "
		 "below %.0f %%.", d->select, r->r->fresh, 100 * REPORT_GO, 100 * REPORT_MAYBE);
	doc_table(doc, "family\tcases\topportunity %\tband\tinterval over");
	for (size_t f = 0; f < d->families; f++) {
		const struct report_opportunity *x = &r->r->by_family[f];

		if (x->cases)
			doc_row(doc, "%s\t%zu\t%s\t%s\t%s", d->family[f], x->cases,
				report_interval(o, &x->o, 100), band_of(x), report_level_name(x->level));
	}
	doc_row(doc, "all that count\t%zu\t%s\t%s\t%s", r->r->all.cases,
		report_interval(o, &r->r->all.o, 100), band_of(&r->r->all),
		report_level_name(r->r->all.level));
	goals_table(doc, r);
	doc_brief(doc, d->cases <= REPORT_CASES_BRIEF);
	doc_text(doc, "By workload. p: of no difference, by paired runs, after Holm.");
	doc_table(doc, "workload\tfamily\ttest\topportunity %\tband\tp\toracle\tbest baseline\tbest static");
	for (size_t c = 0; c < d->cases; c++) {
		const struct report_opportunity *x = &r->r->by_case[c];

		doc_row(doc, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", d->c[c].name,
			d->family[d->c[c].family], d->c[c].test ? "yes" : "", report_interval(o, &x->o, 100),
			band_of(x), report_number(p, "%.2g", x->p), name_of(d, r->r->oracle[c]),
			name_of(d, r->r->best_baseline[c]), name_of(d, r->r->best_static[c]));
	}
	doc_brief(doc, true);
}

static void verdict_text(const struct report_rung *g, char *buf, size_t size)
{
	if (g->verdict != VERDICT_UNDECIDED)
		snprintf(buf, size, "%s", *report_verdict_name(g->verdict) ?
			 report_verdict_name(g->verdict) : "-");
	else if (g->units_needed)
		snprintf(buf, size, "undecided: %zu %s", g->units_needed, report_level_name(g->level));
	else
		snprintf(buf, size, "undecided for good");
}

static bool is_single_static(const struct report_rung *g)
{
	return g->policy && g->policy->role == LAB_STATIC;
}

/* Of who learns, family by family. */
static void family_table(struct doc *doc, const struct report *r)
{
	char a[REPORT_TEXT], b[REPORT_TEXT], c[REPORT_TEXT], e[REPORT_TEXT], o[REPORT_TEXT], verdict[80];

	if (!r->r->parts)
		return;
	doc_text(doc, "Who learns, by family. opportunity: the family's.");
	doc_table(doc, "family\tpolicy\tcases\topportunity %\tloss %\tat most %\tcaptured %\town %\tverdict");
	for (size_t i = 0; i < r->r->parts; i++) {
		const struct report_rung *x = &r->r->part[i];
		const size_t f = r->r->part_family[i];

		verdict_text(x, verdict, sizeof(verdict));
		doc_row(doc, "%s\t%s\t%zu\t%s\t%s\t%s\t%s\t%s\t%s", r->d->family[f], x->name, x->cases,
			report_interval(o, &r->r->by_family[f].o, 100), report_interval(a, &x->loss, 100),
			report_number(b, "%.1f", 100 * x->loss.upper),
			report_interval(c, &x->captured, 100), report_number(e, "%.0f", 100 * x->own),
			verdict);
	}
}

static void details_table(struct doc *doc, const struct report *r)
{
	char a[REPORT_TEXT], b[REPORT_TEXT], e[REPORT_TEXT], f[REPORT_TEXT], g[REPORT_TEXT], h[REPORT_TEXT],
		i[REPORT_TEXT], j[REPORT_TEXT];

	doc_text(doc, "More of the same policies, and every single static threshold. decisions: by %s; equal: "
		 "none of the grid is nearer to their threshold than the oracle's; within %.0f %%: the grid's "
		 "nearest costs at most that much more than the oracle's there. runs within %.0f %%: J, of the "
		 "oracle's in the same trial. own: decisions that a policy which learns took, not its fallback. "
		 "CV: of J within a case. inference: of one decision.",
		 r->d->ks ? "the mean threshold of an interval of a run" : "the mean threshold of a run",
		 100 * REPORT_MARGIN, 100 * REPORT_MARGIN);
	doc_table(doc, "policy\trole\tcases\tover oracle %\tloss %\tdecisions equal, %\tdecisions within 5 %, %\t"
		  "runs within 5 %, %\town %\tCV %\tinference, ns");
	for (size_t k = 0; k < r->r->rungs; k++) {
		const struct report_rung *x = &r->r->rung[k];

		doc_row(doc, "%s\t%s\t%zu\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", x->name,
			x->policy ? lab_role_name(x->policy->role) : "chosen", x->cases,
			report_interval(a, &x->over, 100), report_interval(b, &x->loss, 100),
			report_number(e, "%.0f", 100 * x->same), report_number(g, "%.0f", 100 * x->alike),
			report_number(f, "%.0f", 100 * x->near), report_number(h, "%.0f", 100 * x->own),
			report_number(i, "%.1f", 100 * x->cv), report_number(j, "%.0f", x->inference_ns));
	}
}

void report_ladder_table(struct doc *doc, const struct report *r)
{
	char a[REPORT_TEXT], b[REPORT_TEXT], c[REPORT_TEXT], e[REPORT_TEXT], f[REPORT_TEXT],
		g[REPORT_TEXT], verdict[80];

	doc_heading(doc, "The ladder");
	doc_text(doc, "In %% of J on %s, with 95 %% intervals. loss: against best static; it holds where it "
		 "is at most %.0f %% with 95 %% confidence, else how many it would take to decide. captured: of "
		 "what the oracle gains over best static. p: of no difference to best static, by paired runs, "
		 "after Holm.", r->r->held_out ? "the held-out workloads" : "all workloads",
		 100 * REPORT_MARGIN);
	doc_table(doc, "policy\tover oracle %\tloss %\tat most %\tcaptured %\town %\tp\tverdict");
	for (size_t k = 0; k < r->r->rungs; k++) {
		const struct report_rung *x = &r->r->rung[k];

		if (is_single_static(x))
			continue;
		verdict_text(x, verdict, sizeof(verdict));
		doc_row(doc, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", x->name,
			report_interval(a, &x->over, 100), report_interval(b, &x->loss, 100),
			report_number(c, "%.1f", 100 * x->loss.upper),
			report_interval(e, &x->captured, 100), report_number(f, "%.0f", 100 * x->own),
			report_number(g, "%.2g", x->p), verdict);
	}
	family_table(doc, r);
	doc_brief(doc, false);
	details_table(doc, r);
	doc_brief(doc, true);
}

/* --- the landscape --------------------------------------------------------------------------- */

static void cluster_table(struct doc *doc, const struct report *r)
{
	const struct report_data *d = r->d;

	doc_text(doc, "Optima in clusters: within one, each workload's threshold serves each other one "
		 "within %.0f %% (complete linkage). %u thresholds serve all: so long a table does, for who "
		 "knows which workload it is.", 100 * REPORT_MARGIN, r->p->clusters);
	doc_table(doc, "cluster\tits threshold\tworkloads");
	for (unsigned int k = 0; k < r->p->clusters; k++) {
		char list[2000] = "";
		size_t at = 0;

		for (size_t c = 0; c < d->cases; c++)
			if (r->p->range[c].cluster == k && at < sizeof(list))
				at += snprintf(list + at, sizeof(list) - at, "%s%s", at ? "; " : "",
					       d->c[c].name);
		doc_row(doc, "%u\t%s\t%s", k + 1, name_of(d, r->p->cluster_pick[k]), list);
	}
}

static void correlation_table(struct doc *doc, const struct report *r,
			      struct report_pictures *pictures)
{
	char p[REPORT_TEXT];

	doc_heading(doc, "What goes with J");
	doc_text(doc, "Each metric against J, both relative to the mean of the runs with the same arrivals: "
		 "what differs between policies, not between workloads. p by shuffling within these, after "
		 "Holm; as many draws as there are cannot give a smaller one than they do. Parts of J are among "
		 "them, and a correlation is no cause.");
	if (!r->p->correlations) {
		doc_text(doc, "No metric was measured in most runs and differs between them.");
		return;
	}
	doc_table(doc, "metric\truns\tSpearman\tPearson\tp");
	for (size_t i = 0; i < r->p->correlations; i++) {
		const struct report_correlation *k = &r->p->correlation[i];

		doc_row(doc, "%s\t%zu\t%.2f\t%.2f\t%s", r->d->m[k->metric].name, k->runs, k->spearman,
			k->pearson, report_number(p, "%.2g", k->p));
	}
	report_plot_metrics(doc, r, pictures);
}

void report_landscape(struct doc *doc, const struct report *r, struct report_pictures *pictures)
{
	const struct report_data *d = r->d;
	const struct report_patterns *p = r->p;
	char range[REPORT_TEXT], within[REPORT_TEXT], step[REPORT_TEXT];

	doc_heading(doc, "The landscape");
	doc_text(doc, "Dynamic range: J of the dearest static threshold over the cheapest's; above 2 a "
		 "workload is sensitive, below 1.3 hardly. within 5 %%: share of thresholds that are as good as "
		 "the cheapest. a step off: what one step of the grid beside the oracle's costs. All trials.");
	doc_table(doc, "workload\trange\tsensitivity\twithin 5 %\ta step off\tfirst\tsecond\tthird\tcluster");
	for (size_t c = 0; c < d->cases; c++) {
		const struct report_range *x = &p->range[c];

		doc_row(doc, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%u", d->c[c].name,
			report_number(range, "%.2f", x->range), isnan(x->range) ? "-" : x->range > 2 ? "high" :
			x->range < 1.3 ? "low" : "medium", report_number(within, "%.0f %%", 100 * x->within),
			report_number(step, "%+.1f %%", 100 * x->step), name_of(d, x->top[0]),
			name_of(d, x->top[1]), name_of(d, x->top[2]), x->cluster + 1);
	}
	report_plot_heat(doc, r, pictures);
	report_plot_curves(doc, r, pictures);
	cluster_table(doc, r);
	if (!isnan(p->share_interaction))
		doc_text(doc, "Of the variance of ln J, %.0f %% is the workload's (nobody can set it), %.0f %% "
			 "the threshold's (a static one has it), %.0f %% their interaction (for a policy that "
			 "adapts) and %.0f %% noise.", 100 * p->share_workload, 100 * p->share_setting,
			 100 * p->share_interaction, 100 * p->share_noise);
	correlation_table(doc, r, pictures);
}

void report_behaviour(struct doc *doc, const struct report *r)
{
	static const char *const check[] = { "not checked", "does not hold", "holds" };
	char k[REPORT_TEXT], sd[REPORT_TEXT];

	doc_heading(doc, "Surprising findings, and their check");
	if (!r->p->findings)
		doc_text(doc, "None by the rules: J with two valleys over K, a policy with three times the "
			 "usual spread, J and another metric in disagreement about the order of thresholds, a "
			 "metric with two signs.");
	else
		doc_table(doc, "finding, by the trials that select\tcheck\tresult");
	for (size_t i = 0; i < r->p->findings; i++)
		doc_row(doc, "%s\t%s\t%s", r->p->finding[i].what, r->p->finding[i].check,
			check[r->p->finding[i].holds + 1]);

	doc_heading(doc, "How each policy fails");
	doc_text(doc, "Cases where it is over %.0f %% dearer than the oracle for sure, and the worst of them. "
		 "K against the oracle's in octaves, mean and standard deviation over those cases: a factor "
		 "mends an error that is everywhere the same.", 100 * REPORT_MARGIN);
	doc_table(doc, "policy\tcases lost\tworst\tover oracle\thow\tK off\tcan it be fixed?");
	for (size_t i = 0; i < r->p->failures; i++) {
		const struct report_failure *f = &r->p->failure[i];
		const char *name = r->r->rung[f->rung].name;

		if (!f->lost)
			doc_row(doc, "%s\t0 of %zu\t-\t-\t-\t-\t-", name, f->cases);
		else
			doc_row(doc, "%s\t%zu of %zu\t%s\t%.0f %%\t%s\t%s (%s)\t%s", name, f->lost, f->cases,
				r->d->c[f->worst].name, 100 * f->worst_loss, f->how,
				report_number(k, "%+.1f", f->octaves),
				report_number(sd, "%.1f", f->octaves_sd), f->fix);
	}
}

void report_outcomes(struct doc *doc, const struct report *r)
{
	const struct report_data *d = r->d;

	doc_heading(doc, "Outcomes");
	doc_text(doc, "What became of every policy's runs. failed and invalid: the last permitted attempt "
		 "was; in brackets all such attempts. absent: this kernel does not have what it needs.");
	doc_table(doc, "policy\trole\truns\tvalid\tfailed\tinvalid\tabsent\tto be done");
	for (size_t p = 0; p < d->policies; p++)
		doc_row(doc, "%s\t%s\t%u\t%u\t%u (%u)\t%u (%u)\t%u\t%u", d->p[p].name,
			lab_role_name(d->p[p].role), d->p[p].runs, d->p[p].done, d->p[p].failed,
			d->p[p].failed_attempts, d->p[p].invalid, d->p[p].invalid_attempts, d->p[p].absent,
			d->p[p].pending);
	doc_text(doc, "What was measured, over all valid runs. few: too few flows for such a quantile; censored: "
		 "unfinished flows reach into it; absent: cannot be measured here.");
	doc_table(doc, "metric\tvalues\tfew\tcensored\tabsent");
	for (size_t m = 0; m < d->metrics; m++)
		doc_row(doc, "%s\t%zu\t%zu\t%zu\t%zu", d->m[m].name, d->m[m].values, d->m[m].few,
			d->m[m].censored, d->m[m].absent);
}

void report_instrument(struct doc *doc, const struct report *r, struct report_pictures *pictures)
{
	const struct report_aa *a = r->aa;
	const struct report_data *d = r->aa_data;
	char cv[REPORT_TEXT], worst[REPORT_TEXT], trial[REPORT_TEXT];

	doc_heading(doc, "The instrument (A/A)");
	doc_text(doc, "%zu copies of one policy, %zu runs with a J, in %zu cases.", a->copies, a->samples,
		 d->cases);
	doc_key(doc, a->cv <= REPORT_CV ? 'g' : 'b', "variation of J",
		"%s %% between copies in the same trial (coefficient, mean over cases); worst %s %% in %s",
		report_number(cv, "%.2f", 100 * a->cv), report_number(worst, "%.2f", 100 * a->cv_worst),
		d->c[a->worst].name);
	doc_key(doc, 'n', "", "%s %% with what differs from trial to trial",
		report_number(trial, "%.2f", 100 * a->cv_trial));
	if (isnan(a->honest_mean)) {
		doc_note(doc, "The false opportunity cannot be told: it takes two thresholds, two trials and a "
			 "copy that ran.");
	} else {
		doc_key(doc, 'n', "false opportunity", "%s %%, at most %s %% in 95 of 100 campaigns, as this "
			"report judges: other trials than choose",
			report_number(cv, "%.2f", 100 * a->honest_mean),
			report_number(worst, "%.2f", 100 * a->honest_upper));
		doc_key(doc, 'n', "", "%.2f %%, at most %.2f %%, if the trials that choose judge, too",
			100 * a->naive_mean, 100 * a->naive_upper);
		doc_text(doc, "By 400 campaigns of %zu cases, %zu thresholds and %zu trials (%zu choose), dealt from "
			 "the copies: there is nothing to win in them.", a->shape.cases,
			 a->shape.candidates, a->shape.trials, a->shape.select);
	}
	if (a->trials_needed)
		doc_text(doc, "%zu trials of a case resolve a difference of %.0f %%.", a->trials_needed,
			 100 * REPORT_MARGIN);
	if (pictures)
		report_plot_copies(doc, r, pictures);
}
