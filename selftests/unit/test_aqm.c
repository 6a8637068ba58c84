// SPDX-License-Identifier: GPL-2.0
/* The marking ramp in user space; a kernel runs the same cases (selftests/kunit). */
#include <vectors/unit.h>
#include <vectors/aqm.h>

VEC_MAIN(AQM_CASES)
