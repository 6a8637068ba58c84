// SPDX-License-Identifier: GPL-2.0
/* include/sluice/tree.h in user space; a kernel runs the same cases (selftests/kunit). */
#include <vectors/unit.h>
#include <vectors/tree.h>

VEC_MAIN(TREE_CASES)
