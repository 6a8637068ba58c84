// SPDX-License-Identifier: GPL-2.0
#include "lib/inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SEPARATORS	" ,\t"

static const char *const names[SLUICE_TUNNEL_MAX] = {
#define X(NAME, name, text) [SLUICE_TUNNEL_##NAME] = #name,
	SLUICE_TUNNELS(X)
#undef X
};

/* Appends as many as there are bits, each behind the separator but the first. */
static void list(__u32 mask, const char *separator, char buf[INSIDE_TEXT])
{
	size_t used = 0;

	buf[0] = '\0';
	for (int i = SLUICE_TUNNEL_NONE + 1; i < SLUICE_TUNNEL_MAX; i++)
		if (mask & 1u << (i - 1) && used < INSIDE_TEXT)
			used += (size_t)snprintf(buf + used, INSIDE_TEXT - used, "%s%s",
						 used ? separator : "", names[i]);
}

/* The bit of the name that begins here, or 0. */
static __u32 bit_of(const char *word, size_t length)
{
	for (int i = SLUICE_TUNNEL_NONE + 1; i < SLUICE_TUNNEL_MAX; i++)
		if (strlen(names[i]) == length && !strncmp(word, names[i], length))
			return 1u << (i - 1);
	return 0;
}

int inside_parse(const char *text, __u32 *mask, struct sl_err *e)
{
	const char *word = text + strspn(text, SEPARATORS);
	char known[INSIDE_TEXT];
	__u32 found = 0, bit;
	size_t length;
	int words = 0, nones = 0;

	for (; *word; word += length + strspn(word + length, SEPARATORS), words++) {
		length = strcspn(word, SEPARATORS);
		if (length == 4 && !strncmp(word, "none", 4)) {
			nones++;
			continue;
		}
		bit = bit_of(word, length);
		if (!bit) {
			list(SLUICE_INSIDE_ALL, ", ", known);
			return sl_err(e, -EINVAL, "'%.*s' is not a tunnel that can be looked into; "
				      "those are %s", length > 32 ? 32 : (int)length, word, known);
		}
		found |= bit;
	}
	if (nones && words > 1)
		return sl_err(e, -EINVAL, "'none' stands alone, not in the list '%.64s'", text);
	*mask = found;
	return 0;
}

void inside_format(__u32 mask, char buf[INSIDE_TEXT])
{
	if (mask & SLUICE_INSIDE_ALL)
		list(mask, ",", buf);
	else
		snprintf(buf, INSIDE_TEXT, "none");
}
