// SPDX-License-Identifier: GPL-2.0
#include "lib/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct limit {
	time_t window;		/* start of the present one */
	unsigned int lines, suppressed;
};

static struct {
	int max_level;
	bool journal;
	struct limit important, information;
} state = { .max_level = LOG_INFO };

/* Whether standard error is the very stream that JOURNAL_STREAM names. */
static bool stderr_is_journal(void)
{
	const char *s = getenv("JOURNAL_STREAM");
	uintmax_t dev, ino;
	struct stat st;

	return s && sscanf(s, "%ju:%ju", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
	       (uintmax_t)st.st_dev == dev && (uintmax_t)st.st_ino == ino;
}

void log_open(int max_level)
{
	state.max_level = max_level;
	state.journal = stderr_is_journal();
}

void log_set_level(int max_level)
{
	state.max_level = max_level;
}

int log_level(void)
{
	return state.max_level;
}

static void put(int level, const char *text)
{
	if (state.journal)
		fprintf(stderr, "<%d>%s\n", level, text);
	else
		fprintf(stderr, "sluiced: %s\n", text);
}

/* False when this line exceeds the burst of the present window. */
static bool within_limit(struct limit *l)
{
	struct timespec now;
	char text[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec - l->window >= LOG_WINDOW_S) {
		if (l->suppressed) {
			snprintf(text, sizeof(text), "%u log lines were suppressed", l->suppressed);
			put(LOG_NOTICE, text);
		}
		*l = (struct limit){ .window = now.tv_sec };
	}
	if (l->lines >= LOG_BURST) {
		l->suppressed++;
		return false;
	}
	l->lines++;
	return true;
}

void log_line(int level, const char *format, ...)
{
	char text[1024];
	va_list ap;

	if (level > state.max_level)
		return;
	/* Who asked for debug lines wants them all. */
	if (state.max_level < LOG_DEBUG &&
	    !within_limit(level < LOG_INFO ? &state.important : &state.information))
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	put(level, text);
}
