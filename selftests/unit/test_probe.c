// SPDX-License-Identifier: GPL-2.0
/* What the probe makes of sysfs and procfs, on made-up machines; when a hop pays. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/coexist.h"
#include "lib/probe.h"

static char root[64];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int make_root(void **state)
{
	(void)state;
	strcpy(root, "/tmp/test_probe.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file below root, with the directories above it. */
static void put_bytes(const char *path, const char *bytes, size_t n)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		assert_true(!mkdir(full, 0700) || errno == EEXIST);
		*p = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

static void put(const char *path, const char *text)
{
	put_bytes(path, text, strlen(text));
}

static void put_cpu(int cpu, const char *siblings, const char *khz)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
		 cpu);
	put(path, siblings);
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", cpu);
	put(path, khz);
}

/* Eight CPUs: two nodes of two cores with two threads; CPU 3 is isolated. */
static void make_server(void)
{
	static const char *const siblings[] = { "0,4\n", "1,5\n", "2,6\n", "3,7\n" };

	put("/sys/devices/system/cpu/online", "0-7\n");
	put("/sys/devices/system/cpu/isolated", "3\n");
	put("/sys/devices/system/node/node0/cpulist", "0-1,4-5\n");
	put("/sys/devices/system/node/node1/cpulist", "2-3,6-7\n");
	for (int i = 0; i < 8; i++)
		put_cpu(i, siblings[i % 4], i % 2 ? "3000000\n" : "3100000\n");
}

static void test_host(void **state)
{
	struct probe_host h;
	struct sl_err e;

	(void)state;
	make_server();
	assert_int_equal(probe_host_read(root, &h, &e), 0);
	assert_int_equal(h.n_cpus, 8);
	assert_int_equal(h.n_online, 8);
	assert_int_equal(h.n_cores, 4);
	assert_int_equal(h.n_nodes, 2);
	assert_int_equal(h.n_isolated, 1);
	assert_true(h.cpu[3].isolated);
	assert_int_equal(h.cpu[6].core, 2);
	assert_int_equal(h.cpu[6].node, 1);
	/* 3.0 and 3.1 GHz are one class. */
	assert_int_equal(h.n_classes, 1);
	assert_int_equal(h.cpu[0].class, '-');
}

static void test_hybrid(void **state)
{
	struct probe_host h;
	struct sl_err e;

	(void)state;
	put("/sys/devices/system/cpu/online", "0-3\n");
	put("/sys/devices/cpu_core/cpus", "0-1\n");
	put("/sys/devices/cpu_atom/cpus", "2-3\n");
	assert_int_equal(probe_host_read(root, &h, &e), 0);
	assert_int_equal(h.n_classes, 2);
	assert_int_equal(h.cpu[1].class, 'P');
	assert_int_equal(h.cpu[2].class, 'E');
	assert_int_equal(h.n_nodes, 1);
	assert_int_equal(h.n_cores, 4);
}

static void test_no_host(void **state)
{
	struct probe_host h = { .n_cpus = 77 };
	struct sl_err e = { "" };

	(void)state;
	assert_int_equal(probe_host_read(root, &h, &e), -ENOENT);
	assert_int_equal(h.n_cpus, 77);
	assert_non_null(strstr(e.text, "cpu/online"));
	put("/sys/devices/system/cpu/online", "zero\n");
	assert_int_equal(probe_host_read(root, &h, &e), -ENOENT);
}

static void make_device(void)
{
	put("/sys/class/net/eth0/queues/rx-0/rps_cpus", "00000000,00000000\n");
	put("/sys/class/net/eth0/queues/rx-1/rps_cpus", "00000000,00000000\n");
	put("/sys/class/net/eth0/queues/rx-0/rps_flow_cnt", "0\n");
	put("/sys/class/net/eth0/queues/tx-0/xps_cpus", "1\n");
	put("/sys/class/net/eth0/queues/tx-1/xps_cpus", "2\n");
	put("/sys/class/net/eth0/carrier_changes", "7\n");
	put("/sys/class/net/eth0/device/numa_node", "1\n");
	put("/sys/class/net/eth0/device/msi_irqs/124", "msix\n");
	put("/sys/class/net/eth0/device/msi_irqs/99", "msix\n");
	put("/proc/irq/99/smp_affinity_list", "0-7\n");
	put("/proc/irq/124/smp_affinity_list", "0-7\n");
	put("/proc/irq/124/effective_affinity_list", "6\n");
}

static void test_queues(void **state)
{
	struct probe_targets t;
	struct probe_queues q;
	struct probe_host h;
	struct sl_err e;

	(void)state;
	make_server();
	make_device();
	assert_int_equal(probe_queues_read(root, "eth0", &q, &e), 0);
	assert_int_equal(q.n_rx, 2);
	assert_int_equal(q.n_tx, 2);
	assert_int_equal(q.node, 1);
	assert_int_equal(q.carrier_changes, 7);
	assert_int_equal(q.n_irqs, 2);
	assert_int_equal(q.irq[0].irq, 99);
	assert_string_equal(q.irq[0].cpus, "0-7");
	assert_string_equal(q.irq[1].cpus, "6");	/* what is in force */

	/* From CPU 6: its sibling is 2; the other core of its node is 7, as 3 is isolated. */
	assert_int_equal(probe_host_read(root, &h, &e), 0);
	assert_int_equal(probe_host_targets(&h, &q, &t), 6);
	assert_int_equal(t.cpu[PROBE_same], 6);
	assert_int_equal(t.cpu[PROBE_sibling], 2);
	assert_int_equal(t.cpu[PROBE_core], 7);
	assert_int_equal(t.cpu[PROBE_node], 0);
	assert_int_equal(probe_queues_read(root, "eth1", &q, &e), -ENODEV);
}

static size_t warnings(struct coexist_warning w[3])
{
	struct probe_queues q;
	struct coexist c;
	struct sl_err e;

	assert_int_equal(probe_queues_read(root, "eth0", &q, &e), 0);
	assert_int_equal(coexist_read(root, "eth0", &q, &c, &e), 0);
	return coexist_warnings(&c, "eth0", w, 3);
}

static void test_no_conflict(void **state)
{
	struct coexist_warning w[3];

	(void)state;
	make_device();
	put("/proc/1/comm", "systemd\n");
	put("/proc/self/comm", "irqbalance\n");	/* no process of that number */
	put("/proc/sys/net/ipv4/ip_forward", "1\n");
	/* The interface's own XPS places what it sends, not what it receives. */
	assert_int_equal(warnings(w), 0);
	/* One queue with a mask: the queue does not depend on the CPU. */
	put("/sys/class/net/eth1/queues/tx-0/xps_cpus", "f\n");
	assert_int_equal(warnings(w), 0);
}

static void test_irqbalance(void **state)
{
	static const char none[] = "/usr/sbin/irqbalance\0--foreground";
	static const char one[] = "/usr/sbin/irqbalance\0--banirq=99\0-i\0" "12";
	static const char all[] = "/usr/sbin/irqbalance\0--banirq=99\0-i\0" "124";
	struct coexist_warning w[3];

	(void)state;
	make_device();
	put("/proc/4242/comm", "irqbalance\n");
	put_bytes("/proc/4242/cmdline", none, sizeof(none));
	assert_int_equal(warnings(w), 1);
	assert_string_equal(w[0].name, "irqbalance");
	assert_non_null(strstr(w[0].text, "4242"));
	put_bytes("/proc/4242/cmdline", one, sizeof(one));
	assert_int_equal(warnings(w), 1);
	put_bytes("/proc/4242/cmdline", all, sizeof(all));
	assert_int_equal(warnings(w), 0);
}

static void test_rps(void **state)
{
	struct coexist_warning w[3];

	(void)state;
	make_device();
	put("/sys/class/net/eth0/queues/rx-1/rps_cpus", "00000100,00000000\n");
	assert_int_equal(warnings(w), 1);
	assert_string_equal(w[0].name, "rps");
	assert_non_null(strstr(w[0].text, "1 RX queues of eth0"));
}

static void test_xps(void **state)
{
	struct coexist_warning w[3];

	(void)state;
	make_device();
	put("/sys/class/net/eth1/queues/tx-0/xps_cpus", "1\n");
	put("/sys/class/net/eth1/queues/tx-1/xps_cpus", "2\n");
	put("/proc/sys/net/ipv4/ip_forward", "0\n");
	assert_int_equal(warnings(w), 0);	/* sockets keep their queue */
	put("/proc/sys/net/ipv6/conf/all/forwarding", "1\n");
	assert_int_equal(warnings(w), 1);
	assert_string_equal(w[0].name, "xps");
	assert_non_null(strstr(w[0].text, "eth1"));
	put("/proc/sys/net/ipv6/conf/all/forwarding", "0\n");
	put("/sys/class/net/eth0/brport/state", "3\n");
	assert_int_equal(warnings(w), 1);	/* a bridge forwards as well */
}

/* A CPU with 1 million packets/s at 90 %: 900 ns a packet. */
static const struct probe_move busy = {
	.send_ns = 200, .rate_pps = 200e3, .source_pps = 1e6, .source_busy = 0.9,
	.target_busy = 0.1,
};

static enum probe_verdict why(struct probe_move m)
{
	enum probe_verdict v;
	bool pays = probe_hop_pays(&m, &v);

	assert_int_equal(pays, v == PROBE_pays || v == PROBE_unknown);
	assert_int_equal(pays, probe_hop_pays(&m, NULL));
	return v;
}

static void test_pays(void **state)
{
	struct probe_move m = busy;

	(void)state;
	assert_int_equal(why(m), PROBE_pays);
	m.source_busy = 0.69;
	assert_int_equal(why(m), PROBE_source_idle);
	m.source_busy = 0.71;
	assert_int_equal(why(m), PROBE_pays);

	m = busy;	/* 900 / 1.5 = 600 ns is the limit */
	m.send_ns = 599;
	assert_int_equal(why(m), PROBE_pays);
	m.send_ns = 601;
	assert_int_equal(why(m), PROBE_too_cheap);

	m = busy;	/* 200,000 * (900 + 200) ns = 0.22 */
	m.target_busy = 0.67;
	assert_int_equal(why(m), PROBE_pays);
	m.target_busy = 0.69;
	assert_int_equal(why(m), PROBE_target_full);
}

static void test_pays_remote(void **state)
{
	struct probe_move m = busy;

	(void)state;
	m.remote = true;
	m.source_busy = 0.5;	/* 500 ns: 0.1 of a CPU moves */
	m.send_ns = 2000;	/* is paid in any case */
	m.target_busy = 0.39;
	assert_int_equal(why(m), PROBE_pays);
	m.target_busy = 0.41;	/* would end busier than the source is */
	assert_int_equal(why(m), PROBE_target_full);
	m.source_busy = 1;
	m.target_busy = 0.91;	/* both have more than they can do */
	assert_int_equal(why(m), PROBE_unknown);
	m.target_busy = 0.89;
	m.rate_pps = 200e3;
	assert_int_equal(why(m), PROBE_target_full);
	m.rate_pps = 100e3;
	assert_int_equal(why(m), PROBE_pays);
}

static void test_pays_unknown(void **state)
{
	struct probe_move m = busy;

	(void)state;
	m.send_ns = -1;
	assert_int_equal(why(m), PROBE_unknown);
	m = busy;
	m.source_pps = 0;
	assert_int_equal(why(m), PROBE_unknown);
}

static const struct probe_finding *find(const struct probe_finding *f, size_t n, const char *name)
{
	const struct probe_finding *found = NULL;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(f[i].name, name))
			continue;
		assert_null(found);	/* a name stands once */
		found = &f[i];
	}
	return found;
}

static void test_findings(void **state)
{
	static struct probe_finding list[PROBE_FINDINGS_MAX];
	static struct probe_facts f;
	size_t n;

	(void)state;
	strcpy(f.dev.ifname, "eth0");
	strcpy(f.dev.driver, "veth");
	f.dev.mtu_bytes = 9000;
	f.host.n_online = f.host.n_cores = f.host.n_nodes = f.host.n_classes = 1;
	f.queues.n_rx = 1;
	f.caps.native = PROBE_YES;
	f.caps.frags = PROBE_NO;
	f.caps.lro = PROBE_YES;
	f.n_hops = -EPERM;
	strcpy(f.hop_error.text, "no permission");
	f.xdp.prog_id = 9;
	strcpy(f.xdp.name, "xdp_dispatcher");
	f.xdp.dispatcher = true;
	n = probe_findings(&f, list);
	assert_int_equal(find(list, n, "mtu")->level, PROBE_WARN);
	assert_int_equal(find(list, n, "lro")->level, PROBE_WARN);
	assert_int_equal(find(list, n, "cpus")->level, PROBE_WARN);
	assert_string_equal(find(list, n, "hop")->advice, "no permission");
	assert_non_null(strstr(find(list, n, "xdp_program")->advice, "xdp-loader load -m native"));
	assert_null(find(list, n, "link_reset"));

	f.dev.mtu_bytes = probe_plain_mtu();
	f.caps.lro = PROBE_NO;
	f.host.n_online = f.host.n_cores = 2;
	f.xdp.dispatcher = false;
	strcpy(f.xdp.name, "xdp_steer");
	f.tried = true;
	f.try = (struct probe_try){ .native = true, .packets = 3, .meta = 3, .carrier_changes = 2 };
	n = probe_findings(&f, list);
	assert_int_equal(find(list, n, "mtu")->level, PROBE_OK);
	assert_int_equal(find(list, n, "lro")->level, PROBE_OK);
	assert_int_equal(find(list, n, "cpus")->level, PROBE_OK);
	assert_int_equal(find(list, n, "link_reset")->level, PROBE_WARN);
	assert_int_equal(find(list, n, "metadata")->level, PROBE_OK);
	assert_string_equal(find(list, n, "xdp_program")->advice, "");
}

#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ROOT(test_host),
		WITH_ROOT(test_hybrid),
		WITH_ROOT(test_no_host),
		WITH_ROOT(test_queues),
		WITH_ROOT(test_no_conflict),
		WITH_ROOT(test_irqbalance),
		WITH_ROOT(test_rps),
		WITH_ROOT(test_xps),
		cmocka_unit_test(test_pays),
		cmocka_unit_test(test_pays_remote),
		cmocka_unit_test(test_pays_unknown),
		cmocka_unit_test(test_findings),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
