/* SPDX-License-Identifier: GPL-2.0 */
/* JSON has no NaN: what is not known is null. */
#ifndef SLUICE_LIB_JSON_NUMBER_H
#define SLUICE_LIB_JSON_NUMBER_H

#include <math.h>
#include <jansson.h>

static inline json_t *json_number(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

#endif
