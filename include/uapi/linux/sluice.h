/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * sluice: the contract between the kernel module, the BPF programs, the
 * daemon and the command line tool.
 *
 * This header is the only definition of map keys and values, of qdisc knobs
 * with their ranges, of histogram layouts and of event records. Everybody
 * includes it and nobody mirrors it; every layout has explicit padding and a
 * size assertion. The comments are the protocol document. What belongs to steering is
 * in sluice_steer.h, which this header includes.
 *
 * It speaks of two objects:
 *
 *   the qdisc "sluice" (kmod/)   a FIFO that marks CE on a ramp over its
 *                                instantaneous backlog
 *   the XDP program (bpf/)       which redirects flows to CPUs by cpumap
 *
 * and of two writers. The *operator* writes baselines and holds; the *daemon*
 * writes learned values, which carry a lease and a generation and which the
 * kernel side itself forgets when the lease is not renewed. Precedence:
 *
 *   operator hold  >  tree  >  learned  >  baseline
 *
 * where a tree and a learned triple count while their leases run.
 */
#ifndef _UAPI_LINUX_SLUICE_H
#define _UAPI_LINUX_SLUICE_H

#include <linux/types.h>

#ifdef __cplusplus
#define SLUICE_ASSERT_SIZE(type, size) \
	static_assert(sizeof(type) == (size), #type " has changed its layout")
#else
#define SLUICE_ASSERT_SIZE(type, size) \
	_Static_assert(sizeof(type) == (size), #type " has changed its layout")
#endif

/* Bumped whenever a layout below changes in a way an older reader would misread. */
#define SLUICE_ABI_VERSION	4
#define SLUICE_ABI_MAGIC	0x4543554c	/* "LUCE" in memory order */

/* ------------------------------------------------------------------------
 * Histograms
 *
 * Durations are counted in powers of two of a nanosecond. Slot 0 holds 0 ns
 * and 1 ns; slot i holds 2^i <= d < 2^(i+1); the last slot also holds all that
 * is longer (2^31 ns is 2.1 s).
 */
#define SLUICE_HIST_SLOTS	32

/* ------------------------------------------------------------------------
 * The qdisc
 *
 * "tc qdisc add dev DEV ... sluice" needs no options. While it lives it has
 * a directory /sys/class/net/DEV/sluice/PARENT/, PARENT being "root" or the
 * parent class as "major:minor" in hexadecimal (the default children of mq all
 * have handle 0, so a handle would not tell them apart). One value per file.
 *
 * Every packet that arrives with a backlog of q bytes in front of it is
 * congestion-marked with probability
 *
 *     0                                             q <  qth_min
 *     max_p * (q - qth_min) / (qth_max - qth_min)   qth_min <= q < qth_max
 *     1                                             q >= qth_max
 *
 * which is RED's ramp on the instantaneous queue, as DCTCP (RFC 8257) and ACC
 * (SIGCOMM 2021, there Kmin, Kmax, Pmax) use it. A marked packet gets CE if it
 * is ECN-capable; if not, it is dropped early when drop_non_ect is 1 and left
 * alone when it is 0.
 *
 * With mark_dequeue an ECN-capable packet is judged when it leaves instead, by the
 * backlog behind it: the mark then tells of now, not of one queueing delay ago. With
 * packet_mode q is not in bytes but SLUICE_PACKET_BYTES for each packet (each
 * segment of a GSO packet) in the queue. And where a rate varies, bytes say
 * little of delay: a packet that waited longer than ce_threshold_us gets CE when it
 * leaves if it is ECN-capable, whatever the ramp says.
 *
 * Knobs: X(name, minimum, maximum, default, unit, description). They are the
 * operator's: a write, or a netlink change, sets the baseline and bumps
 * manual_gen. A value out of range, or one that would leave
 * qth_min > qth_max, is refused with EINVAL and changes nothing. The netlink
 * attribute of a knob is TCA_SLUICE_ATTR_<name>, a u32 in host order.
 */
#define SLUICE_KNOBS(X)							\
	X(qth_min, 0, 0x7fffffff, 60000, "bytes",			\
	  "backlog at which marking begins")				\
	X(qth_max, 0, 0x7fffffff, 180000, "bytes",			\
	  "backlog from which every packet is marked")			\
	X(max_p, 0, 1000000, 100000, "ppm",				\
	  "marking probability just below qth_max")			\
	X(limit_bytes, 1514, 0x7fffffff, 4000000, "bytes",		\
	  "backlog beyond which packets are dropped")			\
	X(limit_pkts, 1, 1000000, 1000, "packets",			\
	  "queue length beyond which packets are dropped")		\
	X(drop_non_ect, 0, 1, 0, "flag",				\
	  "1 drops what the ramp selects and is not ECN-capable")	\
	X(hold, 0, 1, 0, "flag",					\
	  "1 keeps the baseline in force and refuses learned values")	\
	X(sojourn, 0, 1, 1, "flag",					\
	  "1 measures how long each packet waited")			\
	X(tree_interval_ms, 1, 60000, 10, "ms",				\
	  "time between two evaluations of a loaded tree")		\
	X(mark_dequeue, 0, 1, 0, "flag",				\
	  "1 marks when a packet leaves, by what is behind it")		\
	X(packet_mode, 0, 1, 0, "flag",					\
	  "1 counts every packet as 1500 bytes on the ramp")		\
	X(ce_threshold_us, 0, 10000000, 0, "us",			\
	  "waiting time beyond which a packet is marked; 0 is never")
#define SLUICE_PACKET_BYTES	1500

enum {
	TCA_SLUICE_UNSPEC,
#define X(name, min, max, def, unit, text) TCA_SLUICE_ATTR_##name,
	SLUICE_KNOBS(X)
#undef X
	TCA_SLUICE_PAD,
	__TCA_SLUICE_MAX,
};
#define TCA_SLUICE_MAX (__TCA_SLUICE_MAX - 1)

/*
 * The file "learned" is the daemon's. One write of
 *
 *     qth_min qth_max max_p lease_ms generation
 *
 * (decimal, separated by blanks) replaces the triple in force for lease_ms
 * from now, atomically; writing the same again renews it. "0 0 0 0 GENERATION"
 * gives the triple up at once. Refused with EINVAL when out of range and with
 * EBUSY while hold is 1; the limits stay the operator's. A baseline write
 * (sysfs or netlink) ends a learned triple, because the operator wins.
 * It reads back as the same five numbers with the lease that remains, or as
 * "none".
 */
#define SLUICE_LEASE_MS_MIN	10
#define SLUICE_LEASE_MS_MAX	600000

/*
 * The file "tree" is the daemon's, too, and binary: one write of a block as
 * sluice/tree.h describes it loads a decision tree. From then on the qdisc itself
 * evaluates it on its own counters, at the first packet that comes or goes when
 * tree_interval_ms have passed, and the action found is the triple in force
 * until the next evaluation. The first evaluation is one interval after the
 * load; a tree that replaces another one keeps the other's schedule and triple
 * until then. The header has the lease (the range of the above) and the
 * generation; when the lease runs out, learned or baseline are in force again.
 *
 * A block of a header alone (n_nodes and n_actions 0) is about the tree loaded:
 * with lease_ms 0 it gives the tree up, otherwise it renews the lease of the
 * generation it names, or fails with ESTALE when that is not loaded any more.
 *
 * Refused, with nothing changed: as SLUICE_TREE_ERRORS says, where the actions'
 * thresholds must not be above limit_bytes; with EBUSY while hold is 1; with EINVAL
 * if written in pieces. The operator's writes end a tree as they end a learned
 * triple; writes to "learned" do not, they decide what is below it. The file
 * reads as the block last loaded, or as empty.
 */

/*
 * poll() for POLLPRI on the file "source" returns when a lease has run out and
 * when a write has changed what is in force. (As with every sysfs file, read it
 * first.)
 */

/* What the triple in force is; the file "source" prints the lower-case word. */
enum sluice_source {
	SLUICE_SRC_BASELINE,
	SLUICE_SRC_LEARNED,
	SLUICE_SRC_HOLD,
	SLUICE_SRC_TREE,
};

/*
 * What happened under one triple: from the first packet that arrived while it was in force to
 * the first that arrived under the next, or to now. A tree is one triple here,
 * whatever it decides; so is a learned triple that is renewed.
 */
struct sluice_qdisc_epoch {
	__u32 source;		/* enum sluice_source */
	__u32 generation;	/* of a baseline: manual_gen */
	__u64 since_ns;		/* CLOCK_MONOTONIC; 0: there was none */
	__u64 elapsed_ns;
	__u64 packets;		/* these as below, but counted in this time */
	__u64 bytes;
	__u64 ce_packets;
	__u64 ce_bytes;
	__u64 drops;		/* early and limit */
	__u64 backlog_byte_us;
	__u64 backlogged_ns;
	__u64 backlog_max_bytes;
};
SLUICE_ASSERT_SIZE(struct sluice_qdisc_epoch, 88);

/*
 * Application statistics (TCA_STATS_APP) of one qdisc in an RTM_GETQDISC dump:
 * a consistent snapshot. All counters are monotonic since the qdisc was made.
 * Packets count GSO segments, as tc does. The read-only files in the qdisc's
 * directory "stats" have the names of the fields.
 */
struct sluice_qdisc_stats {
	__u32 abi_version;	/* SLUICE_ABI_VERSION */
	__u32 source;		/* enum sluice_source, in force now */
	__u64 time_ns;		/* CLOCK_MONOTONIC of this snapshot */

	__u64 packets;		/* dequeued */
	__u64 bytes;
	__u64 ce_packets;	/* marked CE by us, for whatever cause */
	__u64 ce_bytes;
	__u64 ce_sojourn_packets;	/* of these: for ce_threshold_us; the rest for the ramp */
	__u64 ce_sojourn_bytes;
	__u64 early_drops;	/* packets the ramp selected, not ECN-capable */
	__u64 limit_drops;	/* packets refused at limit_bytes or limit_pkts */

	__u64 backlog_bytes;	/* now */
	__u64 backlog_packets;	/* now; queue entries, a GSO packet is one */
	__u64 backlog_max_bytes;	/* high-water mark */
	__u64 backlog_byte_us;	/* integral of backlog_bytes over time, in byte * us */
	__u64 backlogged_ns;	/* time during which backlog_bytes was not 0 */

	__u64 sojourn_samples;	/* packets in the histogram (queue entries) */
	__u64 sojourn_sum_ns;
	__u64 sojourn_hist[SLUICE_HIST_SLOTS];
	__u64 tree_evaluations;

	__u32 qth_min;		/* the triple in force, bytes */
	__u32 qth_max;
	__u32 max_p;		/* ppm */
	__u32 generation;	/* of the tree or learned triple in force, 0 for a baseline */
	__u32 base_qth_min;	/* the operator's baseline */
	__u32 base_qth_max;
	__u32 base_max_p;
	__u32 manual_gen;	/* counts the operator's writes */
	__u32 limit_bytes;
	__u32 limit_pkts;
	__u32 lease_ms;		/* of the learned triple: what remains, 0 without */
	__u32 lease_expired;	/* leases of learned triples that ran out */
	__u32 tree_generation;	/* of the tree that is loaded, 0 without */
	__u32 tree_lease_ms;	/* what remains, 0 without */
	__u32 tree_lease_expired;
	__u32 tree_cell;	/* number of the action in force, 0 without */

	struct sluice_qdisc_epoch epoch;	/* since the last change of what is in force */
	struct sluice_qdisc_epoch epoch_before;
};
SLUICE_ASSERT_SIZE(struct sluice_qdisc_stats,
		   16 + 16 * 8 + SLUICE_HIST_SLOTS * 8 + 16 * 4 + 2 * 88);

#include <linux/sluice_steer.h>

#endif /* _UAPI_LINUX_SLUICE_H */
