// SPDX-License-Identifier: GPL-2.0
#include "cli/train_seeds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/clock.h"
#include "policy/par.h"

void train_tell(void *arg, uint64_t done, uint64_t all, double plotted)
{
	struct train_told *told = arg;
	const double now = monotonic_s();
	double rate;

	/* Where it began is not said, since it may have gone on. */
	if (!told->first) {
		told->first = done;
		told->started = told->next = now;
	}
	if ((done < all && now < told->next) || (now == told->started && done < all))
		return;
	told->next = now + 5;
	rate = now > told->started ? (double)(done - told->first) / (now - told->started) : 0;
	fprintf(stderr, "seed %" PRIu64 ": %" PRIu64 " of %" PRIu64 " episodes, ", told->seed, done,
		all);
	if (rate > 0)
		fprintf(stderr, "%.1f/s, %.0f %s/s, %.0f s left, ", rate, rate * told->steps,
			told->unit, (double)(all - done) / rate);
	fprintf(stderr, "lately %.4g %s\n", told->times * plotted, told->plotted);
}

static void seed_path(const struct train_seeds *t, size_t i, char path[4096])
{
	if (t->seeds == 1)
		snprintf(path, 4096, "%s", t->out);
	else
		snprintf(path, 4096, "%s.seed%" PRIu64, t->out, t->seed + i);
}

struct result {
	struct train_report report;
	struct sl_err error;
	int failed;
};

/* In a process of its own; what goes wrong is told by the parent. */
static int train_one(void *ctx, size_t i, void *result)
{
	const struct train_seeds *t = ctx;
	char path[4096], command[MODEL_COMMAND_MAX + 32];
	struct result *out = result;

	seed_path(t, i, path);
	snprintf(command, sizeof(command), "%s --seed %" PRIu64, t->command, t->seed + i);
	command[MODEL_COMMAND_MAX - 1] = 0;
	out->failed = t->train(t->ctx, t->seed + i, path, command, &out->report, &out->error);
	return 0;
}

struct judged {
	double over;
	size_t seed;
};

static int by_over(const void *a, const void *b)
{
	const double x = ((const struct judged *)a)->over, y = ((const struct judged *)b)->over;

	return (x > y) - (x < y);
}

/* Judges each seed's model; the median one becomes the model. */
static int choose_median(const struct train_seeds *t, const struct result *result)
{
	struct judged judged[TRAIN_SEEDS_MAX];
	struct model m = { 0 };
	struct sl_err e;
	char path[4096];

	for (size_t i = 0; i < t->seeds; i++) {
		seed_path(t, i, path);
		if (model_read(path, &m, &e))
			return cli_fail_err(&e);
		judged[i].seed = i;
		if (t->judge(t->ctx, &m, &judged[i].over, &e)) {
			model_free(&m);
			return cli_fail_err(&e);
		}
		model_free(&m);
		printf("seed %" PRIu64 ": %.1f %% over %s, acting greedily%s\n", t->seed + i,
		       100 * judged[i].over, t->over, result[i].report.diverged ?
		       "; training stopped, the numbers were not finite any more" : "");
	}
	if (t->seeds == 1)
		return CLI_OK;
	qsort(judged, t->seeds, sizeof(*judged), by_over);
	seed_path(t, judged[t->seeds / 2].seed, path);
	if (model_read(path, &m, &e) || model_write(&m, t->out, &e)) {
		model_free(&m);
		return cli_fail_err(&e);
	}
	model_free(&m);
	printf("%s is the median one, seed %" PRIu64 "\n", t->out,
	       t->seed + judged[t->seeds / 2].seed);
	return CLI_OK;
}

int train_seeds(const struct train_seeds *t)
{
	struct result *result = calloc(t->seeds, sizeof(*result));
	const struct par par = { .jobs = (unsigned int)t->jobs };
	int r;

	if (!result)
		return cli_fail("out of memory");
	r = par_run(&par, t->seeds, train_one, (void *)t, result, sizeof(*result));
	if (r)
		r = cli_fail("training: %s", strerror(-r));
	for (size_t i = 0; !r && i < t->seeds; i++) {
		if (result[i].failed)
			r = cli_fail_err(&result[i].error);
		else if (result[i].report.resumed_at)
			printf("seed %" PRIu64 ": went on from episode %" PRIu64 "\n", t->seed + i,
			       result[i].report.resumed_at);
	}
	if (!r)
		r = choose_median(t, result);
	free(result);
	return r;
}
