// SPDX-License-Identifier: GPL-2.0
#include "lib/probe_host.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/netdev.h"
#include "lib/sysfs.h"

#define NR_CPUS_MAX	8192	/* the largest a kernel can have */
#define CPU_DIR		"/sys/devices/system/cpu"

/* Reads ROOT/FORMAT...; its length or -errno. */
__attribute__((format(printf, 4, 5)))
static int read_at(char *buf, size_t size, const char *root, const char *format, ...)
{
	char path[PATH_MAX];
	va_list ap;
	size_t n = snprintf(path, sizeof(path), "%s", root);

	if (n >= sizeof(path))
		return -ENAMETOOLONG;
	va_start(ap, format);
	vsnprintf(path + n, sizeof(path) - n, format, ap);
	va_end(ap);
	return sysfs_read(path, buf, size);
}

/* The CPUs of a list, those we can steer to, as flags; false when there is no such list. */
static bool list_at(bool set[SLUICE_MAX_CPUS], const char *root, const char *path)
{
	uint16_t *cpus = calloc(NR_CPUS_MAX, sizeof(*cpus));
	char text[4096];
	size_t n = 0;
	bool found;

	memset(set, 0, SLUICE_MAX_CPUS);
	found = cpus && read_at(text, sizeof(text), root, "%s", path) > 0 &&
		!cpulist_parse(text, NR_CPUS_MAX, cpus, NR_CPUS_MAX, &n, NULL);
	for (size_t i = 0; i < n; i++)
		if (cpus[i] < SLUICE_MAX_CPUS)
			set[cpus[i]] = true;
	free(cpus);
	return found;
}

static void read_cpu(const char *root, unsigned int cpu, struct probe_cpu *c)
{
	char text[256];

	c->core = cpu;
	if (read_at(text, sizeof(text), root, CPU_DIR "/cpu%u/topology/thread_siblings_list",
		    cpu) > 0)
		c->core = atoi(text);
	if (read_at(text, sizeof(text), root, CPU_DIR "/cpu%u/cpu_capacity", cpu) > 0 ||
	    read_at(text, sizeof(text), root, CPU_DIR "/cpu%u/cpufreq/cpuinfo_max_freq", cpu) > 0)
		c->capacity = strtoul(text, NULL, 10);
}

static void read_nodes(const char *root, struct probe_host *h)
{
	bool set[SLUICE_MAX_CPUS];
	char path[64];

	for (int node = 0; node < 64; node++) {
		bool used = false;

		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpulist", node);
		if (!list_at(set, root, path))
			continue;
		for (unsigned int i = 0; i < h->n_cpus; i++) {
			if (!set[i] || !h->cpu[i].online)
				continue;
			h->cpu[i].node = node;
			used = true;
		}
		h->n_nodes += used;
	}
	if (!h->n_nodes)
		h->n_nodes = 1;
}

/* Hybrid processors of Intel have a PMU, and so a list of CPUs, for each type of core. */
static void read_classes(const char *root, struct probe_host *h)
{
	bool core[SLUICE_MAX_CPUS], atom[SLUICE_MAX_CPUS];
	uint32_t seen[8];

	list_at(core, root, "/sys/devices/cpu_core/cpus");
	list_at(atom, root, "/sys/devices/cpu_atom/cpus");
	for (unsigned int i = 0; i < h->n_cpus; i++) {
		struct probe_cpu *c = &h->cpu[i];
		unsigned int k = 0;
		uint32_t kind;

		c->class = core[i] ? 'P' : atom[i] ? 'E' : '-';
		if (!c->online)
			continue;
		/* Turbo bins make equal cores differ by a few per cent: not classes. */
		kind = c->class != '-' ? (uint32_t)c->class : c->capacity;
		while (k < h->n_classes &&
		       !(seen[k] <= kind + kind / 10 && kind <= seen[k] + seen[k] / 10))
			k++;
		if (k == h->n_classes && k < 8)
			seen[h->n_classes++] = kind;
	}
}

int probe_host_read(const char *root, struct probe_host *out, struct sl_err *e)
{
	bool online[SLUICE_MAX_CPUS], isolated[SLUICE_MAX_CPUS], nohz[SLUICE_MAX_CPUS];
	struct probe_host *h = calloc(1, sizeof(*h));

	if (!h)
		return sl_err(e, -ENOMEM, "out of memory");
	if (!list_at(online, root, CPU_DIR "/online")) {
		free(h);
		return sl_err(e, -ENOENT, "cannot read %s" CPU_DIR "/online", root);
	}
	list_at(isolated, root, CPU_DIR "/isolated");
	list_at(nohz, root, CPU_DIR "/nohz_full");
	for (unsigned int i = 0; i < SLUICE_MAX_CPUS; i++) {
		struct probe_cpu *c = &h->cpu[i];

		c->core = i;
		c->class = '-';
		if (!online[i])
			continue;
		c->online = true;
		c->isolated = isolated[i] || nohz[i];
		h->n_cpus = i + 1;
		h->n_online++;
		h->n_isolated += c->isolated;
		read_cpu(root, i, c);
		h->n_cores += c->core == (int)i;
	}
	read_nodes(root, h);
	read_classes(root, h);
	*out = *h;
	free(h);
	return 0;
}

static unsigned int count_queues(const char *root, const char *ifname, const char *kind)
{
	char path[PATH_MAX];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/sys/class/net/%s/queues", root, ifname);
	d = opendir(path);
	while (d && (entry = readdir(d)))
		n += !strncmp(entry->d_name, kind, strlen(kind));
	if (d)
		closedir(d);
	return n;
}

static int by_irq(const void *a, const void *b)
{
	const struct probe_irq *x = a, *y = b;

	return (x->irq > y->irq) - (x->irq < y->irq);
}

/* virtio's interrupts belong to the PCI device above the virtio one. */
static void read_irqs(const char *root, const char *ifname, struct probe_queues *q)
{
	static const char *const where[] = { "device/msi_irqs", "device/../msi_irqs" };
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *d = NULL;

	for (int i = 0; i < 2 && !d; i++) {
		snprintf(path, sizeof(path), "%s/sys/class/net/%s/%s", root, ifname, where[i]);
		d = opendir(path);
	}
	while (d && (entry = readdir(d)) && q->n_irqs < PROBE_IRQS_MAX) {
		struct probe_irq *irq = &q->irq[q->n_irqs];

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		irq->irq = strtoul(entry->d_name, NULL, 10);
		if (read_at(irq->cpus, sizeof(irq->cpus), root,
			    "/proc/irq/%u/effective_affinity_list", irq->irq) <= 0 &&
		    read_at(irq->cpus, sizeof(irq->cpus), root,
			    "/proc/irq/%u/smp_affinity_list", irq->irq) <= 0)
			irq->cpus[0] = '\0';
		q->n_irqs++;
	}
	if (d)
		closedir(d);
	qsort(q->irq, q->n_irqs, sizeof(*q->irq), by_irq);
}

int probe_queues_read(const char *root, const char *ifname, struct probe_queues *out,
		      struct sl_err *e)
{
	struct probe_queues q = { .node = -1 };
	char text[32];

	q.n_rx = count_queues(root, ifname, "rx-");
	q.n_tx = count_queues(root, ifname, "tx-");
	if (!q.n_rx)
		return sl_err(e, -ENODEV, "%s/sys/class/net/%s has no RX queues", root, ifname);
	if (read_at(text, sizeof(text), root, "/sys/class/net/%s/device/numa_node", ifname) > 0 ||
	    read_at(text, sizeof(text), root, "/sys/class/net/%s/device/../numa_node", ifname) > 0)
		q.node = atoi(text);
	if (read_at(text, sizeof(text), root, "/sys/class/net/%s/carrier_changes", ifname) > 0)
		q.carrier_changes = strtoul(text, NULL, 10);
	read_irqs(root, ifname, &q);
	*out = q;
	return 0;
}

static bool usable(const struct probe_host *h, unsigned int cpu)
{
	return cpu < h->n_cpus && h->cpu[cpu].online && !h->cpu[cpu].isolated;
}

unsigned int probe_host_targets(const struct probe_host *h, const struct probe_queues *q,
				struct probe_targets *out)
{
	unsigned int from = 0;

	for (int i = 0; i < PROBE_DISTANCE_MAX; i++)
		out->cpu[i] = -1;
	while (from < h->n_cpus && !usable(h, from))
		from++;
	/* The first interrupt is often the one for configuration: take the last's CPU. */
	for (unsigned int i = 0; q && i < q->n_irqs; i++)
		if (q->irq[i].cpus[0] && usable(h, atoi(q->irq[i].cpus)))
			from = atoi(q->irq[i].cpus);
	if (from >= h->n_cpus)
		return 0;
	out->cpu[PROBE_same] = from;
	for (unsigned int i = 0; i < h->n_cpus; i++) {
		enum probe_distance d = PROBE_core;

		if (i == from || !usable(h, i))
			continue;
		if (h->cpu[i].node != h->cpu[from].node)
			d = PROBE_node;
		else if (h->cpu[i].core == h->cpu[from].core)
			d = PROBE_sibling;
		if (out->cpu[d] < 0)
			out->cpu[d] = i;
	}
	return from;
}
