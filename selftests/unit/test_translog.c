// SPDX-License-Identifier: GPL-2.0
/* user/rl/translog.c and its reader: what is written is read, whatever becomes of the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/ecn_agent.h"
#include "daemon/steer_agent.h"
#include "lib/rng.h"
#include "rl/translog.h"

#define FEATURES	3
#define ROWS		4

static char dir[] = "/tmp/sluice-test-log-XXXXXX";
static char path[64], older[2][80];

static struct translog_shape shape(void)
{
	return (struct translog_shape){
		.agent = "test", .n_features = FEATURES, .outputs = 2, .max_rows = ROWS,
		.reward_scale = 0.5f,
		.feature = { { "load", "CPU share" }, { "wait", "us" }, { "flag", "1" } },
	};
}

/* Row number n, which tells everything in it. */
static struct translog_row make(unsigned int n, float x[2][ROWS * FEATURES], uint8_t mask[ROWS * 2])
{
	struct translog_row row = {
		.time_ns = 1000000000ULL * n, .policy = n / 10, .object = n % 7,
		.flags = n % 3 ? 0 : TRANSLOG_EXPLORED, .probability = 1.0f / (1 + n % 5),
		.reward = sinf(n), .discount = 0.8f, .rows = 1 + n % ROWS,
		.next_rows = n % (ROWS + 1), .mask = mask, .x = x[0], .next_x = x[1],
	};
	struct rng r;

	rng_seed(&r, n);
	for (int i = 0; i < 2 * ROWS * FEATURES; i++)
		x[i / (ROWS * FEATURES)][i % (ROWS * FEATURES)] = rng_uniform(&r);
	for (int i = 0; i < ROWS * 2; i++)
		mask[i] = rng_below(&r, 2);
	row.action = rng_below(&r, row.rows * 2);
	mask[row.action] = 1;
	return row;
}

static void add(struct translog *t, unsigned int n, int expected)
{
	float x[2][ROWS * FEATURES];
	uint8_t mask[ROWS * 2];
	struct translog_row row = make(n, x, mask);

	assert_int_equal(translog_add(t, &row, NULL), expected);
}

static void check_row(const struct translog_row *got, unsigned int n)
{
	float x[2][ROWS * FEATURES];
	uint8_t mask[ROWS * 2];
	const struct translog_row want = make(n, x, mask);

	assert_int_equal(got->time_ns, want.time_ns);
	assert_int_equal(got->policy, want.policy);
	assert_int_equal(got->object, want.object);
	assert_int_equal(got->flags, want.flags);
	assert_int_equal(got->action, want.action);
	assert_true(got->probability == want.probability && got->reward == want.reward &&
		    got->discount == want.discount);
	assert_int_equal(got->rows, want.rows);
	assert_int_equal(got->next_rows, want.next_rows);
	assert_memory_equal(got->mask, mask, want.rows * 2);
	assert_memory_equal(got->x, x[0], want.rows * FEATURES * sizeof(float));
	if (want.next_rows)
		assert_memory_equal(got->next_x, x[1], want.next_rows * FEATURES * sizeof(float));
	for (unsigned int i = 0; i < want.next_rows * 2; i++)
		assert_int_equal(got->next_mask[i], 1);
}

static struct translog *open_log(uint64_t max_bytes, unsigned int files)
{
	const struct translog_config c = { path, max_bytes, files };
	const struct translog_shape s = shape();
	struct translog *t = NULL;

	assert_int_equal(translog_open(&c, &s, &t, NULL), 0);
	return t;
}

/* The rows of a file, the first of which has the number "first"; returns how many, or -errno. */
static int count(const char *name, unsigned int first, uint64_t *torn)
{
	struct translog_reader *r;
	struct translog_row row;
	struct sl_err e;
	int n = 0, more;

	more = translog_read_open(name, &r, &e);
	if (more)
		return more;
	for (; (more = translog_read_next(r, &row, &e)) == 1; n++)
		check_row(&row, first + n);
	if (torn)
		*torn = translog_read_torn(r);
	translog_read_close(r);
	return more ? more : n;
}

static off_t size_of(const char *name)
{
	struct stat st;

	return stat(name, &st) ? -1 : st.st_size;
}

static void test_write_read(void **state)
{
	struct translog *t = open_log(1000000, 3);
	struct translog_stats s;
	const char *const names[] = { path };
	struct translog_set set;

	(void)state;
	for (unsigned int i = 0; i < 2000; i++)
		add(t, i, 0);
	translog_stats(t, &s);
	assert_int_equal(s.rows, 2000);
	assert_true(s.bytes > 1000);		/* some blocks were full */
	translog_close(t);
	assert_int_equal(count(path, 0, NULL), 2000);
	/* Reopened, it goes on. */
	t = open_log(1000000, 3);
	add(t, 2000, 0);
	translog_close(t);
	assert_int_equal(count(path, 0, NULL), 2001);
	assert_int_equal(size_of(older[0]), -1);
	assert_int_equal(translog_set_read(names, 1, &set, NULL), 0);
	assert_int_equal(set.n, 2001);
	for (unsigned int i = 0; i < set.n; i++)
		check_row(&set.rows[i], i);
	assert_string_equal(set.shape.feature[1].unit, "us");
	translog_set_free(&set);
}

static void test_refused_rows(void **state)
{
	struct translog *t = open_log(1000000, 3);
	float x[2][ROWS * FEATURES];
	uint8_t mask[ROWS * 2];
	struct translog_row row = make(1, x, mask);	/* two rows */
	struct translog_row bad;
	struct translog_stats s;

	(void)state;
#define refused(change) do {						\
	bad = row;							\
	change;								\
	assert_int_equal(translog_add(t, &bad, NULL), -EINVAL);		\
} while (0)
	refused(bad.rows = 0);
	refused(bad.rows = ROWS + 1);
	refused(bad.next_rows = ROWS + 1);
	refused(bad.action = bad.rows * 2);
	refused(bad.probability = 0);
	refused(bad.probability = 1.5f);
	refused(bad.probability = NAN);
	refused(bad.reward = INFINITY);
	refused(bad.discount = -1);
	refused(mask[row.action] = 0);
	mask[row.action] = 1;
	refused(x[0][0] = NAN);
	x[0][0] = 0;
	assert_int_equal(translog_add(t, &row, NULL), 0);
	translog_stats(t, &s);
	assert_int_equal(s.lost, 11);
	translog_close(t);
}

/* The number of a file's first row. */
static unsigned int first_of(const char *name)
{
	struct translog_reader *r;
	struct translog_row row;

	assert_int_equal(translog_read_open(name, &r, NULL), 0);
	assert_int_equal(translog_read_next(r, &row, NULL), 1);
	translog_read_close(r);
	return row.time_ns / 1000000000;
}

/* Many files' worth: so many are left, each below its size, and none of the newest rows is lost. */
static void test_rotation(void **state)
{
	const uint64_t max = 140000;
	struct translog *t = open_log(max, 3);
	struct translog_stats s;
	unsigned int first, before;
	char third[80];

	(void)state;
	unlink(path);
	for (unsigned int i = 0; i < 20000; i++)
		add(t, i, 0);
	translog_stats(t, &s);
	assert_true(s.rotated > 3 && !s.lost);
	translog_close(t);
	assert_true(size_of(path) <= (off_t)max && size_of(older[0]) <= (off_t)max);
	assert_true(size_of(older[0]) > (off_t)max / 2);
	first = first_of(path);
	assert_int_equal(first + count(path, first, NULL), 20000);
	before = first_of(older[0]);
	assert_int_equal(before + count(older[0], before, NULL), first);
	assert_true(size_of(older[1]) > 0);
	snprintf(third, sizeof(third), "%s.3", path);
	assert_int_equal(size_of(third), -1);
}

/* At every length a log can be read up to its last whole block; damage within is found. */
static void test_damage(void **state)
{
	struct translog *t = open_log(1000000, 3);
	uint64_t torn;
	off_t size;
	int fd, last = 0, n;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 3);
	for (unsigned int i = 0; i < 60; i++) {
		add(t, i, 0);
		if (i % 20 == 19)
			assert_int_equal(translog_flush(t, NULL), 0);
	}
	translog_close(t);
	size = size_of(path);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	for (int i = 0; i < 300; i++) {
		const off_t at = 200 + rng_below(&rng, size - 200);
		uint8_t byte, other;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		other = byte ^ (1 + rng_below(&rng, 255));
		assert_int_equal(pwrite(fd, &other, 1, at), 1);
		n = count(path, 0, &torn);
		assert_true(n == -EBADMSG || (n < 60 && torn));
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	for (off_t cut = size; cut >= 0; cut--) {
		assert_int_equal(ftruncate(fd, cut), 0);
		n = count(path, 0, &torn);
		assert_true(n == -EBADMSG ? cut < 200 : n % 20 == 0 && (n == 60) == (cut == size));
		last = n;
	}
	assert_int_equal(last, -EBADMSG);
	close(fd);
	/* What is no sound log of this shape is put aside, and not lost. */
	t = open_log(1000000, 3);
	add(t, 0, 0);
	translog_close(t);
	assert_int_equal(count(path, 0, NULL), 1);
	assert_int_equal(size_of(older[0]), 0);
}

static void test_other_shape(void **state)
{
	const struct translog_config c = { path, 1000000, 3 };
	const char *const names[] = { older[0], path };
	struct translog *t = open_log(1000000, 3);
	struct translog_shape s = shape();
	struct translog_set set;
	struct sl_err e;

	(void)state;
	add(t, 0, 0);
	translog_close(t);
	strcpy(s.feature[1].unit, "ms");
	assert_int_equal(translog_open(&c, &s, &t, NULL), 0);
	add(t, 0, 0);
	translog_close(t);
	assert_int_equal(count(older[0], 0, NULL), 1);
	assert_int_equal(translog_set_read(names, 2, &set, &e), -EINVAL);
	assert_non_null(strstr(e.text, "of another shape"));
	s.n_features = 0;
	assert_int_equal(translog_open(&c, &s, &t, &e), -EINVAL);
}

/* A full disk, played by a limit on the size of files: lost, counted, sound, and then on again. */
static void test_disk_full(void **state)
{
	struct translog *t = open_log(1000000, 3);
	struct rlimit old, small;
	struct translog_stats s;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	for (unsigned int i = 0; i < 20; i++)
		add(t, i, 0);
	assert_int_equal(translog_flush(t, NULL), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = (rlim_t)size_of(path) + 100;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (unsigned int i = 100; i < 120; i++)
		add(t, i, 0);
	assert_int_equal(translog_flush(t, NULL), -EFBIG);
	translog_stats(t, &s);
	assert_int_equal(s.lost, 20);
	assert_int_equal(count(path, 0, NULL), 20);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	for (unsigned int i = 20; i < 40; i++)
		add(t, i, 0);
	translog_close(t);
	assert_int_equal(count(path, 0, NULL), 40);
}

/* --- the agents ------------------------------------------------------------------- */

struct seen {
	struct translog_shape shape;
	unsigned int n, explored;
	double inverse[2];	/* sums of 1 / p of what stayed, and of what moved */
	struct translog_row last;
	float next_x[8 * 32];
};

static void on_row(void *data, const struct translog_row *row)
{
	struct seen *s = data;

	assert_true(row->probability > 0 && row->probability <= 1);
	assert_true(row->rows && row->action < row->rows);
	/* What followed the one is what the next began with. */
	if (s->n)
		assert_memory_equal(row->x, s->next_x, sizeof(float) * s->shape.n_features);
	memcpy(s->next_x, row->next_x, sizeof(float) * s->shape.n_features);
	s->inverse[row->action != 0] += 1.0 / row->probability;
	s->explored += row->flags & TRANSLOG_EXPLORED;
	s->last = *row;
	s->n++;
}

/*
 * A queue under an untrained agent that explores: it stays but for exploring steps. By the inverse
 * of its probabilities every action stands for one choice among all, whatever was chosen.
 */
static void test_ecn(void **state)
{
	struct ecn_interval in = {
		.seconds = 0.05, .capacity_bps = 12.5e6, .rtt_s = 2e-3, .mtu_bytes = 1514,
		.limit_bytes = 4000000, .tx_bytes = 500000, .ce_bytes = 1000, .backlogged_s = 0.04,
		.avg_backlog_bytes = 20000, .sojourn_p95_s = 1e-3,
		.setting = { 12000, 24000, 100000 },
	};
	struct seen seen = { .n = 0 };
	struct ecn_agent_config c;
	struct ecn_decision d;
	struct ecn_agent *a;
	const unsigned int steps = 4000;

	(void)state;
	ecn_agent_config_default(&c);
	c.explore = true;
	c.learn = false;
	c.epsilon = 0.25;
	c.regret_budget = 1e9;
	assert_int_equal(ecn_agent_new(&c, &a), 0);
	ecn_agent_shape(&seen.shape);
	ecn_agent_watch(a, on_row, &seen);
	for (unsigned int i = 0; i < steps; i++) {
		in.avg_backlog_bytes = 15000 + i % 100 * 100;
		assert_int_equal(ecn_agent_decide(a, 0, &in, &d), 0);
		assert_true(d.explored || fabs(d.probability - 0.75) < 1e-6);
		ecn_agent_applied(a, 0, true);
		in.setting = d.triple;
	}
	assert_int_equal(seen.n, steps - 1);
	assert_true(fabs(seen.explored / (double)steps - 0.25) < 0.03);
	assert_true(fabs(seen.inverse[0] / steps - 1.0) < 0.05);
	/* There are some five or six other candidates. */
	assert_true(seen.inverse[1] / steps > 3.0 && seen.inverse[1] / steps < 6.5);
	/* What is not applied is not told. */
	ecn_agent_decide(a, 0, &in, &d);
	ecn_agent_applied(a, 0, false);
	ecn_agent_decide(a, 0, &in, &d);
	assert_int_equal(seen.n, steps);
	ecn_agent_free(a);
}

static void on_move(void *data, const struct translog_row *row)
{
	struct seen *s = data;

	assert_true(row->probability > 0 && row->probability <= 1);
	assert_true(row->rows == 2 && row->next_rows == 2 && row->action < 2);
	s->n++;
	s->explored += row->flags & TRANSLOG_EXPLORED;
	if (row->flags & TRANSLOG_EXPLORED)
		assert_true(fabsf(row->probability - 0.5f / 3) < 1e-5f);
	/* The three objects of the CPU that is busier may be moved, the fourth may not. */
	if (row->object == 3)
		assert_true(row->probability == 1.0f);
	else if (!row->action)
		assert_true(fabsf(row->probability - (1.0f - 0.5f / 3)) < 1e-5f);
}

static void test_steer(void **state)
{
	const struct steer_cpu_obs cpus[2] = {
		{ .cpu = 0, .util = 0.9, .pps = 3000, .wait_p95_s = -1 },
		{ .cpu = 1, .util = 0.2, .pps = 1000, .wait_p95_s = -1 },
	};
	const struct steer_object objects[4] = {
		{ .id = 0, .cpu = 0, .pps = 1000, .bps = 1e6 },
		{ .id = 1, .cpu = 0, .pps = 1000, .bps = 1e6 },
		{ .id = 2, .cpu = 0, .pps = 1000, .bps = 1e6 },
		{ .id = 3, .cpu = 1, .pps = 1000, .bps = 1e6 },
	};
	const struct steer_interval in = { 0.1, cpus, 2, objects, 4 };
	const bool applied[4] = { true, true, true, true };
	struct seen seen = { .n = 0 };
	struct steer_agent_config c;
	struct steer_move moves[4];
	struct steer_agent *a;
	double reward;
	int n, all = 0;

	(void)state;
	steer_agent_config_default(&c);
	c.explore = true;
	c.learn = false;
	c.epsilon = 0.5;
	assert_int_equal(steer_agent_new(&c, &a), 0);
	assert_int_equal(steer_agent_watch(a, on_move, &seen), 0);
	for (int i = 0; i < 2000; i++) {
		n = steer_agent_decide(a, &in, moves, 4, &reward);
		assert_true(n >= 0);
		all += n;
		steer_agent_applied(a, applied, n);
	}
	assert_true(seen.n > 7900 && seen.n <= 8000);
	assert_true(all > 900 && all < 1100 && abs(all - (int)seen.explored) <= 1);
	steer_agent_free(a);
}

static int clean(void **state)
{
	(void)state;
	unlink(path);
	unlink(older[0]);
	unlink(older[1]);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_write_read, clean),
		cmocka_unit_test_teardown(test_refused_rows, clean),
		cmocka_unit_test_teardown(test_rotation, clean),
		cmocka_unit_test_teardown(test_damage, clean),
		cmocka_unit_test_teardown(test_other_shape, clean),
		cmocka_unit_test_teardown(test_disk_full, clean),
		cmocka_unit_test(test_ecn),
		cmocka_unit_test(test_steer),
	};

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(older[0], sizeof(older[0]), "%s.1", path);
	snprintf(older[1], sizeof(older[1]), "%s.2", path);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, finish);
}
