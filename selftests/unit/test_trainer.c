// SPDX-License-Identifier: GPL-2.0
/* Training whatever it is that learns: blocks, checkpoints, going on, going back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "policy/par.h"
#include "policy/trainer.h"

/* It knows how many episodes it has seen, and breaks in one of them. */
struct counter {
	double seen;
	uint64_t break_at;
};

static int make(const void *config, void **ret)
{
	struct counter *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->break_at = *(const uint64_t *)config;
	*ret = c;
	return 0;
}

static int episode(void *learner, uint64_t n, double *plotted, double *beside)
{
	struct counter *c = learner;

	assert_true((double)n == c->seen);
	c->seen++;
	*plotted = -(double)n;
	*beside = 1;
	return n == c->break_at ? -EDOM : 0;
}

static int model(const void *learner, struct model *m)
{
	return model_set_numbers(m, "counter", &((const struct counter *)learner)->seen, 1);
}

static int restore(void *learner, const struct model *m)
{
	size_t n;
	const double *number = model_numbers(m, &n);

	if (strcmp(m->kind, "counter") || !number || n != 1)
		return -EBADMSG;
	((struct counter *)learner)->seen = *number;
	return 0;
}

static const struct trainer_ops ops = {
	.make = make, .free = free, .episode = episode, .model = model, .restore = restore,
};

static char dir[] = "/tmp/test_trainer.XXXXXX", out[64];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(out, sizeof(out), "%s/m", dir);
	return 0;
}

static void remove_one(const char *ending)
{
	char path[80];

	snprintf(path, sizeof(path), "%s%s", out, ending);
	unlink(path);
}

static int remove_files(void **state)
{
	(void)state;
	remove_one("");
	remove_one(".csv");
	remove_one(".svg");
	remove_one(".checkpoint");
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static bool exists(const char *ending)
{
	char path[80];

	snprintf(path, sizeof(path), "%s%s", out, ending);
	return !access(path, F_OK);
}

static const uint64_t never = UINT64_MAX;

static struct trainer_config config(const uint64_t *break_at)
{
	return (struct trainer_config){
		.ops = &ops, .learner = break_at, .settings = "some", .episodes = 50, .block = 4,
		.names = { "loss", "count", "a text" }, .out = out, .command = "a test",
		.checkpoint_s = 1000,
	};
}

static double result(void)
{
	struct model m = { 0 };
	size_t n;
	double seen;

	assert_int_equal(model_read(out, &m, NULL), 0);
	assert_string_equal(m.kind, "counter");
	assert_string_equal(m.command, "a test");
	seen = *model_numbers(&m, &n);
	model_free(&m);
	return seen;
}

static void trains(void **state)
{
	const struct trainer_config c = config(&never);
	char path[80], line[80];
	struct train_report report;
	FILE *f;

	(void)state;
	assert_int_equal(trainer_run(&c, &report, NULL), 0);
	assert_true(report.episodes == 50 && !report.resumed_at && !report.diverged);
	assert_true(result() == 50);
	assert_true(exists(".svg") && !exists(".checkpoint"));
	snprintf(path, sizeof(path), "%s.csv", out);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_string_equal(fgets(line, sizeof(line), f), "episode,count,loss\n");
	assert_string_equal(fgets(line, sizeof(line), f), "4,1.000000,-1.500000\n");
	for (int i = 0; i < 12; i++)
		assert_non_null(fgets(line, sizeof(line), f));
	/* Two were left over for the last block. */
	assert_string_equal(line, "50,1.000000,-48.500000\n");
	assert_null(fgets(line, sizeof(line), f));
	fclose(f);
}

/* No checkpoint was due since the beginning, and yet only the block that broke is lost. */
static void goes_back(void **state)
{
	const uint64_t broken[] = { 0, 3, 4, 30, 49 }, good[] = { 0, 0, 4, 28, 48 };

	(void)state;
	for (int i = 0; i < 5; i++) {
		const struct trainer_config c = config(&broken[i]);
		struct train_report report;

		assert_int_equal(trainer_run(&c, &report, NULL), 0);
		assert_true(report.diverged && report.episodes == good[i]);
		assert_true(result() == (double)good[i]);
	}
}

static uint64_t stop_after;

/* As if it were killed. */
static void die(void *arg, uint64_t done, uint64_t all, double plotted)
{
	(void)arg;
	(void)all;
	(void)plotted;
	if (done > stop_after)
		_exit(3);
}

static int run_in_child(void *ctx, size_t i, void *unused)
{
	struct train_report report;

	(void)i;
	(void)unused;
	return trainer_run(ctx, &report, NULL);
}

static void goes_on(void **state)
{
	const struct par par = { .jobs = 1 };
	struct trainer_config c = config(&never);
	struct train_report report;
	struct sl_err e;

	(void)state;
	c.progress = die;
	c.checkpoint_s = 0;
	for (stop_after = 10; stop_after < 40; stop_after += 15)
		assert_int_equal(par_run(&par, 1, run_in_child, &c, &report, 0), -ECHILD);
	assert_true(exists(".checkpoint") && !exists(""));
	c.progress = NULL;
	c.settings = "others";
	assert_int_equal(trainer_run(&c, &report, &e), -EINVAL);
	assert_non_null(strstr(e.text, "other settings (some)"));
	c.settings = "some";
	assert_int_equal(trainer_run(&c, &report, &e), 0);
	/* Killed at the block's end after 25, at 28, when the checkpoint was that of 24. */
	assert_true(report.resumed_at == 24 && report.episodes == 50 && result() == 50);
}

static void refuses(void **state)
{
	struct trainer_config c = config(&never);
	struct train_report report;
	struct model m = { .kind = "checkpoint", .command = "some" };
	char path[80];
	struct sl_err e;

	(void)state;
	snprintf(path, sizeof(path), "%s.checkpoint", out);
	/* Well-formed, but its learner is none of ours; too short; more points than there are. */
	for (int i = 0; i < 3; i++) {
		uint64_t data[8] = { 4, i == 2 ? 1000 : 0 };

		memcpy(data + 2, "bush", 5);
		m.data = data;
		m.size = i == 1 ? 9 : sizeof(data);
		assert_int_equal(model_write(&m, path, NULL), 0);
		assert_int_equal(trainer_run(&c, &report, &e), -EBADMSG);
		assert_non_null(strstr(e.text, path));
		assert_false(exists(""));
	}
	remove_files(NULL);
	c.out = "/nonexistent/m";
	assert_int_equal(trainer_run(&c, &report, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nonexistent/m"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(trains, remove_files),
		cmocka_unit_test_teardown(goes_back, remove_files),
		cmocka_unit_test_teardown(goes_on, remove_files),
		cmocka_unit_test_teardown(refuses, remove_files),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
