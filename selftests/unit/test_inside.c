// SPDX-License-Identifier: GPL-2.0
/* Names of tunnels to bits and back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/inside.h"

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		__u32 mask;
	} good[] = {
		{ "", 0 }, { " ", 0 }, { "none", 0 }, { "gre", SLUICE_INSIDE_GRE },
		{ "gre,vxlan", SLUICE_INSIDE_GRE | SLUICE_INSIDE_VXLAN },
		{ " gtpu , geneve\tgtpu", SLUICE_INSIDE_GTPU | SLUICE_INSIDE_GENEVE },
		{ "gre,ipip,vxlan,geneve,gtpu", SLUICE_INSIDE_ALL },
	};
	static const struct {
		const char *text, *sentence;
	} bad[] = {
		{ "gr", "'gr' is not a tunnel that can be looked into; those are gre, ipip, vxlan, "
			"geneve, gtpu" },
		{ "gre,GRE", "'GRE' is not a tunnel" },
		{ "gre;vxlan", "'gre;vxlan' is not" },
		{ "gre,none", "'none' stands alone" },
		{ "none none", "'none' stands alone" },
		{ "0123456789012345678901234567890123456789", "'01234567890123456789012345678901' is" },
	};
	struct sl_err e;
	__u32 mask;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		mask = 99;
		assert_int_equal(inside_parse(good[i].text, &mask, &e), 0);
		assert_int_equal(mask, good[i].mask);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		mask = 99;
		assert_int_equal(inside_parse(bad[i].text, &mask, &e), -EINVAL);
		assert_int_equal(mask, 99);
		if (!strstr(e.text, bad[i].sentence))
			fail_msg("%s: %s", bad[i].text, e.text);
	}
}

static void test_format(void **state)
{
	char buf[INSIDE_TEXT];
	__u32 again;

	(void)state;
	inside_format(0, buf);
	assert_string_equal(buf, "none");
	inside_format(SLUICE_INSIDE_ALL, buf);
	assert_string_equal(buf, "gre,ipip,vxlan,geneve,gtpu");
	for (__u32 mask = 0; mask <= SLUICE_INSIDE_ALL; mask++) {
		inside_format(mask, buf);
		assert_int_equal(inside_parse(buf, &again, NULL), 0);
		assert_int_equal(again, mask);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_format),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
