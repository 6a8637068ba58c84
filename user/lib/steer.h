/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One attachment of the XDP steering program to an interface: load, attach,
 * pin, adopt, read and write its maps. See include/uapi/linux/sluice.h.
 *
 * Pins live in steer_pin_dir(); whoever loaded the program (this library, or
 * an operator with "ip link set dev X xdp obj"), it can be adopted later. A
 * program that is not ours is never removed. Nothing is half-applied: a failed
 * load leaves neither pins nor a program behind.
 */
#ifndef SLUICE_LIB_STEER_H
#define SLUICE_LIB_STEER_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/sluice.h>

#include "lib/err.h"

struct steer;

enum steer_mode {
	STEER_MODE_AUTO,	/* native where the driver has it, else generic */
	STEER_MODE_NATIVE,
	STEER_MODE_GENERIC,
};

struct steer_options {
	enum steer_mode mode;
	bool no_attach;		/* load and pin only */
	bool force;		/* accept a veth whose peer offloads TX checksums */
	__u32 max_flows;	/* of each family; 0: SLUICE_FLOWS_DEFAULT */
	__u32 qsize;		/* of each cpumap entry; 0: SLUICE_CPUMAP_QSIZE */
	const __u16 *cpus;	/* targets; n_cpus 0: tables stay empty, all packets pass */
	size_t n_cpus;
};

/* Writes the pin directory of ifname in this network namespace to buf. */
int steer_pin_dir(const char *ifname, char *buf, size_t size, struct sl_err *e);

/*
 * Loads a new instance, attaches it, fills cpumap and baseline buckets round-robin over cpus, pins.
 * What is pinned for ifname but not attached is attached instead. -EALREADY: our program is there
 * (or pinned, with no_attach), adopt it; -EEXIST: a program that is not ours is.
 */
int steer_load(const char *ifname, const struct steer_options *o, struct steer **ret,
	       struct sl_err *e);
/*
 * Takes over what is attached to ifname or pinned for it; loads cpu_deliver and steer_ctl
 * beside it and pins what is not pinned yet. -ENOENT: there is nothing; -EEXIST: the program there
 * is not ours; -EPROTO: it is ours with another ABI version. A program of ours that a libxdp
 * dispatcher calls is adopted like one that is attached itself.
 */
int steer_adopt(const char *ifname, struct steer **ret, struct sl_err *e);
/*
 * Detaches our program and removes the pins. -EBUSY when a libxdp dispatcher calls it, since
 * only libxdp's tools can take it out and leave the others.
 */
int steer_unload(const char *ifname, struct sl_err *e);
void steer_close(struct steer *s);	/* accepts NULL; leaves kernel objects running */

/*
 * Sets the cpumap targets and the baseline of all buckets, round-robin over cpus; qsize 0 leaves
 * rings as they are. CPUs that are to lose or change their entry are evacuated first, which takes
 * a drain time at least and a few seconds at most: -EBUSY when flows could not leave in order, all
 * the rest being done. -EOPNOTSUPP, with the reason, on a veth whose peer offloads TX checksums,
 * unless force.
 */
int steer_set_cpus(struct steer *s, const __u16 *cpus, size_t n, __u32 qsize, bool force,
		   struct sl_err *e);
/*
 * gap_ticks 0 stands for 100 ms; F_SLOW_TICK is set as the kernel's HZ is. Who gives both saves the
 * 120 ms that it takes to measure HZ for the first time.
 */
int steer_set_config(struct steer *s, const struct sluice_steer_config *c, struct sl_err *e);
int steer_get_config(struct steer *s, struct sluice_steer_config *c, struct sl_err *e);

/* Counters, summed over CPUs. Arrays are indexed as their maps are. */
struct steer_snapshot {
	__u64 time_ns;				/* CLOCK_MONOTONIC */
	bool attached;				/* to the interface, now */
	bool generic;				/* attached in generic (skb) mode */
	__u32 dispatcher_id;			/* of the libxdp dispatcher that calls it, or 0 */
	bool frags;				/* the jumbo variant */
	__u64 seen;				/* packets sent or passed */
	struct sluice_steer_stats stats;
	struct sluice_counter pass[SLUICE_PASS_MAX];
	struct sluice_counter bucket[SLUICE_BUCKETS];
	struct sluice_bucket bucket_target[SLUICE_BUCKETS];
	struct sluice_counter cpu[SLUICE_MAX_CPUS];		/* sent to */
	struct sluice_deliver deliver[SLUICE_MAX_CPUS];		/* handed over by */
	bool target[SLUICE_MAX_CPUS];				/* has a cpumap entry */
	struct sluice_steer_control control;
	__u64 jiffies;				/* bpf_jiffies64() now */
};
/* -ESTALE: another program of ours is attached by now, which has other tables. */
int steer_read(struct steer *s, struct steer_snapshot *out, struct sl_err *e);
/*
 * Sets the bits of the buckets that had a packet of a flow without an assignment within the latest
 * ms milliseconds (rounded up to ticks, and up to one tick more). Reads memory, but for the clock.
 */
int steer_recent_buckets(struct steer *s, unsigned int ms, __u64 recent[SLUICE_BUCKETS / 64],
			 struct sl_err *e);
/*
 * Whether waits in the cpumap ring can be measured: 1 yes, 0 no ("not
 * measurable": timestamps were written but none arrived, or none could be
 * written), -1 not known yet (no sample written).
 */
int steer_wait_measurable(const struct steer_snapshot *snap);

/*
 * The parts of steer_set_cpus(), for who waits himself. A CPU leaves in order when it is no bucket's
 * baseline, steer_unwant() has taken away what was learned or assigned, and nothing has been sent
 * there for longer than a ring takes to drain: then steer_remove_target(). An entry that is added
 * has the ring size of those that are there.
 */
int steer_add_target(struct steer *s, unsigned int cpu, struct sl_err *e);
int steer_unwant(struct steer *s, unsigned int cpu, struct sl_err *e);
int steer_remove_target(struct steer *s, unsigned int cpu, struct sl_err *e);
/* Baseline of one bucket: one atomic store. cpu < 0 clears it. */
int steer_bucket_set_baseline(struct steer *s, unsigned int bucket, int cpu);
/* Learned slot of one bucket: one atomic store. cpu < 0 clears it. */
int steer_bucket_set_learned(struct steer *s, unsigned int bucket, int cpu, __u32 generation);
/* Milliseconds in ticks of HZ, rounded up; HZ is measured first if need be (120 ms). */
int steer_ticks(struct steer *s, unsigned int ms, __u32 *ticks);
/* Renews (or with ms 0 ends) the lease of everything learned. */
int steer_lease_renew(struct steer *s, unsigned int ms, __u32 generation, struct sl_err *e);

/* Counters include what the caches have not written back. */
struct steer_flow {
	struct sluice_flow_key key;
	struct sluice_flow flow;
};
/* flags: SLUICE_FLOW_OPERATOR, SLUICE_FLOW_LEARNED or 0. Creates the entry or changes it in place. */
int steer_flow_set(struct steer *s, const struct sluice_flow_key *key, __u16 cpu, __u16 flags,
		   __u32 generation, struct sl_err *e);
/* Makes an entry as given; -EEXIST when there is one, -ENOSPC when the table is full. */
int steer_flow_insert(struct steer *s, const struct sluice_flow_key *key,
		      const struct sluice_flow *f, struct sl_err *e);
/* -EAGAIN: that would reorder; the entry is unassigned and can go a little later. */
int steer_flow_delete(struct steer *s, const struct sluice_flow_key *key, struct sl_err *e);
int steer_flow_get(struct steer *s, const struct sluice_flow_key *key, struct sluice_flow *ret);
/* All entries; *flows is malloc()ed and the caller's. */
int steer_flow_list(struct steer *s, struct steer_flow **flows, size_t *n, struct sl_err *e);
/*
 * Goes through the tables about max entries at a time, calling back for each; a callback that
 * returns a negative errno ends it. 1: there are more, call again with the same scan; 0: that was all,
 * and the scan is at the beginning again. What is inserted or removed meanwhile may be missed.
 */
struct steer_scan {		/* all zero: from the beginning */
	bool six, begun;
	__u32 position;
};
int steer_flow_scan(struct steer *s, struct steer_scan *scan, size_t max,
		    int (*each)(const struct steer_flow *, void *), void *data, struct sl_err *e);

/* The ring buffer of flows without an entry, and of heavy ones: an fd to poll, and a drain that calls back for each event. */
int steer_event_fd(struct steer *s);
int steer_event_drain(struct steer *s, void (*each)(const struct sluice_flow_event *, void *),
		      void *data);

/*
 * "tcp 10.0.0.1:80 10.0.0.2:5000" and back; IPv6 addresses in brackets, a
 * protocol without name by its number, and in place of ports what the contract
 * says is there.
 */
#define STEER_PROTO_SIZE	8
void steer_proto_format(__u8 proto, char buf[STEER_PROTO_SIZE]);
int steer_flow_parse(int argc, char *const argv[], struct sluice_flow_key *key, struct sl_err *e);
void steer_flow_format(const struct sluice_flow_key *key, char *buf, size_t size);

#endif
