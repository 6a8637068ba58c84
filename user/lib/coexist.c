// SPDX-License-Identifier: GPL-2.0
#include "lib/coexist.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/probe_dev.h"
#include "lib/sysfs.h"

/* Whether a CPU mask ("00000000,0000000f") in a file has any bit set. */
static bool mask_is_set(const char *path)
{
	char text[4096];

	return sysfs_read(path, text, sizeof(text)) > 0 &&
	       strspn(text, "0,") != strlen(text);
}

static bool is_number(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

/* The arguments of a process, as one string with NULs inside; its length, at least 0. */
static size_t read_arguments(const char *root, int pid, char *buf, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/proc/%d/cmdline", root, pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		n = 0;
	buf[n] = '\0';
	return n;
}

/* "--banirq=N", "--banirq N", "-i N" or "-iN" */
static bool bans(const char *args, size_t len, unsigned int irq)
{
	for (const char *a = args; a < args + len; a += strlen(a) + 1) {
		const char *value = NULL;

		if (!strncmp(a, "--banirq=", 9))
			value = a + 9;
		else if (!strcmp(a, "--banirq") || !strcmp(a, "-i"))
			value = a + strlen(a) + 1;
		else if (!strncmp(a, "-i", 2))
			value = a + 2;
		if (value && value < args + len && is_number(value) &&
		    strtoul(value, NULL, 10) == irq)
			return true;
	}
	return false;
}

static void find_irqbalance(const char *root, const struct probe_queues *q, struct coexist *c)
{
	char path[PATH_MAX], text[4096];
	struct dirent *entry;
	size_t len;
	DIR *d;

	snprintf(path, sizeof(path), "%s/proc", root);
	d = opendir(path);
	while (d && !c->irqbalance_pid && (entry = readdir(d))) {
		if (!is_number(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/proc/%s/comm", root, entry->d_name);
		if (sysfs_read(path, text, sizeof(text)) > 0 && !strcmp(text, "irqbalance"))
			c->irqbalance_pid = atoi(entry->d_name);
	}
	if (d)
		closedir(d);
	if (!c->irqbalance_pid || !q || !q->n_irqs)
		return;
	len = read_arguments(root, c->irqbalance_pid, text, sizeof(text));
	c->irqbalance_spares = true;
	for (unsigned int i = 0; i < q->n_irqs; i++)
		c->irqbalance_spares &= bans(text, len, q->irq[i].irq);
}

/* Queues of an interface whose mask in "file" is set. kind is "rx-" or "tx-". */
static unsigned int masked_queues(const char *root, const char *ifname, const char *kind,
				  const char *file)
{
	char dir[PATH_MAX - 300], path[PATH_MAX];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/sys/class/net/%s/queues", root, ifname);
	d = opendir(dir);
	while (d && (entry = readdir(d))) {
		if (strncmp(entry->d_name, kind, strlen(kind)))
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s", dir, entry->d_name, file);
		n += mask_is_set(path);
	}
	if (d)
		closedir(d);
	return n;
}

static void find_xps(const char *root, const char *ifname, struct coexist *c)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *d;

	snprintf(path, sizeof(path), "%s/sys/class/net", root);
	d = opendir(path);
	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, ifname) ||
		    strlen(entry->d_name) >= IFNAMSIZ)
			continue;
		/* One queue for all CPUs does not change with the CPU. */
		if (masked_queues(root, entry->d_name, "tx-", "xps_cpus") < 2)
			continue;
		if (c->n_xps < COEXIST_IFS_MAX)
			strcpy(c->xps[c->n_xps], entry->d_name);
		c->n_xps++;
	}
	if (d)
		closedir(d);
}

static bool is_on(const char *root, const char *file)
{
	char path[PATH_MAX];
	uint32_t value;

	snprintf(path, sizeof(path), "%s%s", root, file);
	return !sysfs_read_u32(path, &value) && value;
}

int coexist_read(const char *root, const char *ifname, const struct probe_queues *q,
		 struct coexist *out, struct sl_err *e)
{
	struct coexist c = { 0 };
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/sys/class/net/%s", root, ifname);
	if (!sysfs_exists(path))
		return sl_err(e, -ENODEV, "there is no %s", path);
	find_irqbalance(root, q, &c);
	c.n_rps = masked_queues(root, ifname, "rx-", "rps_cpus");
	c.n_rfs = masked_queues(root, ifname, "rx-", "rps_flow_cnt");
	snprintf(path, sizeof(path), "%s/sys/class/net/%s/brport", root, ifname);
	c.forwards = sysfs_exists(path) || is_on(root, "/proc/sys/net/ipv4/ip_forward") ||
		     is_on(root, "/proc/sys/net/ipv6/conf/all/forwarding");
	find_xps(root, ifname, &c);
	*out = c;
	return 0;
}

bool coexist_reorders(const struct coexist *c)
{
	return c->forwards && c->n_xps > 0;
}

int coexist_xdp(int ifindex, struct coexist_xdp *out, struct sl_err *e)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	struct bpf_prog_info info = { 0 };
	struct coexist_xdp x = { 0 };
	__u32 len = sizeof(info);
	int fd, r;

	r = bpf_xdp_query(ifindex, 0, &q);
	if (r)
		return sl_err(e, r, "cannot ask which XDP program is attached: %s", strerror(-r));
	if (q.attach_mode != XDP_ATTACHED_NONE) {
		x.prog_id = q.prog_id ? q.prog_id : q.drv_prog_id;
		x.generic = q.attach_mode == XDP_ATTACHED_SKB;
		fd = bpf_prog_get_fd_by_id(x.prog_id);
		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len))
			snprintf(x.name, sizeof(x.name), "%s", info.name);
		if (fd >= 0)
			close(fd);
		x.dispatcher = !strcmp(x.name, "xdp_dispatcher");
	}
	*out = x;
	return 0;
}

size_t coexist_warnings(const struct coexist *c, const char *ifname,
			struct coexist_warning *out, size_t n)
{
	size_t k = 0;

	if (c->irqbalance_pid && !c->irqbalance_spares && k < n) {
		out[k].name = "irqbalance";
		snprintf(out[k++].text, sizeof(out->text),
			 "irqbalance (pid %d) may move the interrupts of %s, and with them the CPU "
			 "that packets arrive on, under the agent's feet; ban them with "
			 "\"irqbalance --banirq=N\" for each, or stop it",
			 c->irqbalance_pid, ifname);
	}
	if (c->n_rps && k < n) {
		out[k].name = "rps";
		snprintf(out[k++].text, sizeof(out->text),
			 "RPS is on for %u RX queues of %s and distributes packets once more, "
			 "after steering; write 0 to /sys/class/net/%s/queues/rx-*/rps_cpus",
			 c->n_rps, ifname, ifname);
	}
	if (coexist_reorders(c) && k < n) {
		out[k].name = "xps";
		snprintf(out[k++].text, sizeof(out->text),
			 "XPS on %s%s chooses the TX queue by CPU: a forwarded flow that is moved "
			 "to another CPU changes its TX queue too and can be reordered there; "
			 "where that matters write 0 to /sys/class/net/%s/queues/tx-*/xps_cpus",
			 c->xps[0], c->n_xps > 1 ? " and others" : "", c->xps[0]);
	}
	return k;
}

size_t coexist_check(const char *ifname, struct coexist_warning *out, size_t n)
{
	struct probe_queues q;
	struct netdev dev;
	struct coexist c;

	if (netdev_get(ifname, &dev, NULL) || probe_check_sysfs(&dev, NULL) ||
	    probe_queues_read("", ifname, &q, NULL) ||
	    coexist_read("", ifname, &q, &c, NULL))
		return 0;
	return coexist_warnings(&c, ifname, out, n);
}
