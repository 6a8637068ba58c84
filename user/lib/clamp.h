/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SLUICE_LIB_CLAMP_H
#define SLUICE_LIB_CLAMP_H

/* x limited to [lo, hi]; what is not a number becomes lo. */
static inline double clamp(double x, double lo, double hi)
{
	return x > lo ? (x < hi ? x : hi) : lo;
}

#endif
