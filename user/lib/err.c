// SPDX-License-Identifier: GPL-2.0
#include "lib/err.h"

#include <stdarg.h>
#include <stdio.h>

int sl_err(struct sl_err *e, int r, const char *format, ...)
{
	va_list ap;

	if (!e)
		return r;
	va_start(ap, format);
	vsnprintf(e->text, sizeof(e->text), format, ap);
	va_end(ap);
	return r;
}
