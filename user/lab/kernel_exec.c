// SPDX-License-Identifier: GPL-2.0
#include <errno.h>

#include "lab/runner.h"

int kernel_block(struct runner *r, const struct store_run *run, size_t n, struct sl_err *e)
{
	return sl_err(e, -ENOSYS, "plans for the kernel lab can be checked, but not yet run (%s, %zu runs "
		      "of block %u)", r->plan->name, n, run->block);
}
