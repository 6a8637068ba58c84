// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/procstat.h"

static const char stat_text[] =
	"cpu  30 0 30 900 10 5 25 0 0 0\n"
	"cpu0 10 1 20 400 9 5 15 2 0 0\n"
	"cpu2 20 0 10 500 1 0 10 0 0 0\n"
	"intr 12345 0 0\n"
	"softirq 99 1 2\n";

static void test_stat(void **state)
{
	struct procstat p;

	(void)state;
	assert_int_equal(procstat_parse_stat(stat_text, &p), 0);
	assert_int_equal(p.n_cpus, 3);
	assert_true(p.cpu[0].online);
	assert_false(p.cpu[1].online);
	assert_int_equal(p.cpu[0].busy, 10 + 1 + 20 + 5 + 15 + 2);
	assert_int_equal(p.cpu[0].softirq, 15);
	assert_int_equal(p.cpu[0].total, 53 + 400 + 9);
	assert_int_equal(p.cpu[2].total, 541);
}

static void test_stat_refused(void **state)
{
	struct procstat p;

	(void)state;
	assert_int_equal(procstat_parse_stat("", &p), -EBADMSG);
	assert_int_equal(procstat_parse_stat("cpu  1 2 3 4 5 6 7\n", &p), -EBADMSG);
}

static void test_softnet(void **state)
{
	struct procstat p;

	(void)state;
	assert_int_equal(procstat_parse_stat(stat_text, &p), 0);
	/* CPU 1 is offline: the number stands in column 13. */
	assert_int_equal(procstat_parse_softnet(
		"0000000a 00000001 00000002 0 0 0 0 0 0 0 0 00000000 00000000 0 0\n"
		"0000000b 0000001f 00000004 0 0 0 0 0 0 0 0 00000000 00000002 0 0\n", &p), 0);
	assert_int_equal(p.cpu[0].softnet_dropped, 1);
	assert_int_equal(p.cpu[0].softnet_squeezed, 2);
	assert_int_equal(p.cpu[1].softnet_dropped, 0);
	assert_int_equal(p.cpu[2].softnet_dropped, 31);
	assert_int_equal(procstat_parse_softnet("", &p), -EBADMSG);
	assert_int_equal(procstat_parse_softnet("no numbers\n", &p), -EBADMSG);
}

static void test_shares(void **state)
{
	struct procstat_cpu a = { .busy = 100, .softirq = 10, .total = 1000 };
	struct procstat_cpu b = { .busy = 130, .softirq = 20, .total = 1040 };

	(void)state;
	assert_float_equal(procstat_util(&b, &a), 0.75, 1e-9);
	assert_float_equal(procstat_softirq(&b, &a), 0.25, 1e-9);
	/* No tick, or a step back: not a division by 0, not negative. */
	assert_float_equal(procstat_util(&a, &a), 0, 0);
	assert_float_equal(procstat_util(&a, &b), 0, 0);
}

static void test_this_machine(void **state)
{
	struct procstat p;
	struct sl_err e;

	(void)state;
	assert_int_equal(procstat_read(&p, &e), 0);
	assert_true(p.n_cpus >= 1);
	assert_true(p.cpu[p.n_cpus - 1].online);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_stat_refused),
		cmocka_unit_test(test_softnet),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_this_machine),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
