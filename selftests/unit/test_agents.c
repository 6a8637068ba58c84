// SPDX-License-Identifier: GPL-2.0
/* What the daemon's steering agent starts from: nothing, its model, or the checkpoint. */
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

#include "daemon/daemon.h"
#include "policy/steer_model.h"

static char dir[] = "/tmp/test_agents.XXXXXX", checkpoint[64], model[2][64];

static struct steer_agent *agent(uint64_t seed)
{
	struct steer_agent_config c;
	struct steer_agent *a;

	steer_agent_config_default(&c);
	c.seed = seed;
	assert_int_equal(steer_agent_new(&c, &a), 0);
	return a;
}

/* Models of two agents that differ. */
static int make_models(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(checkpoint, sizeof(checkpoint), "%s/checkpoint", dir);
	for (int i = 0; i < 2; i++) {
		struct model m = { .command = "a test" };
		struct steer_agent *a = agent(100 + (uint64_t)i);

		snprintf(model[i], sizeof(model[i]), "%s/m%d", dir, i);
		if (steer_model_set(&m, NULL, a) || model_write(&m, model[i], NULL))
			return -1;
		model_free(&m);
		steer_agent_free(a);
	}
	return 0;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static bool same(const struct steer_agent *a, const struct steer_agent *b)
{
	void *one, *two;
	size_t n, m;
	bool is;

	assert_int_equal(steer_agent_save(a, &one, &n), 0);
	assert_int_equal(steer_agent_save(b, &two, &m), 0);
	is = n == m && !memcmp(one, two, n);
	free(one);
	free(two);
	return is;
}

/* That of model i, or of the seed where i is negative. */
static bool knows(const struct daemon *d, int i)
{
	struct steer_agent *a = agent(i < 0 ? d->settings.seed : 100 + (uint64_t)i);
	const bool is = same(d->steer_agent, a);

	steer_agent_free(a);
	return is;
}

static void begin(struct daemon *d, const char *steer_model, uint64_t seed)
{
	struct sl_err e;

	memset(d, 0, sizeof(*d));
	assert_int_equal(settings_load(&d->settings, NULL, &e), 0);
	strcpy(d->settings.checkpoint, checkpoint);
	strcpy(d->settings.steer_model, steer_model);
	d->settings.seed = (unsigned int)seed;
	if (agents_new(d, &e))
		fail_msg("%s", e.text);
	agents_restore(d);
}

static void end(struct daemon *d)
{
	agents_checkpoint(d);
	agents_free(d);
}

/* It learns something: for the test, what an agent of another seed knows. */
static void learn(struct daemon *d, uint64_t seed)
{
	struct steer_agent *a = agent(seed);
	void *blob;
	size_t n;

	assert_int_equal(steer_agent_save(a, &blob, &n), 0);
	assert_int_equal(steer_agent_load(d->steer_agent, blob, n), 0);
	free(blob);
	steer_agent_free(a);
}

static bool learned(const struct daemon *d, uint64_t seed)
{
	struct steer_agent *a = agent(seed);
	const bool is = same(d->steer_agent, a);

	steer_agent_free(a);
	return is;
}

static struct daemon d;

static void starts(void **state)
{
	(void)state;
	unlink(checkpoint);
	begin(&d, "none", 1);
	assert_true(knows(&d, -1));
	learn(&d, 50);
	end(&d);
	/* The checkpoint began without the model, so the model it is. */
	begin(&d, model[0], 1);
	assert_true(knows(&d, 0));
	learn(&d, 51);
	end(&d);
	/* Now it began with it: what was learned since then stays. */
	begin(&d, model[0], 1);
	assert_true(learned(&d, 51));
	end(&d);
	/* Named no longer: still. */
	begin(&d, "none", 1);
	assert_true(learned(&d, 51));
	end(&d);
	begin(&d, model[0], 1);
	assert_true(learned(&d, 51));
	end(&d);
	begin(&d, model[1], 1);
	assert_true(knows(&d, 1));
	end(&d);
}

static void reloads(void **state)
{
	struct sl_err e;

	(void)state;
	unlink(checkpoint);
	begin(&d, "none", 1);
	learn(&d, 52);
	assert_int_equal(agents_reconfigure(&d, &e), 0);
	assert_true(learned(&d, 52));
	strcpy(d.settings.steer_model, model[0]);
	assert_int_equal(agents_reconfigure(&d, &e), 0);
	assert_true(knows(&d, 0));
	learn(&d, 53);
	assert_int_equal(agents_reconfigure(&d, &e), 0);
	assert_true(learned(&d, 53));
	/* One that cannot be read leaves all as it is. */
	strcpy(d.settings.steer_model, "/nonexistent");
	assert_int_equal(agents_reconfigure(&d, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nonexistent"));
	assert_true(learned(&d, 53));
	agents_free(&d);
}

static void refuses(void **state)
{
	struct model bush = { .command = "a test" };
	char path[80];
	struct sl_err e;

	(void)state;
	snprintf(path, sizeof(path), "%s/bush", dir);
	for (int steer = 0; steer < 2; steer++) {
		model_set_numbers(&bush, steer ? "steer" : "tree", (double[]){ 1, 2 }, 2);
		assert_int_equal(model_write(&bush, path, NULL), 0);
		memset(&d, 0, sizeof(d));
		assert_int_equal(settings_load(&d.settings, NULL, &e), 0);
		strcpy(d.settings.steer_model, path);
		assert_true(agents_new(&d, &e) < 0);
		assert_non_null(strstr(e.text, path));
		assert_non_null(strstr(e.text, steer ? "not that of" : "not for steering"));
		agents_free(&d);
	}
	model_free(&bush);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts),
		cmocka_unit_test(reloads),
		cmocka_unit_test(refuses),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_models, remove_dir);
}
