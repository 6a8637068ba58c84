// SPDX-License-Identifier: GPL-2.0
#include "lib/procstat.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *next_line(const char *p)
{
	p = strchr(p, '\n');
	return p ? p + 1 : NULL;
}

int procstat_parse_stat(const char *text, struct procstat *out)
{
	const char *p;

	memset(out, 0, sizeof(*out));
	for (p = text; p && *p; p = next_line(p)) {
		uint64_t user, nice, system, idle, iowait, irq, softirq, steal = 0;
		struct procstat_cpu *c;
		unsigned int cpu;

		/* "cpu " without a number is the sum of all; %u would skip the blank. */
		if (!strncmp(p, "cpu ", 4) ||
		    sscanf(p,
			   "cpu%u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
			   " %" SCNu64 " %" SCNu64 " %" SCNu64,
			   &cpu, &user, &nice, &system, &idle, &iowait, &irq, &softirq,
			   &steal) < 8)
			continue;
		if (cpu >= SLUICE_MAX_CPUS)
			continue;
		c = &out->cpu[cpu];
		c->online = true;
		c->busy = user + nice + system + irq + softirq + steal;
		c->softirq = softirq;
		c->total = c->busy + idle + iowait;
		if (cpu >= out->n_cpus)
			out->n_cpus = cpu + 1;
	}
	return out->n_cpus ? 0 : -EBADMSG;
}

int procstat_parse_softnet(const char *text, struct procstat *out)
{
	const char *p;
	unsigned int line = 0;

	for (p = text; p && *p; p = next_line(p), line++) {
		unsigned int v[13];
		unsigned int cpu;
		int n;

		n = sscanf(p, "%x %x %x %x %x %x %x %x %x %x %x %x %x", &v[0], &v[1], &v[2], &v[3],
			   &v[4], &v[5], &v[6], &v[7], &v[8], &v[9], &v[10], &v[11], &v[12]);
		if (n < 3)
			return -EBADMSG;
		/* Lines skip offline CPUs; the number is in column 13 since Linux 5.10. */
		cpu = n == 13 ? v[12] : line;
		if (cpu >= SLUICE_MAX_CPUS)
			continue;
		out->cpu[cpu].softnet_dropped = v[1];
		out->cpu[cpu].softnet_squeezed = v[2];
	}
	return line ? 0 : -EBADMSG;
}

/* Reads a whole procfs file of unknown size; malloc()ed, NULL with errno. */
static char *slurp(const char *path)
{
	size_t size = 16384, used = 0;
	char *buf = NULL, *bigger;
	ssize_t n;
	int fd, saved;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	for (;;) {
		bigger = realloc(buf, size);
		if (!bigger)
			goto fail;
		buf = bigger;
		n = read(fd, buf + used, size - used - 1);
		if (n < 0)
			goto fail;
		if (n == 0)
			break;
		used += (size_t)n;
		if (size - used < 4096)
			size *= 2;
	}
	close(fd);
	buf[used] = '\0';
	return buf;
fail:
	saved = errno;
	free(buf);
	close(fd);
	errno = saved;
	return NULL;
}

static int read_with(const char *path, int (*parse)(const char *, struct procstat *),
		     struct procstat *out, struct sl_err *e)
{
	char *text = slurp(path);
	int r;

	if (!text)
		return sl_err(e, -errno, "cannot read %s: %s; is /proc mounted?", path,
			      strerror(errno));
	r = parse(text, out);
	free(text);
	if (r < 0)
		return sl_err(e, r, "%s is not in the form this program knows", path);
	return 0;
}

int procstat_read(struct procstat *out, struct sl_err *e)
{
	struct procstat *now;
	int r;

	now = malloc(sizeof(*now));
	if (!now)
		return sl_err(e, -ENOMEM, "out of memory");
	r = read_with("/proc/stat", procstat_parse_stat, now, e);
	if (r == 0)
		r = read_with("/proc/net/softnet_stat", procstat_parse_softnet, now, e);
	if (r == 0)
		*out = *now;
	free(now);
	return r;
}

static double share(uint64_t part_now, uint64_t part_before, const struct procstat_cpu *now,
		    const struct procstat_cpu *before)
{
	double s;

	/* iowait and idle may step back by a tick on a tickless CPU. */
	if (now->total <= before->total || part_now <= part_before)
		return 0;
	s = (double)(part_now - part_before) / (double)(now->total - before->total);
	return s > 1 ? 1 : s;
}

double procstat_util(const struct procstat_cpu *now, const struct procstat_cpu *before)
{
	return share(now->busy, before->busy, now, before);
}

double procstat_softirq(const struct procstat_cpu *now, const struct procstat_cpu *before)
{
	return share(now->softirq, before->softirq, now, before);
}
