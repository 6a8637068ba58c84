// SPDX-License-Identifier: GPL-2.0
/* The configuration: every mistake is named, none is half-applied; the documents agree. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/settings.h"
#include "lib/config.h"

static char path[] = "/tmp/sluice-config-XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0)
		return -1;
	return close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static int load(struct settings *s, const char *text, struct sl_err *e)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return settings_load(s, path, e);
}

static void test_values(void **state)
{
	struct settings s;
	struct sl_err e;

	(void)state;
	assert_int_equal(load(&s,
		"# a comment\n"
		"[daemon]\n"
		"  epoch_ms = 100 ; inline\n"
		"[ecn]\n"
		"policy=bdp\n"
		"rate = eth0=200mbit eth1=2.5gbit\n"
		"epsilon = 0.25\n"
		"explore = yes\n"
		"[steer]\n"
		"interfaces = eth0, eth1\n"
		"cpus = 1-3 6, 2\n", &e), 0);
	assert_int_equal(s.epoch_ms, 100);
	assert_int_equal(s.ecn_policy, ECN_POLICY_BDP);
	assert_float_equal(settings_rate(&s, "eth0"), 25e6, 1e-3);
	assert_float_equal(settings_rate(&s, "eth1"), 312.5e6, 1e-3);
	assert_float_equal(settings_rate(&s, "eth"), 0, 0);
	assert_float_equal(s.ecn_epsilon, 0.25, 0);
	assert_true(s.ecn_explore);
	assert_true(settings_list_has(s.steer_interfaces, "eth1"));
	assert_false(settings_list_has(s.steer_interfaces, "eth10"));
	assert_true(settings_list_has(s.ecn_interfaces, "anything"));
}

static void test_cpus(void **state)
{
	__u16 cpus[SLUICE_MAX_CPUS];
	struct settings s;
	struct sl_err e;

	(void)state;
	assert_int_equal(load(&s, "[steer]\ncpus = 1-3 6, 2\n", &e), 0);
	assert_int_equal(settings_cpus(&s, cpus, &e), 4);
	assert_int_equal(cpus[0], 1);
	assert_int_equal(cpus[3], 6);
	/* Empty: all that are online. */
	assert_int_equal(load(&s, "", &e), 0);
	assert_true(settings_cpus(&s, cpus, &e) >= 1);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "[daemon]\nepoch = 50\n", ":2: unknown key 'epoch'" },
		{ "[guard]\nbad = 1\n",
		  "unknown key 'bad' in [guard]; its keys are " },
		{ "[daemon]\nepohc_ms = 50\n", "did you mean 'epoch_ms' in [daemon]?" },
		{ "[daemon]\npolicy = learn\n", "did you mean 'policy' in [" },
		{ "\n\n[deamon]\n", ":3: unknown section [deamon]; the sections are [daemon]" },
		{ "[deamon]\nepoch_ms = 50\n", ":1: unknown section [deamon]" },
		{ "epoch_ms = 50\n", ":1: 'epoch_ms' stands before the first [section]" },
		{ "[daemon]\nepoch_ms = 4\n",
		  ":2: epoch_ms = 4 is out of range; it takes 5..10000 ms" },
		{ "[daemon]\nepoch_ms = 10001\n", "out of range" },
		{ "[daemon]\nepoch_ms = 5x\n", "not a whole number" },
		{ "[daemon]\nepoch_ms = 50.5\n", "not a whole number" },
		{ "[daemon]\nepoch_ms = nan\n", "not a whole number" },
		{ "[daemon]\nepoch_ms =\n", "not a whole number" },
		{ "[daemon]\nepoch_ms = 50\nepoch_ms = 60\n",
		  ":3: epoch_ms in [daemon] was already set on line 2" },
		{ "[daemon]\nepoch_ms 50\n", ":2: neither '[section]' nor 'key = value'" },
		{ "[daemon\nepoch_ms = 50\n", ":1: the section lacks its closing" },
		{ "[ecn]\nepsilon = 1.01\n", "epsilon = 1.01 is out of range; it takes 0..1" },
		{ "[ecn]\nexplore = maybe\n", "neither yes nor no" },
		{ "[ecn]\npolicy = Learn\n", "is none of learn, bdp, fixed" },
		{ "[ecn]\nrate = 200mbit\n", "not of the form eth0=200mbit" },
		{ "[ecn]\nrate = eth0=200\n", "needs a rate such as 200mbit" },
		{ "[ecn]\nrate = eth0=-1mbit\n", "needs a rate such as 200mbit" },
		{ "[ecn]\nlease_ms = 199\n", "at least four epochs (200 ms)" },
		{ "[steer]\ninterfaces = ../../etc\n", "cannot be the name of an interface" },
		{ "[steer]\ninterfaces = *\n", "must name each interface" },
		{ "[steer]\ncpus = 3-1\n", "neither a CPU number nor a range" },
		{ "[steer]\ncpus = 128\n", "CPU 128 is beyond 127" },
		{ "[steer]\nsample = 3\n", "powers of two" },
		{ "[steer]\ninterfaces = a1 a2 a3 a4 a5 a6 a7 a8 a9 b1 b2 b3 b4 b5 b6 b7 b8 b9 c1 c2 "
		  "c3 c4 c5 c6 c7 c8 c9 d1 d2 d3 d4 d5 d6\n", "more than 32 interfaces" },
		{ "[guard]\nqth_low = 9\nqth_high = 8\n", "qth_low 9 exceeds qth_high 8" },
		{ "[daemon]\nsocket = run/x\n", "give an absolute path" },
	};
	struct settings s, before;
	struct sl_err e;
	size_t i;

	(void)state;
	assert_int_equal(load(&s, "[daemon]\nepoch_ms = 77\n", &e), 0);
	before = s;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		e.text[0] = '\0';
		if (load(&s, cases[i].text, &e) != -EINVAL || !strstr(e.text, cases[i].says) ||
		    !strstr(e.text, path))
			fail_msg("\"%s\" answered \"%s\", not \"%s\"", cases[i].text, e.text,
				 cases[i].says);
		/* Nothing is half-applied. */
		assert_memory_equal(&s, &before, sizeof(s));
	}
}

static void test_bounds_are_inclusive(void **state)
{
	struct settings s;
	struct sl_err e;

	(void)state;
	assert_int_equal(load(&s, "[daemon]\nepoch_ms = 5\n", &e), 0);
	assert_int_equal(load(&s, "[ecn]\nepsilon = 1\n[ecn]\nlease_ms = 200\n", &e), 0);
	assert_int_equal(s.ecn_lease_ms, 200);
}

static void test_long_line(void **state)
{
	char text[400] = "[ecn]\ninterfaces = ";
	struct settings s;
	struct sl_err e;

	(void)state;
	memset(text + strlen(text), 'a', 300);
	assert_int_equal(load(&s, text, &e), -EINVAL);
	assert_non_null(strstr(e.text, ":2: the line is longer"));
}

static void test_unreadable(void **state)
{
	struct settings s;
	struct sl_err e;

	(void)state;
	assert_int_equal(settings_load(&s, "/nonexistent/sluice.conf", &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nonexistent/sluice.conf"));
	assert_true(settings_load(&s, "/tmp", &e) < 0);
}

/* The default of a learner's parameter is the one its own file states. */
static void test_defaults_are_the_agents(void **state)
{
	struct steer_agent_config sa, sb;
	struct ecn_agent_config ea, eb;
	struct settings s;
	struct sl_err e;

	(void)state;
	assert_int_equal(settings_load(&s, NULL, &e), 0);
	ecn_agent_config_default(&ea);
	settings_ecn_agent(&s, &eb);
	assert_int_equal(ea.grid, eb.grid);
	assert_int_equal(ea.reward, eb.reward);
	assert_int_equal(ea.explore, eb.explore);
	assert_float_equal(ea.epsilon, eb.epsilon, 1e-12);
	assert_float_equal(ea.regret_budget, eb.regret_budget, 1e-9);
	assert_float_equal(ea.fct_weight_rate, eb.fct_weight_rate, 1e-12);
	assert_float_equal(ea.fct_weight_delay, eb.fct_weight_delay, 1e-12);
	assert_float_equal(ea.fct_ref_ns, eb.fct_ref_ns, 1e-6);
	steer_agent_config_default(&sa);
	settings_steer_agent(&s, &sb);
	assert_int_equal(sa.explore, sb.explore);
	assert_float_equal(sa.epsilon, sb.epsilon, 1e-12);
	assert_float_equal(sa.hysteresis, sb.hysteresis, 1e-12);
	assert_int_equal(sa.max_moves, sb.max_moves);
	assert_float_equal(sa.weights.throughput, sb.weights.throughput, 1e-12);
	assert_float_equal(sa.weights.latency, sb.weights.latency, 1e-12);
	assert_float_equal(sa.weights.imbalance, sb.weights.imbalance, 1e-12);
	assert_float_equal(sa.weights.move, sb.weights.move, 1e-12);
	assert_float_equal(sa.weights.latency_ref_s, sb.weights.latency_ref_s, 1e-12);
	/* Live traffic is not experimented with unless somebody says so. */
	assert_false(eb.explore);
	assert_false(sb.explore);
}

static char *read_all(const char *name)
{
	FILE *f = fopen(name, "r");
	char *text;
	size_t n;

	if (!f)
		fail_msg("cannot open %s (run from the project's root)", name);
	text = malloc(1 << 20);
	assert_non_null(text);
	n = fread(text, 1, (1 << 20) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

/* The words of a table row as the two documents write them. */
static void test_documents(void **state)
{
	char *sample = read_all("user/daemon/sluice.conf");
	char *man = read_all("Documentation/man/sluice.conf.5");
	const struct config_row *rows;
	char line[300];
	size_t n, i;

	(void)state;
	rows = settings_table(&n);
	for (i = 0; i < n; i++) {
		const char *blank = *rows[i].def ? " " : "";

		snprintf(line, sizeof(line), "\n#%s =%s%s\n", rows[i].key, blank, rows[i].def);
		if (!strstr(sample, line))
			fail_msg("sluice.conf lacks:%s", line);
		snprintf(line, sizeof(line), "\n.B %s =%s%s\n", rows[i].key, blank, rows[i].def);
		if (!strstr(man, line))
			fail_msg("sluice.conf.5 lacks:%s", line);
	}
	free(sample);
	free(man);
}

/* The sample as it is, and with all comments removed, is the default configuration. */
static void test_sample_is_the_default(void **state)
{
	char *sample = read_all("user/daemon/sluice.conf"), *p;
	struct settings s, def;
	struct sl_err e;

	(void)state;
	assert_int_equal(settings_load(&def, NULL, &e), 0);
	assert_int_equal(load(&s, sample, &e), 0);
	assert_memory_equal(&s, &def, sizeof(s));
	for (p = sample; (p = strstr(p, "\n#")); p++)
		if (p[2] != ' ' && p[2] != '\n')
			p[1] = ' ';
	if (load(&s, sample, &e) < 0)
		fail_msg("%s", e.text);
	assert_memory_equal(&s, &def, sizeof(s));
	free(sample);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_bounds_are_inclusive),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_defaults_are_the_agents),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_sample_is_the_default),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
