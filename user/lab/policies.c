// SPDX-License-Identifier: GPL-2.0
#include "lab/policies.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/configuration.h"
#include "policy/policy.h"

#define NONE	NAN
#define FIT	"fit:"
#define RAMP	"ramp"
#define SEED_MAX 1000000
#define LAB_THRESHOLD_MAX 64e6

static const char *const role_name[LAB_ROLES] = {
	"default", "static", "baseline", "learned", "online", "oracle",
};

struct row {
	const char *word;
	enum lab_role role;
	enum lab_means means;
	bool in[PLAN_EXECUTORS];
	double def, min, max;		/* of the number; NAN: it takes none, def 0: it must be there */
	const char *text;		/* of a qdisc what tc is told, with the number; of a model its kind */
	const char *help;
};

#define STEERING(word, role, help) \
	{ word, role, LAB_STEERING, { false, false, true }, NONE, 0, 0, NULL, help }

/* Of every family by what the others have (fits.h); a number is the seed. */
#define FITTED(kind, help)	\
	{ FIT kind, LAB_LEARNED, LAB_FIT, { true, true, false }, NONE, 0, 0, kind, help }
#define SEEDED(kind, help)	\
	{ FIT kind, LAB_LEARNED, LAB_FIT, { true, true, false }, 1, 1, SEED_MAX, kind, help }

static const struct row rows[] = {
	{ "pfifo_fast", LAB_DEFAULT, LAB_QDISC, { false, true, false }, NONE, 0, 0, "pfifo_fast", "" },
	{ "fq", LAB_DEFAULT, LAB_QDISC, { false, true, false }, NONE, 0, 0, "fq", "" },
	{ "fq_ce", LAB_DEFAULT, LAB_QDISC, { false, true, false }, 0, 1, 1e6, "fq ce_threshold %.0fus",
	  "with ce_threshold, in microseconds" },
	{ "fq_codel", LAB_DEFAULT, LAB_QDISC, { false, true, false }, NONE, 0, 0, "fq_codel ecn", "" },
	{ "fq_codel_ce", LAB_DEFAULT, LAB_QDISC, { false, true, false }, 0, 1, 1e6,
	  "fq_codel ecn ce_threshold %.0fus", "with ce_threshold, in microseconds" },
	{ "codel", LAB_DEFAULT, LAB_QDISC, { false, true, false }, NONE, 0, 0, "codel ecn", "" },
	{ "pie", LAB_DEFAULT, LAB_QDISC, { false, true, false }, NONE, 0, 0, "pie ecn", "" },
	{ "cake", LAB_DEFAULT, LAB_QDISC, { false, true, false }, NONE, 0, 0, "cake", "" },
	{ "dualpi2", LAB_DEFAULT, LAB_QDISC, { false, true, false }, NONE, 0, 0, "dualpi2", "" },
	{ "static", LAB_STATIC, LAB_THRESHOLD, { true, true, false }, 0, 1, LAB_THRESHOLD_MAX, "static",
	  "a threshold of so many bytes; static:grid is ten, 3,028 * 2^n" },
	{ RAMP, LAB_STATIC, LAB_THRESHOLD, { true, true, false }, NONE, 0, 0, NULL,
	  "ramp:MIN:MAX:P marks with 0 at MIN bytes to P (a share) at MAX" },
	{ "bdp", LAB_BASELINE, LAB_MODEL, { true, true, false }, 1 / 7.0, 1e-3, 1e3, "bdp",
	  "K = x C RTT, x = 1/7 unless given" },
	{ "time", LAB_BASELINE, LAB_MODEL, { true, true, false }, 0, 1, 1e6, "time",
	  "K = C t, t in microseconds" },
	{ "shipped", LAB_LEARNED, LAB_MODEL, { true, true, false }, NONE, 0, 0, NULL, "the built-in model" },
	{ "shipped-tree", LAB_LEARNED, LAB_MODEL, { true, true, false }, NONE, 0, 0, NULL,
	  "the tree distilled from it" },
	FITTED("static", "the best threshold in bytes"),
	FITTED("bdp", "K = x C RTT"),
	FITTED("time", "K = C t"),
	FITTED("pi", "a controller"),
	FITTED("rules", "four rules"),
	FITTED("lookup", "a table of situations"),
	FITTED("linear", "a regression"),
	FITTED("labels", "a tree on the best thresholds"),
	FITTED("tree", "a tree on their costs"),
	FITTED("identify", "which workload is it, and what was best there"),
	SEEDED("network", "taught what thresholds cost"),
	SEEDED("bandit", "LinUCB, learns by trying"),
	SEEDED("ppo", "a policy gradient, by trying"),
	SEEDED("ddqn", "the daemon's agent, by trying"),
	{ "learn", LAB_ONLINE, LAB_LEARN, { true, true, false }, NONE, 0, 0, NULL,
	  "the daemon's agent, from scratch in each run" },
	{ "learn-on", LAB_ONLINE, LAB_LEARN, { true, false, false }, 1, 1, SEED_MAX, "ddqn",
	  "the same, from what fit:ddqn:NUMBER has made (1)" },
	STEERING("none", LAB_DEFAULT, "packets stay on the CPU that they come to"),
	STEERING("rps", LAB_DEFAULT, "receive packet steering, by the flows' hash"),
	STEERING("rfs", LAB_DEFAULT, "receive flow steering, to the CPU of who reads"),
	STEERING("hash", LAB_BASELINE, "the XDP program without a daemon: buckets by the flows' hash"),
	STEERING("greedy", LAB_BASELINE, "the daemon's rule: the move that lowers the highest load most"),
	STEERING("rsspp", LAB_BASELINE, "the daemon with the solver after RSS++"),
	STEERING("p2c", LAB_BASELINE, "the daemon with power of two choices"),
	STEERING("tree", LAB_LEARNED, "the rule, and the built-in tree places new flows"),
	STEERING("agent", LAB_ONLINE, "the daemon's agent, from scratch in each run"),
	{ "oracle", LAB_ORACLE, LAB_CHOICE, { true, false, false }, 2, 1, 20, NULL,
	  "best of the grid, by so many runs of each on other arrivals (2)" },
};
#define ROWS	(sizeof(rows) / sizeof(rows[0]))

const char *lab_role_name(enum lab_role r)
{
	return role_name[r];
}

void lab_policy_free(struct lab_policy *p)
{
	model_free(&p->model);
}

static const struct row *find(const char *word, size_t n)
{
	for (size_t i = 0; i < ROWS; i++)
		if (strlen(rows[i].word) == n && !strncmp(rows[i].word, word, n))
			return &rows[i];
	return NULL;
}

static int parse_ramp(const char *text, struct lab_policy *p, struct sl_err *e)
{
	double low, high, share;
	char rest;

	if (!text || sscanf(text, "%lf:%lf:%lf%c", &low, &high, &share, &rest) != 3 ||
	    !(low >= 1 && high >= low && high <= LAB_THRESHOLD_MAX && share > 0 && share <= 1))
		return sl_err(e, -EINVAL, "'%s': a ramp is " RAMP ":MIN:MAX:P with 1 <= MIN <= MAX <= "
			      "%.0f bytes and a share 0 < P <= 1", p->name, LAB_THRESHOLD_MAX);
	p->number = low;
	p->triple = (struct qdisc_triple){ low, high, round(1e6 * share) };
	return 0;
}

static int parse_number(const struct row *row, const char *text, double *ret, struct sl_err *e)
{
	char *end;

	*ret = row->def;
	if (!text && row->def == 0)
		return sl_err(e, -EINVAL, "'%s' needs a number of %.10g..%.10g: write %s:NUMBER",
			      row->word, row->min, row->max, row->word);
	if (!text)
		return 0;
	if (isnan(row->def))
		return sl_err(e, -EINVAL, "'%s' takes no number: write it without ':%s'", row->word,
			      text);
	*ret = strtod(text, &end);
	if (end == text || *end || !(*ret >= row->min && *ret <= row->max) ||
	    (row->max == SEED_MAX && *ret != floor(*ret)))
		return sl_err(e, -EINVAL, "'%s:%s': it takes a number of %.10g..%.10g", row->word,
			      text, row->min, row->max);
	return 0;
}

/* That it is known and usable is seen before anything runs. */
static int check_model(struct lab_policy *p, struct sl_err *e)
{
	struct sl_err why = { "" };
	struct policy *policy;
	int r = policy_new(&p->model, &policy, &why);

	if (r)
		return sl_err(e, r, "%s: %.300s", p->name, why.text);
	policy_free(policy);
	return 0;
}

static int parse_file(const char *word, enum lab_role role, struct lab_policy *p, struct sl_err *e)
{
	struct sl_err why = { "" };

	if (role != LAB_BASELINE && role != LAB_LEARNED)
		return sl_err(e, -EINVAL, "there is no policy '%s' of this kind; 'sluice lab list' "
			      "lists them, and a model's file stands under baseline or learned", word);
	if (!strchr(word, '/') && access(word, F_OK))
		return sl_err(e, -ENOENT, "there is no policy '%s', nor a model's file of that name; "
			      "'sluice lab list' lists the policies", word);
	if (model_read(word, &p->model, &why))
		return sl_err(e, -EINVAL, "policy '%.100s': %.250s", word, why.text);
	p->means = LAB_MODEL;
	return check_model(p, e);
}

static int parse_row(const struct row *row, struct lab_policy *p, struct sl_err *e)
{
	double number = p->number;
	int r;

	switch (row->means) {
	case LAB_QDISC:
		snprintf(p->qdisc, sizeof(p->qdisc), row->text, number);
		return 0;
	case LAB_STEERING:
		snprintf(p->steering, sizeof(p->steering), "%s", row->word);
		return 0;
	case LAB_THRESHOLD:
		if (!p->triple.max_p)
			p->triple = (struct qdisc_triple){ number, number, 1000000 };
		return 0;
	case LAB_FIT:
	case LAB_LEARN:
		if (!row->text)
			return 0;
		if (isnan(number))
			snprintf(p->fit, sizeof(p->fit), "%s", row->text);
		else
			snprintf(p->fit, sizeof(p->fit), "%s:%.0f", row->text, number);
		return 0;
	case LAB_MODEL:
		if (!row->text)
			return model_read(row->word, &p->model, e);
		if (!strcmp(row->text, "time"))
			number /= 1e6;
		r = model_set_numbers(&p->model, row->text, &number, 1);
		if (r)
			return sl_err(e, r, "out of memory");
		snprintf(p->model.command, sizeof(p->model.command), "sluice lab: %s", p->name);
		return check_model(p, e);
	default:
		return 0;
	}
}

static int wrong_executor(const char *word, const struct row *row, int executor, struct sl_err *e)
{
	if (row->means == LAB_STEERING || executor == PLAN_NATIVE)
		return sl_err(e, -EINVAL, executor == PLAN_NATIVE ?
			      "'%s' decides of queues, and the native lab has none: take it away, or say "
			      "executor = kernel" :
			      "'%s' steers packets, which is of the native lab alone: take it away, or say "
			      "executor = native", word);
	return sl_err(e, -EINVAL, executor != PLAN_KERNEL ?
		      "'%s' is of the kernel lab alone: take it away, or say executor = kernel" :
		      row->means == LAB_CHOICE ?
		      "'%s' is of the simulator alone: name static thresholds, and the report takes the "
		      "best; or say executor = simulator" :
		      "'%s' is of the simulator alone: take it away, or say executor = simulator", word);
}

int lab_policy_parse(const char *word, enum lab_role role, int executor, struct lab_policy *ret,
		     struct sl_err *e)
{
	const size_t first = strncmp(word, FIT, strlen(FIT)) ? 0 : strlen(FIT);
	const size_t n = first + strcspn(word + first, ":");
	const char *behind = word[n] ? word + n + 1 : NULL;
	const struct row *row = find(word, n);
	struct lab_policy p = { .role = role, .number = NAN };
	int r;

	if (strlen(word) >= sizeof(p.name))
		return sl_err(e, -EINVAL, "the policy '%.40s...' has a name of more than %zu "
			      "characters", word, sizeof(p.name) - 1);
	snprintf(p.name, sizeof(p.name), "%s", word);
	if (!row && executor == PLAN_NATIVE) {
		r = sl_err(e, -ENOENT, "the native lab has no policy '%s'; 'sluice lab list' lists them",
			   word);
	} else if (!row && first) {
		r = sl_err(e, -EINVAL, "'%s': nothing of this name can be fitted; 'sluice lab list' lists "
			   "what can", word);
	} else if (!row) {
		r = parse_file(word, role, &p, e);
	} else if (row->role != role && !(row->means == LAB_FIT && role == LAB_BASELINE)) {
		r = sl_err(e, -EINVAL, "'%s' is no policy of this kind: write it under '%s =' in "
			   "[policies]", word, role_name[row->role]);
	} else if (!row->in[executor]) {
		r = wrong_executor(word, row, executor, e);
	} else {
		p.means = row->means;
		r = strcmp(row->word, RAMP) ? parse_number(row, behind, &p.number, e) :
		    parse_ramp(behind, &p, e);
		if (!r)
			r = parse_row(row, &p, e);
	}
	if (r)
		lab_policy_free(&p);
	else
		*ret = p;
	return r;
}

void lab_policies_print(FILE *f)
{
	for (size_t i = 0; i < ROWS; i++)
		fprintf(f, "%-13s %-9s %-17s %s\n", rows[i].word, role_name[rows[i].role],
			rows[i].in[PLAN_NATIVE] ? "native" :
			rows[i].in[PLAN_SIMULATOR] && rows[i].in[PLAN_KERNEL] ? "simulator, kernel" :
			rows[i].in[PLAN_SIMULATOR] ? "simulator" : "kernel", rows[i].help);
	fputs("\nfit:...: made from workloads of other families than the one it runs on; also a "
	      "baseline.\nThe number of those that have one (network, bandit, ppo, ddqn) is the "
	      "seed.\n", f);
}
