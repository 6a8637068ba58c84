// SPDX-License-Identifier: GPL-2.0
/* sluice distill */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/lab_args.h"
#include "distill/c_source.h"
#include "distill/ecn.h"
#include "policy/qtree.h"
#include "policy/verify.h"

#define DEPTHS_MAX	16
#define ORACLE		"oracle"	/* in place of a model */

struct distilling {
	struct lab_files files, test_files;
	struct lab_progress progress;
	const char *teacher, *out, *source, *out_model;
	struct model model;
	unsigned int depth[DEPTHS_MAX];
	size_t depths;
	double calm;
	uint64_t top, min_leaf, rounds, mixes, mix_seed, judge_mixes, test_mixes, test_seed, epochs,
		 rate_percent, jobs, rate_kbps, rtt_us, mtu, limit_bytes, generation, lease_ms;
	struct verify_limits limits;
	const char *rule[VERIFY_RULES];		/* of the limits, as they were given */
};

struct row {
	unsigned int depth;
	struct viper_report report;
	struct distill_score score;
	struct cart cart;
	struct sluice_tree tree;
	size_t leaves, repaired;
};

/* X(option, member, least, most) */
#define NUMBERS(X)								\
	X("top", top, 1, DISTILL_F_NR)						\
	X("min-leaf", min_leaf, 1, 1000000)					\
	X("rounds", rounds, 1, 1000)						\
	X("mixes", mixes, 1, 100000)						\
	X("mix-seed", mix_seed, 0, UINT32_MAX - 1)				\
	X("judge-mixes", judge_mixes, 1, 100000)				\
	X("test-mixes", test_mixes, 1, 100000)					\
	X("test-seed", test_seed, 0, UINT32_MAX)				\
	X("epochs", epochs, 20, 100000)						\
	X("rate-percent", rate_percent, 1, 1000)				\
	X("jobs", jobs, 1, 64)							\
	X("rate-kbps", rate_kbps, 1, 1000000000)				\
	X("rtt-us", rtt_us, 1, 10000000)					\
	X("mtu", mtu, 64, 65536)						\
	X("limit-bytes", limit_bytes, 1514, INT32_MAX)				\
	X("generation", generation, 0, UINT32_MAX)				\
	X("lease-ms", lease_ms, 10, 600000)

static int parse_number(const struct cli *cli, struct distilling *d, int option, const char *text)
{
	const struct { const char *name; uint64_t *to, min, max; } number[] = {
#define X(name, member, min, max) { name, &d->member, min, max },
		NUMBERS(X)
#undef X
	};

	return cli_take_number(cli, number[option].name, text, number[option].min,
			       number[option].max, number[option].to);
}

static int parse_depths(const struct cli *cli, struct distilling *d, char *list)
{
	char *word, *rest = NULL;
	uint64_t depth;

	d->depths = 0;
	for (word = strtok_r(list, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		if (d->depths == DEPTHS_MAX || !cli_number(word, 0, SLUICE_TREE_MAX_DEPTH, &depth))
			return cli_usage(cli, "--depth takes up to %d numbers, each 0 to %d",
					 DEPTHS_MAX, SLUICE_TREE_MAX_DEPTH);
		d->depth[d->depths++] = depth;
	}
	return d->depths ? CLI_OK : cli_usage(cli, "--depth takes a number");
}

static int parse(const struct cli *cli, int argc, char **argv, struct distilling *d)
{
	static const struct option options[] = {
#define X(name, member, min, max) { name, required_argument, NULL, 0 },
		NUMBERS(X)
#undef X
		{ "workload", required_argument, NULL, 'w' },
		{ "link-trace", required_argument, NULL, 'l' },
		{ "test-workload", required_argument, NULL, 'W' },
		{ "test-link-trace", required_argument, NULL, 'L' },
		{ "depth", required_argument, NULL, 'd' },
		{ "calm", required_argument, NULL, 'C' },
		{ "rule", required_argument, NULL, 'r' },
		{ "output", required_argument, NULL, 'o' },
		{ "model", required_argument, NULL, 'm' },
		{ "c", required_argument, NULL, 'c' },
		{ 0 },
	};
	int c, which, r = CLI_OK;
	struct sl_err e;
	char *end;

	opterr = 0;
	optind = 0;
	while (r == CLI_OK && (c = getopt_long(argc, argv, ":o:m:", options, &which)) != -1) {
		if (c == 0)
			r = parse_number(cli, d, which, optarg);
		else if (c == 'w' || c == 'W')
			r = lab_files_add(c == 'w' ? &d->files : &d->test_files, optarg);
		else if (c == 'l' || c == 'L')
			r = lab_files_add_traces(c == 'l' ? &d->files : &d->test_files, optarg);
		else if (c == 'd')
			r = parse_depths(cli, d, optarg);
		else if (c == 'o')
			d->out = optarg;
		else if (c == 'm')
			d->out_model = optarg;
		else if (c == 'c')
			d->source = optarg;
		else if (c == 'C') {
			d->calm = strtod(optarg, &end);
			if (end == optarg || *end || !(d->calm >= 0 && d->calm <= 1000))
				r = cli_usage(cli, "--calm must be 0 to 1000");
		} else if (c == 'r') {
			if (verify_rule_add(&d->limits, optarg, &e))
				r = cli_usage(cli, "%s", e.text);
			else
				d->rule[d->limits.rules - 1] = optarg;
		} else {
			r = cli_usage(cli, c == ':' ? "%s needs a value" :
				      "there is no option '%s'", argv[optind - 1]);
		}
	}
	if (r != CLI_OK)
		return r;
	if (optind + 1 != argc)
		return cli_usage(cli, "%s", optind >= argc ? "distil which teacher?" :
				 "one teacher at a time");
	d->teacher = argv[optind];
	if (!d->files.n)
		return cli_usage(cli, "no --workload given: files of flow sizes");
	if (d->test_seed == d->mix_seed || d->test_seed == d->mix_seed + 1)
		return cli_usage(cli, "the test's mixes would be those of the training: give "
				 "another --test-seed");
	return CLI_OK;
}

static struct distill_queue target(const struct distilling *d)
{
	return (struct distill_queue){ d->rate_kbps * 125.0, d->rtt_us / 1e6, d->mtu,
				       d->limit_bytes };
}

/* For the queue that was asked for, and verified. */
static int finish(const struct distilling *d, const struct distill_ecn *ecn,
		  const struct cart *tree, struct row *row)
{
	const struct distill_queue q = target(d);
	struct verify_report report;
	struct sl_err e;

	if (distill_ecn_tree(ecn, tree, &q, d->generation, d->lease_ms, &row->tree, &row->repaired,
			     &e) ||
	    verify_tree(&row->tree, row->tree.h.size, &d->limits, &report, &e))
		return cli_fail("depth %u: %s", row->depth, e.text);
	row->leaves = report.leaves;
	return CLI_OK;
}

static int one_depth(struct distilling *d, struct distill_ecn *ecn, struct row *row)
{
	const struct viper_config c = {
		.depth = row->depth, .rounds = d->rounds, .min_leaf = d->min_leaf,
		.leaves = DISTILL_LEAVES, .top = d->top < DISTILL_F_NR ? d->top : 0,
		.split = CART_SPREAD,
	};
	const struct viper_task task = distill_ecn_task(ecn);
	const struct lab_files *test = d->test_files.n ? &d->test_files : &d->files;
	const struct mix_files files = lab_files_mix(test, d->epochs, d->rate_percent);
	int r;

	lab_progress_begin(&d->progress, "distilling");
	r = viper(&task, &c, &row->cart, &row->report);
	if (r)
		return cli_fail("distilling: %s", strerror(-r));
	lab_progress_begin(&d->progress, "testing");
	r = distill_ecn_score(ecn, &files, &row->cart, d->test_seed, d->test_mixes, &row->score);
	return r ? cli_fail("testing: %s", strerror(-r)) : finish(d, ecn, &row->cart, row);
}

/* What would make the model again. */
static void compose_command(const struct distilling *d, unsigned int depth, struct model *m)
{
	const struct { const char *name; uint64_t value; } number[] = {
		{ "min-leaf", d->min_leaf }, { "rounds", d->rounds }, { "mixes", d->mixes },
		{ "mix-seed", d->mix_seed }, { "judge-mixes", d->judge_mixes },
		{ "epochs", d->epochs }, { "rate-percent", d->rate_percent }, { "top", d->top },
	};
	const size_t size = sizeof(m->command);
	char *to = m->command;
	size_t n = snprintf(to, size, "sluice distill ecn %s --depth %u --calm %g", d->teacher,
			    depth, d->calm);

	for (size_t i = 0; i < sizeof(number) / sizeof(*number) && n < size; i++)
		n += snprintf(to + n, size - n, " --%s %" PRIu64, number[i].name, number[i].value);
	for (size_t i = 0; i < d->limits.rules && n < size; i++)
		n += snprintf(to + n, size - n, " --rule %s", d->rule[i]);
	for (size_t i = 0; i < d->files.n && n < size; i++)
		n += snprintf(to + n, size - n, "%s%s", i ? "," : " --workload ",
			      d->files.name[i]);
	for (size_t i = 0; i < d->files.traces && n < size; i++)
		n += snprintf(to + n, size - n, "%s%s", i ? "," : " --link-trace ",
			      d->files.trace_name[i]);
}

/* K / (C * RTT) that the teacher begins with. */
static double first_ratio(const struct distilling *d, const struct distill_queue *q)
{
	const struct ecn_interval in = {
		.seconds = 0.05, .capacity_bps = q->capacity_bps, .rtt_s = q->rtt_s,
		.mtu_bytes = q->mtu_bytes, .limit_bytes = q->limit_bytes,
	};
	double ratio = 1;
	struct policy *p;

	if (!policy_new(&d->model, &p, NULL)) {
		ratio = policy_start(p, &in).qth_min / distill_bdp_bytes(q);
		policy_free(p);
	}
	return ratio;
}

static int write_qtree(const struct distilling *d, const struct row *row)
{
	const struct distill_queue q = target(d);
	struct qtree t = {
		.teacher_crc = strcmp(d->teacher, ORACLE) ? model_crc(&d->model) : 0, .depth = row->depth,
		.round = row->report.round, .states = row->report.states,
		.start = first_ratio(d, &q), .rules = d->limits.rules, .cart = row->cart,
	};
	struct model m = { 0 };
	struct sl_err e;
	int r;

	snprintf(t.teacher, sizeof(t.teacher), "%.*s", QTREE_TEACHER_MAX - 1, d->teacher);
	memcpy(t.rule, d->limits.rule, sizeof(t.rule));
	r = qtree_set(&m, &t);
	compose_command(d, row->depth, &m);
	if (r)
		r = sl_err(&e, r, "%s: %s", d->out_model, strerror(-r));
	else
		r = model_write(&m, d->out_model, &e);
	model_free(&m);
	return r ? cli_fail_err(&e) : CLI_OK;
}

static int write_file(const char *path, const struct sluice_tree *t, bool source)
{
	FILE *to = fopen(path, "we");
	bool bad = !to;

	if (to && source)
		bad = c_source_write(t, "sluice_tree", to) != 0;
	else if (to)
		bad = fwrite(t, t->h.size, 1, to) != 1;
	if (to && fclose(to))
		bad = true;
	return bad ? cli_fail("cannot write %s: %s", path, strerror(errno)) : CLI_OK;
}

static void print_row(const struct row *r)
{
	const double se = 196 * r->score.loss_se;

	printf("%5u %6.2f [%6.2f, %6.2f] %8.1f %9.2f %6u %7u %7zu %6u %7zu %6u %7zu\n", r->depth,
	       100 * r->score.loss, 100 * r->score.loss - se, 100 * r->score.loss + se,
	       100 * r->score.same, 100 * r->score.regret, r->tree.h.n_nodes, r->tree.h.n_actions,
	       r->leaves, r->tree.h.size, r->report.states, r->report.round, r->repaired);
	fflush(stdout);
}

static json_t *row_json(const struct row *r)
{
	return json_pack("{s:I s:f s:f s:f s:f s:I s:I s:I s:I s:I s:I s:I}", "depth",
		(json_int_t)r->depth, "loss", r->score.loss, "loss_se", r->score.loss_se,
		"fidelity", r->score.same, "regret", r->score.regret, "nodes",
		(json_int_t)r->tree.h.n_nodes, "actions", (json_int_t)r->tree.h.n_actions,
		"leaves", (json_int_t)r->leaves, "bytes", (json_int_t)r->tree.h.size, "states",
		(json_int_t)r->report.states, "round", (json_int_t)r->report.round, "repaired",
		(json_int_t)r->repaired);
}

static int all_depths(const struct cli *cli, struct distilling *d, struct distill_ecn *ecn)
{
	json_t *rows = cli->json ? json_array() : NULL;
	struct row row, best = { .report.cost = INFINITY };
	int r = CLI_OK;

	if (!rows)
		printf("%s on %" PRIu64 " mixes of seed %" PRIu64 "; a tree for %" PRIu64
		       " kbit/s, %" PRIu64 " us\n%5s %23s %8s %9s %6s %7s %7s %6s %7s %6s %7s\n",
		       d->teacher, d->test_mixes, d->test_seed, d->rate_kbps, d->rtt_us, "depth",
		       "loss, % [95 %]      ", "same, %", "regret, %", "nodes", "actions",
		       "leaves", "bytes", "states", "round", "changed");
	for (size_t i = 0; r == CLI_OK && i < d->depths; i++) {
		row = (struct row){ .depth = d->depth[i] };
		r = one_depth(d, ecn, &row);
		if (r == CLI_OK && rows)
			json_array_append_new(rows, row_json(&row));
		else if (r == CLI_OK)
			print_row(&row);
		/* Not by the test, which is to say what was chosen is worth. */
		if (r == CLI_OK && row.report.cost < best.report.cost) {
			cart_free(&best.cart);
			best = row;
		} else {
			cart_free(&row.cart);
		}
	}
	if (r == CLI_OK && d->out)
		r = write_file(d->out, &best.tree, false);
	if (r == CLI_OK && d->source)
		r = write_file(d->source, &best.tree, true);
	if (r == CLI_OK && d->out_model)
		r = write_qtree(d, &best);
	cart_free(&best.cart);
	if (!rows)
		return r;
	if (r == CLI_OK)
		return cli_print_json(json_pack("{s:s s:I s:o}", "teacher", d->teacher, "written",
						(json_int_t)best.depth, "rows", rows));
	json_decref(rows);
	return r;
}

static int distill(const struct cli *cli, struct distilling *d)
{
	struct distill_ecn ecn = {
		.files = lab_files_mix(&d->files, d->epochs, d->rate_percent),
		.par = { d->jobs, lab_progress_tick, &d->progress },
		.teacher = &d->model, .oracle = !strcmp(d->teacher, ORACLE), .limits = &d->limits, .calm = d->calm, .seed = d->mix_seed,
		.judge_seed = d->mix_seed + 1, .mixes = d->mixes, .judge_mixes = d->judge_mixes,
	};
	struct policy *p;
	struct sl_err e;
	int r;

	if (model_read(ecn.oracle ? MODEL_SHIPPED : d->teacher, &d->model, &e))
		return cli_fail_err(&e);
	if (policy_new(&d->model, &p, &e))
		return cli_fail("%s: %s", d->teacher, e.text);
	policy_free(p);
	r = all_depths(cli, d, &ecn);
	distill_ecn_fini(&ecn);
	return r;
}

int cmd_distill(struct cli *cli, int argc, char **argv)
{
	struct distilling d = {
		.depth = { 5, 10, 15, 20 }, .depths = 4, .top = DISTILL_F_NR, .min_leaf = 20,
		.rounds = 4, .mixes = 240, .mix_seed = 11, .judge_mixes = 192, .test_mixes = 192,
		.test_seed = 7, .epochs = MIX_EPOCHS, .rate_percent = 100, .rate_kbps = 1000000,
		.rtt_us = 1000, .mtu = 1514, .limit_bytes = MIX_LIMIT_BYTES, .generation = 1,
		.lease_ms = 60000, .jobs = sysconf(_SC_NPROCESSORS_ONLN),
		.limits = verify_limits_default(),
	};
	int r;

	if (argc && !strcmp(argv[0], "steer"))
		return cmd_distill_steer(cli, argc, argv);
	if (!argc || strcmp(argv[0], "ecn"))
		return cli_usage(cli, argc ? "there is no 'distill %s'" : "distil what?",
				 argc ? argv[0] : "");
	r = parse(cli, argc, argv, &d);
	if (r == CLI_OK)
		r = distill(cli, &d);
	model_free(&d.model);
	lab_files_free(&d.files);
	lab_files_free(&d.test_files);
	return r;
}
