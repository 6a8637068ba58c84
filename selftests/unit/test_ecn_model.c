// SPDX-License-Identifier: GPL-2.0
/* The daemon's policy "model": which models it takes, and what a queue gets of one. */
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

#include "daemon/ecn_model.h"
#include "policy/learned.h"

static char path[] = "/tmp/test_ecn_model.XXXXXX";

static int write_static(void **state)
{
	struct model m = { .command = "a test" };
	const double k = 0.5;
	int r;

	(void)state;
	close(mkstemp(path));
	r = model_set_numbers(&m, "bdp", &k, 1);
	if (!r)
		r = model_write(&m, path, NULL);
	model_free(&m);
	return r;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void reads(void **state)
{
	struct settings s = { .ecn_policy = ECN_POLICY_LEARN, .ecn_model = "/nonexistent" };
	struct model m = { 0 }, bush = { 0 };
	char other[] = "/tmp/test_ecn_model.XXXXXX";
	struct sl_err e;

	(void)state;
	assert_int_equal(ecn_model_read(&s, &m, &e), 0);
	assert_null(m.data);
	s.ecn_policy = ECN_POLICY_MODEL;
	assert_int_equal(ecn_model_read(&s, &m, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nonexistent"));

	/* What is built in fits the program that it is built into. */
	strcpy(s.ecn_model, MODEL_SHIPPED);
	assert_int_equal(ecn_model_read(&s, &m, &e), 0);
	assert_non_null(strstr(m.command, "sluice train ecn"));
	model_free(&m);

	/* Well-formed, but of no policy: or of one, but not its payload. */
	close(mkstemp(other));
	strcpy(s.ecn_model, other);
	for (int tree = 0; tree < 2; tree++) {
		model_set_numbers(&bush, tree ? "tree" : "bush", (double[]){ 1, 2 }, 2);
		assert_int_equal(model_write(&bush, other, &e), 0);
		assert_true(ecn_model_read(&s, &m, &e) < 0);
		assert_non_null(strstr(e.text, other));
		assert_null(m.data);
	}
	model_free(&bush);
	unlink(other);

	strcpy(s.ecn_model, path);
	assert_int_equal(ecn_model_read(&s, &m, &e), 0);
	assert_string_equal(m.kind, "bdp");
	model_free(&m);
}

/* The agent of policy "learn" starts from its own kind of model, once. */
static void teaches(void **state)
{
	struct settings s = { .ecn_policy = ECN_POLICY_LEARN, .ecn_model = MODEL_SHIPPED };
	struct ecn_agent_config c;
	struct ecn_agent *agent, *other;
	struct model m = { 0 };
	char file[] = "/tmp/test_ecn_model.XXXXXX";
	void *had, *has, *given;
	size_t had_n, has_n, given_n;
	uint32_t crc = 0;
	struct sl_err e;

	(void)state;
	ecn_agent_config_default(&c);
	assert_int_equal(ecn_agent_new(&c, &agent), 0);
	c.seed = 77;
	assert_int_equal(ecn_agent_new(&c, &other), 0);
	assert_int_equal(ecn_agent_save(agent, &had, &had_n), 0);
	assert_int_equal(ecn_agent_save(other, &given, &given_n), 0);

	/* Nobody named one; one of another kind; one that is not whole. */
	assert_int_equal(ecn_model_teach(&s, &crc, agent, &e), 0);
	strcpy(s.ecn_model, path);
	assert_int_equal(ecn_model_teach(&s, &crc, agent, &e), -EINVAL);
	assert_non_null(strstr(e.text, "a model of bdp"));
	close(mkstemp(file));
	strcpy(s.ecn_model, file);
	assert_int_equal(learned_set(&m, "ddqn", 0.3, given, given_n - 4), 0);
	assert_int_equal(model_write(&m, file, &e), 0);
	assert_int_equal(ecn_model_teach(&s, &crc, agent, &e), -EBADMSG);
	assert_int_equal(crc, 0);
	assert_int_equal(ecn_agent_save(agent, &has, &has_n), 0);
	assert_true(has_n == had_n && !memcmp(has, had, had_n));
	free(has);

	assert_int_equal(learned_set(&m, "ddqn", 0.3, given, given_n), 0);
	assert_int_equal(model_write(&m, file, &e), 0);
	assert_int_equal(ecn_model_teach(&s, &crc, agent, &e), 0);
	assert_int_equal(crc, model_crc(&m));
	assert_int_equal(ecn_agent_save(agent, &has, &has_n), 0);
	assert_true(has_n == given_n && !memcmp(has, given, given_n));
	free(has);

	/* What it has learned since is not taken from it. */
	assert_int_equal(ecn_agent_load(agent, had, had_n), 0);
	assert_int_equal(ecn_model_teach(&s, &crc, agent, &e), 0);
	assert_int_equal(ecn_agent_save(agent, &has, &has_n), 0);
	assert_true(has_n == had_n && !memcmp(has, had, had_n));
	free(has);
	free(had);
	free(given);
	model_free(&m);
	ecn_agent_free(agent);
	ecn_agent_free(other);
	unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(teaches),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, write_static, remove_file);
}
