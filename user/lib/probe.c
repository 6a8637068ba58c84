// SPDX-License-Identifier: GPL-2.0
/* Collects facts, and says what they mean. */
#include "lib/probe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ADVISE_HOP_NS	300	/* above, only dear packets are worth a hop: a note says so */

int probe_read(const char *ifname, const struct probe_options *o, struct probe_facts *f,
	       struct sl_err *e)
{
	struct probe_targets targets;
	unsigned int from;
	int r;

	memset(f, 0, sizeof(*f));
	r = netdev_get(ifname, &f->dev, e);
	if (!r)
		r = probe_check_sysfs(&f->dev, e);
	if (!r)
		r = probe_host_read("", &f->host, e);
	if (!r)
		r = probe_queues_read("", ifname, &f->queues, e);
	if (!r)
		r = probe_dev_read(&f->dev, &f->caps, e);
	if (!r)
		r = coexist_read("", ifname, &f->queues, &f->coexist, e);
	if (r)
		return r;
	f->cpumap_gro = probe_cpumap_gro();
	coexist_xdp(f->dev.ifindex, &f->xdp, &f->xdp_error);
	netdev_check_redirect(&f->dev, &f->redirect);
	if (o->try) {
		f->tried = true;
		probe_try_xdp(&f->dev, PROBE_WATCH_MS, &f->try, &f->try_error);
	}
	from = probe_host_targets(&f->host, &f->queues, &targets);
	f->n_hops = o->no_hop ? 0 : probe_hop_measure(from, &targets, PROBE_HOP_MS, f->hop,
						      &f->hop_error);
	return 0;
}

/* --- findings -------------------------------------------------------------- */

struct list {
	struct probe_finding *out;
	size_t n;
};

__attribute__((format(printf, 4, 5)))
static void add(struct list *l, const char *name, enum probe_level level, const char *format, ...)
{
	struct probe_finding *f;
	va_list ap;

	if (l->n == PROBE_FINDINGS_MAX)
		return;
	f = &l->out[l->n++];
	memset(f, 0, sizeof(*f));
	f->name = name;
	f->level = level;
	va_start(ap, format);
	vsnprintf(f->value, sizeof(f->value), format, ap);
	va_end(ap);
}

/* Of the finding added last. */
__attribute__((format(printf, 2, 3)))
static void advise(struct list *l, const char *format, ...)
{
	struct probe_finding *f = &l->out[l->n - 1];
	va_list ap;

	va_start(ap, format);
	vsnprintf(f->advice, sizeof(f->advice), format, ap);
	va_end(ap);
}

static const char *answer_text(enum probe_answer a)
{
	return a == PROBE_YES ? "yes" : a == PROBE_NO ? "no" : "unknown";
}

static void find_mode(const struct probe_facts *f, struct list *l)
{
	const struct probe_try *t = &f->try;
	const struct probe_dev *c = &f->caps;

	if (f->tried && !*f->try_error.text) {
		if (t->native)
			add(l, "xdp_mode", PROBE_OK, "native (tried)");
		else if (t->generic)
			add(l, "xdp_mode", PROBE_WARN, "generic only (tried; native: %s)",
			    strerror(t->native_errno));
		else
			add(l, "xdp_mode", PROBE_WARN, "none (tried: %s)",
			    strerror(t->native_errno));
	} else if (f->xdp.prog_id) {
		add(l, "xdp_mode", f->xdp.generic ? PROBE_WARN : PROBE_OK,
		    "%s (a program is attached so)", f->xdp.generic ? "generic" : "native");
	} else if (c->native == PROBE_YES) {
		add(l, "xdp_mode", PROBE_OK, "native (by the %s; not tried)",
		    c->by_name ? "driver's name" : "kernel's list of XDP features");
	} else if (c->native == PROBE_NO) {
		add(l, "xdp_mode", PROBE_WARN, "generic (the kernel lists no native redirect)");
	} else {
		add(l, "xdp_mode", PROBE_NOTE, "unknown");
		advise(l, "driver %s is not in our list and this kernel has none; --try attaches a "
		       "program for a moment (some drivers reset the link then)",
		       *f->dev.driver ? f->dev.driver : "(it does not say)");
	}
	if (l->out[l->n - 1].level == PROBE_WARN)
		advise(l, "generic XDP copies each packet and cannot measure waits; steer a native "
		       "interface below this one (the members of a bond or bridge)");
}

static void find_try(const struct probe_facts *f, struct list *l)
{
	const struct probe_try *t = &f->try;

	if (!f->tried)
		return;
	if (*f->try_error.text) {
		add(l, "try", PROBE_NOTE, "not possible");
		advise(l, "%s", f->try_error.text);
		return;
	}
	add(l, "link_reset", t->carrier_changes ? PROBE_WARN : PROBE_OK,
	    t->carrier_changes ? "yes, %u carrier changes" : "no", t->carrier_changes);
	if (t->carrier_changes)
		advise(l, "attaching and detaching interrupt traffic on this driver: load in a "
		       "maintenance window");
}

static void find_metadata(const struct probe_facts *f, struct list *l)
{
	const struct probe_try *t = &f->try;

	if (t->native && t->packets)
		add(l, "metadata", t->meta ? PROBE_OK : PROBE_NOTE, "%s (tried with %llu packets)",
		    t->meta ? "yes" : "no", (unsigned long long)t->packets);
	else if (t->generic || f->caps.native == PROBE_NO)
		add(l, "metadata", PROBE_NOTE, "no (generic XDP loses it before the cpumap)");
	else if (!strcmp(f->dev.driver, "veth"))
		add(l, "metadata", PROBE_OK, "yes (by the driver's name)");
	else
		add(l, "metadata", PROBE_NOTE, "unknown");
	if (l->out[l->n - 1].level == PROBE_OK)
		return;
	if (!t->packets && !t->generic && f->caps.native != PROBE_NO)
		advise(l, f->tried ? "no packet came while watching" :
		       "--try finds out, while packets arrive");
	else
		advise(l, "waits in the cpumap ring are \"not measurable\" here");
}

static void find_frags(const struct probe_facts *f, struct list *l)
{
	bool jumbo = f->dev.mtu_bytes > probe_plain_mtu();
	enum probe_answer takes = f->caps.frags;

	add(l, "mtu", jumbo && takes == PROBE_NO ? PROBE_WARN : PROBE_OK, "%u bytes, program %s",
	    f->dev.mtu_bytes, jumbo ? "xdp.frags" : "xdp");
	if (jumbo && takes != PROBE_YES)
		advise(l, takes == PROBE_NO ? "the driver takes no xdp.frags program: MTU %u or "
		       "less is needed" : "whether the driver takes xdp.frags programs is unknown; "
		       "if loading fails, MTU %u or less is needed", probe_plain_mtu());
}

static void find_queues(const struct probe_facts *f, struct list *l)
{
	const struct probe_dev *c = &f->caps;

	add(l, "rx_queues", f->queues.n_rx > 1 ? PROBE_OK : PROBE_NOTE, "%u", f->queues.n_rx);
	if (f->queues.n_rx == 1)
		advise(l, "all packets arrive on one CPU, which pays for every hop");
	if (c->channels_max) {
		add(l, "channels", PROBE_OK, "%d of %d", c->channels, c->channels_max);
		if (c->channels < c->channels_max && c->channels < (int)f->host.n_online) {
			l->out[l->n - 1].level = PROBE_NOTE;
			advise(l, "\"ethtool -L %s combined N\" spreads arrivals over more CPUs "
			       "without a hop", f->dev.ifname);
		}
	} else {
		add(l, "channels", PROBE_NOTE, "unknown");
	}
	if (c->rss_entries > 0)
		add(l, "rss_table", PROBE_OK, "%d entries", c->rss_entries);
	else
		add(l, "rss_table", PROBE_NOTE, c->rss_entries ? "unknown" : "none");
}

static void find_irqs(const struct probe_facts *f, struct list *l)
{
	const struct probe_queues *q = &f->queues;
	char text[160] = "";
	size_t n = 0;

	if (!q->n_irqs) {
		add(l, "irqs", PROBE_OK, "none of its own");
		return;
	}
	for (unsigned int i = 0; i < q->n_irqs && n + 24 < sizeof(text); i++)
		n += snprintf(text + n, sizeof(text) - n, "%s%u:%.12s", i ? " " : "",
			      q->irq[i].irq, *q->irq[i].cpus ? q->irq[i].cpus : "?");
	add(l, "irqs", PROBE_OK, "%s", text);
}

static void find_cpus(const struct probe_facts *f, struct list *l)
{
	const struct probe_host *h = &f->host;
	unsigned int far = 0;

	for (unsigned int i = 0; i < h->n_cpus; i++)
		far += h->cpu[i].online && h->cpu[i].node != f->queues.node;
	add(l, "cpus", PROBE_OK, "%u online, %u cores", h->n_online, h->n_cores);
	if (h->n_cores < h->n_online) {
		l->out[l->n - 1].level = PROBE_NOTE;
		advise(l, "siblings of a core share its time: target one of each core first");
	}
	if (h->n_online < 2) {
		l->out[l->n - 1].level = PROBE_WARN;
		advise(l, "there is no other CPU to steer to");
	}
	add(l, "core_classes", h->n_classes > 1 ? PROBE_NOTE : PROBE_OK, "%u", h->n_classes);
	if (h->n_classes > 1)
		advise(l, "cores differ in speed: equal load shares are not equal waits");
	add(l, "isolated_cpus", h->n_isolated ? PROBE_NOTE : PROBE_OK, "%u", h->n_isolated);
	if (h->n_isolated)
		advise(l, "leave them out with \"cpus LIST\", unless they are isolated for this");
	if (f->queues.node < 0)
		add(l, "numa", PROBE_OK, "%u nodes, the device names none", h->n_nodes);
	else
		add(l, "numa", far ? PROBE_NOTE : PROBE_OK, "%u nodes, the device is on node %d",
		    h->n_nodes, f->queues.node);
	if (f->queues.node >= 0 && far)
		advise(l, "%u CPUs are on other nodes: prefer those of node %d as targets", far,
		       f->queues.node);
}

static void find_receive(const struct probe_facts *f, struct list *l)
{
	bool bad = *f->redirect.text;

	add(l, "redirect_checksums", bad ? PROBE_WARN : PROBE_OK, bad ? "lost" : "kept");
	if (bad)
		advise(l, "%s", f->redirect.text);
	add(l, "cpumap_gro", f->cpumap_gro == PROBE_YES ? PROBE_OK : PROBE_NOTE, "%s",
	    answer_text(f->cpumap_gro));
	if (f->cpumap_gro == PROBE_NO)
		advise(l, "packets that take a hop are not merged afterwards: bulk TCP to local "
		       "sockets becomes dearer, forwarding does not");
	add(l, "gro", PROBE_OK, "%s", answer_text(f->caps.gro));
	add(l, "lro", f->caps.lro == PROBE_YES ? PROBE_WARN : PROBE_OK, "%s",
	    answer_text(f->caps.lro));
	if (f->caps.lro == PROBE_YES)
		advise(l, "XDP and LRO exclude each other: \"ethtool -K %s lro off\"",
		       f->dev.ifname);
}

static void find_programs(const struct probe_facts *f, struct list *l)
{
	const struct coexist_xdp *x = &f->xdp;

	if (*f->xdp_error.text)
		add(l, "xdp_program", PROBE_NOTE, "unknown");
	else if (!x->prog_id)
		add(l, "xdp_program", PROBE_OK, "none");
	else
		add(l, "xdp_program", PROBE_NOTE, "%s, id %u, %s",
		    *x->name ? x->name : "(name unknown)", x->prog_id,
		    x->generic ? "generic" : "native");
	if (x->dispatcher)
		advise(l, "libxdp's dispatcher calls several programs; add ours with \"xdp-loader "
		       "load -m %s %s xdp_steer.bpf.o -n xdp_steer\", then \"sluice load %s\" "
		       "adopts it there", x->generic ? "skb" : "native", f->dev.ifname,
		       f->dev.ifname);
	else if (x->prog_id && strncmp(x->name, "xdp_steer", 9))
		advise(l, "it is not ours and stays; steering cannot be loaded beside it except "
		       "through libxdp's dispatcher (xdp-loader)");
}

static void find_coexistence(const struct probe_facts *f, struct list *l)
{
	struct coexist_warning w[3];
	size_t n = coexist_warnings(&f->coexist, f->dev.ifname, w, 3);
	static const char *const all[] = { "irqbalance", "rps", "xps" };

	for (size_t i = 0; i < 3; i++) {
		size_t k = 0;

		while (k < n && strcmp(w[k].name, all[i]))
			k++;
		if (k < n) {
			add(l, all[i], PROBE_WARN, "conflicts");
			advise(l, "%s", w[k].text);
		} else {
			add(l, all[i], PROBE_OK, "no conflict");
		}
	}
}

static void find_hops(const struct probe_facts *f, struct list *l)
{
	static const char *const name[PROBE_DISTANCE_MAX] = {
#define X(id, text) "hop_" #id,
		PROBE_DISTANCES(X)
#undef X
	};

	if (f->n_hops < 0) {
		add(l, "hop", PROBE_NOTE, "not measured");
		advise(l, "%s", f->hop_error.text);
	}
	for (int i = 0; i < f->n_hops; i++) {
		const struct probe_hop *h = &f->hop[i];
		char mpps[32] = "lost packets", wakeup[48] = "not seen";

		if (h->mpps >= 0)
			snprintf(mpps, sizeof(mpps), "%.2f Mpps", h->mpps);
		if (h->wakeup_ns >= 0)
			snprintf(wakeup, sizeof(wakeup), "%.0f us", h->wakeup_ns / 1e3);
		add(l, name[h->distance], PROBE_OK,
		    "CPU %u to %u: %.0f ns per packet on the sender, %s, wake-up %s",
		    h->from_cpu, h->to_cpu, h->send_ns, mpps, wakeup);
		if (h->distance == PROBE_same || h->send_ns < ADVISE_HOP_NS)
			continue;
		l->out[l->n - 1].level = PROBE_NOTE;
		advise(l, "a packet that costs less than about %.0f ns to process is cheaper where "
		       "it arrives", PROBE_GAIN_MIN * h->send_ns);
	}
}

size_t probe_findings(const struct probe_facts *f, struct probe_finding out[PROBE_FINDINGS_MAX])
{
	struct list l = { .out = out };

	find_mode(f, &l);
	find_try(f, &l);
	find_metadata(f, &l);
	find_frags(f, &l);
	find_queues(f, &l);
	find_irqs(f, &l);
	find_cpus(f, &l);
	find_receive(f, &l);
	find_programs(f, &l);
	find_coexistence(f, &l);
	find_hops(f, &l);
	return l.n;
}
