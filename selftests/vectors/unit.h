/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the cases in this directory need to run in user space, under cmocka. For KUnit the
 * same is in selftests/kunit/sluice_kunit.c. A case is a function of one argument, "vec";
 * VEC_ASSERT(condition, format, ...) ends it when the condition does not hold.
 */
#ifndef VECTORS_UNIT_H
#define VECTORS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <linux/types.h>

typedef void **vec_t;

#define VEC_ASSERT(condition, ...) do {		\
	(void)vec;				\
	if (!(condition))			\
		fail_msg(__VA_ARGS__);		\
} while (0)

/* a * b / c of 64-bit numbers, where the result is one */
static inline __u64 vec_mul_div(__u64 a, __u64 b, __u64 c)
{
	return (unsigned __int128)a * b / c;
}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#ifndef U32_MAX
#define U32_MAX UINT32_MAX
#define U64_MAX UINT64_MAX
#define U16_MAX UINT16_MAX
#endif

#define VEC_UNIT(name) cmocka_unit_test(name),
#define VEC_MAIN(CASES)							\
int main(void)								\
{									\
	const struct CMUnitTest tests[] = { CASES(VEC_UNIT) };		\
									\
	cmocka_set_message_output(CM_OUTPUT_TAP);			\
	return cmocka_run_group_tests(tests, NULL, NULL);		\
}

#endif /* VECTORS_UNIT_H */
