/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Between parse.bpf.c and test_inside.c: the map "result", array[1]. */
#ifndef SLUICE_SELFTEST_PARSE_RESULT_H
#define SLUICE_SELFTEST_PARSE_RESULT_H

#include <linux/sluice.h>

struct parse_result {
	__u32 inside;		/* in: SLUICE_INSIDE_* */
	__s32 reason;		/* out: -1 for a key, or enum sluice_pass */
	struct sluice_flow_key key;
	struct sluice_features features;
};

#endif
