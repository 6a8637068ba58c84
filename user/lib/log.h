/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The daemon's log: lines on standard error, with the journal's <N> priority
 * prefix when standard error is the journal. Rate-limited: what exceeds
 * LOG_BURST lines in LOG_WINDOW_S seconds is counted and the count is told.
 * Information has a limit of its own, so that it cannot silence a warning.
 */
#ifndef SLUICE_LIB_LOG_H
#define SLUICE_LIB_LOG_H

#include <syslog.h>	/* LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG */

#define LOG_BURST	50
#define LOG_WINDOW_S	10

void log_open(int max_level);
void log_set_level(int max_level);
int log_level(void);
void log_line(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)		log_line(LOG_ERR, __VA_ARGS__)
#define log_warning(...)	log_line(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)		log_line(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)		log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)		log_line(LOG_DEBUG, __VA_ARGS__)

#endif
