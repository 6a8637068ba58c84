// SPDX-License-Identifier: GPL-2.0
/* From the log that an agent left to a model that an agent takes, and what is refused on the way. */
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

#include "lab/toy_queue.h"
#include "policy/learned.h"
#include "policy/offline_learn.h"
#include "policy/policy.h"
#include "policy/steer_model.h"
#include "rl/translog.h"

static char dir[] = "/tmp/test_offline_learn.XXXXXX", log_path[64], model_path[64], other[64];
static double behaved;		/* mean reward of who made the log */

static void add(void *log, const struct translog_row *row)
{
	assert_int_equal(translog_add(log, row, NULL), 0);
}

static struct ecn_agent *agent(bool explore)
{
	struct ecn_agent_config c;
	struct ecn_agent *a;

	ecn_agent_config_default(&c);
	c.explore = explore;
	c.epsilon = 0.5;
	c.regret_budget = HUGE_VAL;
	c.learn = false;
	assert_int_equal(ecn_agent_new(&c, &a), 0);
	return a;
}

static struct translog *open_log(const char *path, const struct translog_shape *s)
{
	const struct translog_config c = { .path = path, .max_bytes = 1 << 30, .files = 1 };
	struct translog *log;

	unlink(path);
	assert_int_equal(translog_open(&c, s, &log, NULL), 0);
	return log;
}

static int make_log(void **state)
{
	struct ecn_agent *a = agent(true);
	struct translog_shape shape;
	struct translog *log;

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(log_path, sizeof(log_path), "%s/t.ecn", dir);
	snprintf(model_path, sizeof(model_path), "%s/m", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	ecn_agent_shape(&shape);
	log = open_log(log_path, &shape);
	ecn_agent_watch(a, add, log);
	behaved = toy_queue_run(a, 8000, 1);
	translog_close(log);
	ecn_agent_free(a);
	return 0;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static struct offline_data read_log(void)
{
	const char *path = log_path;
	struct offline_data d;
	struct sl_err e = { "" };

	if (offline_read(&path, 1, false, &d, &e))
		fail_msg("%s", e.text);
	return d;
}

static void train(const struct offline_config *config, uint64_t episodes, struct train_report *r)
{
	char settings[MODEL_COMMAND_MAX];
	const struct trainer_config c = {
		.ops = &offline_ops, .learner = config, .settings = settings,
		.names = offline_names[config->kind], .episodes = episodes,
		.block = OFFLINE_BLOCK, .out = model_path, .command = "a test",
		.checkpoint_s = 1000,
	};

	offline_describe(config, episodes, settings, sizeof(settings));
	assert_int_equal(trainer_run(&c, r, NULL), 0);
}

/* What an agent is paid that acts by the model. */
static double paid(const struct model *m)
{
	struct ecn_agent *a = agent(false);
	double start, mean;
	size_t size;
	const void *blob = learned_blob(m, &start, &size);

	assert_non_null(blob);
	assert_int_equal(ecn_agent_load(a, blob, size), 0);
	mean = toy_queue_run(a, 4000, 2);
	ecn_agent_free(a);
	return mean;
}

static void the_data(void **state)
{
	struct offline_data d = read_log();
	struct dataset_row row;
	bool seldom = false;

	(void)state;
	assert_false(d.torn);
	assert_true(dataset_size(d.learn) > 5000);
	assert_int_equal(dataset_size(d.judge), dataset_size(d.learn) / 9);
	for (size_t i = 0; i < dataset_size(d.learn); i++) {
		dataset_get(d.learn, i, &row);
		assert_true(row.behaviour > 0 && row.behaviour <= 1);
		assert_true(fabsf(row.discount - 0.8f) < 1e-6f);
		seldom |= row.behaviour < 0.2f;
	}
	assert_true(seldom);
	offline_free(&d);
}

/* Better than who made the data, and importance sampling on what was kept apart says so, too. */
static void cql_is_better(void **state)
{
	struct offline_data d = read_log();
	const struct offline_config c = { .data = &d, .kind = OFFLINE_CQL, .alpha = 0.1, .seed = 1 };
	struct offline_verdict v;
	struct train_report r;
	struct model m = { 0 };
	struct policy *p;
	double now;

	(void)state;
	train(&c, 40, &r);
	assert_false(r.diverged);
	assert_int_equal(model_read(model_path, &m, NULL), 0);
	assert_int_equal(policy_new(&m, &p, NULL), 0);	/* what eval and the daemon do */
	policy_free(p);
	now = paid(&m);
	assert_int_equal(offline_judge(&d, &m, &v, NULL), 0);
	printf("# behaved %.3f, logged %.3f, cql %.3f, by importance sampling %.3f (%.0f)\n",
	       behaved, v.logged, now, v.model, v.worth);
	assert_true(now > behaved + 0.3);
	assert_true(v.n == dataset_size(d.judge) && v.worth > 20 && v.model > v.logged);
	model_free(&m);
	offline_free(&d);
}

/* What is done most often: to stay. Its network is one of the agent's, and comes back. */
static void bc_imitates(void **state)
{
	struct offline_data d = read_log();
	const struct offline_config c = { .data = &d, .kind = OFFLINE_BC, .seed = 1 };
	struct train_report r;
	struct model m = { 0 }, again = { 0 };
	struct offline_verdict v;
	void *l;

	(void)state;
	train(&c, 20, &r);
	assert_true(r.regret > 0 && r.regret < 1.6);	/* log(7) is 1.95, that of a guess */
	assert_int_equal(model_read(model_path, &m, NULL), 0);
	assert_int_equal(offline_judge(&d, &m, &v, NULL), 0);
	assert_true(v.worth > 0.3 * v.n);
	assert_int_equal(offline_ops.make(&c, &l), 0);
	assert_int_equal(offline_ops.restore(l, &m), 0);
	assert_int_equal(offline_ops.model(l, &again), 0);
	assert_true(again.size == m.size && !memcmp(again.data, m.data, m.size));
	offline_ops.free(l);
	model_free(&again);
	model_free(&m);
	offline_free(&d);
}

/* The steering agent's logs and models; and never a clone. */
static void steering(void **state)
{
	struct steer_cpu_obs cpu[4] = { { .cpu = 0 }, { .cpu = 1 }, { .cpu = 2 }, { .cpu = 3 } };
	struct steer_object object[16];
	const struct steer_interval in = {
		.seconds = 0.1, .cpus = cpu, .n_cpus = 4, .objects = object, .n_objects = 16,
	};
	struct offline_config oc = { .alpha = 0.1, .seed = 1 };
	struct steer_agent_config c;
	struct translog_shape shape;
	struct offline_verdict v;
	struct train_report r;
	struct steer_policy *p;
	struct steer_move moves[8];
	struct model m = { 0 };
	struct steer_agent *a;
	struct offline_data d;
	const char *path = other;
	struct translog *log;
	struct rng rng;
	double reward;
	void *l;

	(void)state;
	steer_agent_config_default(&c);
	c.explore = true;
	c.epsilon = 1;
	assert_int_equal(steer_agent_new(&c, &a), 0);
	steer_agent_shape(&shape);
	log = open_log(other, &shape);
	assert_int_equal(steer_agent_watch(a, add, log), 0);
	rng_seed(&rng, 1);
	for (int i = 0; i < 200; i++) {
		for (int k = 0; k < 4; k++) {
			cpu[k].util = rng_uniform(&rng);
			cpu[k].pps = 4000;
		}
		for (int k = 0; k < 16; k++)
			object[k] = (struct steer_object){
				.id = (uint32_t)k, .cpu = (uint16_t)(k % 4), .pps = 1000, .bps = 1e6,
			};
		assert_true(steer_agent_decide(a, &in, moves, 8, &reward) >= 0);
		steer_agent_applied(a, (bool[]){ 1, 1, 1, 1, 1, 1, 1, 1 }, 8);
	}
	translog_close(log);
	steer_agent_free(a);

	assert_int_equal(offline_read(&path, 1, true, &d, NULL), 0);
	oc.data = &d;
	train(&oc, 5, &r);
	assert_int_equal(steer_model_read(model_path, &m, NULL), 0);
	assert_int_equal(steer_model_policy(&m, &p, NULL), 0);
	steer_policy_free(p);
	assert_int_equal(offline_judge(&d, &m, &v, NULL), 0);
	assert_true(v.n > 50);
	model_free(&m);
	oc.kind = OFFLINE_BC;
	assert_int_equal(offline_ops.make(&oc, &l), -EINVAL);
	offline_free(&d);
}

static void refuse(const char *const *paths, size_t n, bool steer, int error, const char *text)
{
	struct offline_data d = { 0 };
	struct sl_err e;

	assert_int_equal(offline_read(paths, n, steer, &d, &e), error);
	if (!strstr(e.text, text))
		fail_msg("'%s' does not say '%s'", e.text, text);
	assert_null(d.learn);
}

static void wrong_logs(void **state)
{
	const float x[TRANSLOG_MAX_FEATURES] = { 0 };
	struct translog_row row = {
		.probability = 1, .rows = 1, .next_rows = 1, .x = x, .next_x = x, .discount = 1,
	};
	const char *const both[] = { log_path, other }, *const path[] = { other };
	struct translog_shape shape, changed;

	(void)state;
	refuse(NULL, 0, false, -EINVAL, "no log: no transitions");
	unlink(other);
	refuse(path, 1, false, -ENOENT, other);
	ecn_agent_shape(&shape);
	refuse(&both[0], 1, true, -EINVAL, "t.ecn: a log of the agent 'ecn', not of 'steer'");

	changed = shape;
	strcpy(changed.feature[3].name, "frobs");
	translog_close(open_log(other, &changed));
	refuse(path, 1, false, -EINVAL, "/other: its feature 3 is frobs [");
	refuse(both, 2, false, -EINVAL, "/other: its feature 3 is frobs [");
	changed = shape;
	changed.n_features--;
	translog_close(open_log(other, &changed));
	refuse(path, 1, false, -EINVAL, "/other: its header has 21 features");
	changed = shape;
	changed.reward_scale = 0.5f;
	translog_close(open_log(other, &changed));
	refuse(path, 1, false, -EINVAL, "learned times 0.5");

	translog_close(open_log(other, &shape));
	refuse(path, 1, false, -EINVAL, "/other: no transitions to learn from");
	/* Well-formed, but no discount that learning could bear. */
	{
		struct translog *log = open_log(other, &shape);

		assert_int_equal(translog_add(log, &row, NULL), 0);
		translog_close(log);
	}
	refuse(path, 1, false, -EINVAL, "/other: nothing can be learned from transition 1:");
}

/* What the file ends with is left out and counted; what is damaged within is not believed. */
static void damaged_logs(void **state)
{
	const char *const path[] = { other };
	struct offline_data d;
	static char bytes[4 << 20];
	size_t n;
	FILE *f = fopen(log_path, "r");

	(void)state;
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	assert_true(n > 2000 && n < sizeof(bytes));
	f = fopen(other, "w");
	fwrite(bytes, 1, n - 7, f);
	fclose(f);
	assert_int_equal(offline_read(path, 1, false, &d, NULL), 0);
	assert_true(d.torn > 0);
	offline_free(&d);
	bytes[1500] ^= 1;
	f = fopen(other, "w");
	fwrite(bytes, 1, n, f);
	fclose(f);
	refuse(path, 1, false, -EBADMSG, "in the block at byte");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_data),
		cmocka_unit_test(cql_is_better),
		cmocka_unit_test(bc_imitates),
		cmocka_unit_test(steering),
		cmocka_unit_test(wrong_logs),
		cmocka_unit_test(damaged_logs),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_log, remove_dir);
}
