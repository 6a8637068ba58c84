// SPDX-License-Identifier: GPL-2.0
/*
 * The cases of selftests/vectors in a kernel, as KUnit suites: the same integer code that the
 * module is made of, compiled by kbuild, under whatever checkers the kernel has. They run when
 * this is loaded; the results are in the log as KTAP.
 */
#include <kunit/test.h>
#include <linux/math64.h>
#include <linux/module.h>

typedef struct kunit *vec_t;

/* Out of line: each of KUnit's assertions takes its share of the stack, which KASAN widens. */
static noinline __printf(2, 3) void vec_fail(struct kunit *test, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vaf.va = &args;
	kunit_err(test, "%pV\n", &vaf);
	va_end(args);
	KUNIT_ASSERT_TRUE(test, false);		/* ends the case */
}

#define VEC_ASSERT(condition, ...) do {		\
	if (!(condition))			\
		vec_fail(vec, __VA_ARGS__);	\
} while (0)
#define vec_mul_div(a, b, c)		mul_u64_u64_div_u64(a, b, c)

#include <vectors/aqm.h>
#include <vectors/tree.h>

#define VEC_UNIT(name) KUNIT_CASE(name),

static struct kunit_case aqm_cases[] = { AQM_CASES(VEC_UNIT) {} };
static struct kunit_case tree_cases[] = { TREE_CASES(VEC_UNIT) {} };

static struct kunit_suite aqm_suite = { .name = "sluice_aqm", .test_cases = aqm_cases };
static struct kunit_suite tree_suite = { .name = "sluice_tree", .test_cases = tree_cases };
kunit_test_suites(&aqm_suite, &tree_suite);

MODULE_DESCRIPTION("KUnit tests of sluice");
MODULE_LICENSE("GPL");
