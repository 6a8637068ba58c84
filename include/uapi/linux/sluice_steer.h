/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/* The contract's part on steering. Include <linux/sluice.h>. */
#ifndef _UAPI_LINUX_SLUICE_STEER_H
#define _UAPI_LINUX_SLUICE_STEER_H

#include <linux/sluice.h>

/* ------------------------------------------------------------------------
 * Steering: XDP and cpumap
 *
 * One set of maps per attachment, pinned by the loader (never by the object)
 * under /sys/fs/bpf/sluice/IFNAME/, each under its own name:
 *
 *   .rodata.sluice  array[1]                  struct sluice_abi: whose program this is
 *   config          array[1]                  struct sluice_steer_config
 *   control         array[1]                  struct sluice_steer_control
 *   flows4          hash                      struct sluice_flow4_key -> struct sluice_flow
 *   flows6          hash                      struct sluice_flow_key -> struct sluice_flow
 *   buckets         array[1024]         mmap  struct sluice_bucket
 *   bucket_state    array[rxqs * 1024]  mmap  struct sluice_bucket_state
 *   sent            array[rxqs * 128]   mmap  struct sluice_counter, by target CPU
 *   passed          array[rxqs * 16]    mmap  struct sluice_counter, by enum sluice_pass
 *   steer_stats     array[rxqs]         mmap  struct sluice_steer_stats
 *   deliver         array[128]          mmap  struct sluice_deliver, by target CPU
 *   acks            array[rxqs * 128]         struct sluice_ack, by target CPU
 *   cache4, cache6  array[rxqs * 4096]  mmap  struct sluice_cached4, sluice_cached6
 *   candidates      array[rxqs * 1024]        __u32
 *   order           array[rxqs * 64]          struct sluice_order
 *   events          ring buffer               struct sluice_flow_event
 *   trees           array[2]            mmap  struct sluice_tree_slot
 *   tree_control    array[1]            mmap  struct sluice_tree_control
 *   tree_stats      array[rxqs]         mmap  struct sluice_tree_stats
 *   loads           array[128]          mmap  struct sluice_cpu_load, by target CPU
 *   cpus            cpumap                    targets of the program "xdp"
 *   cpus_frags      cpumap                    targets of the program "xdp.frags"
 *
 * (".rodata.sluice" is pinned as "abi".) Arrays with "rxqs" have one block per
 * RX queue of the interface, at index rxq * BLOCK + i. A queue is served by one
 * NAPI instance, which runs on one CPU at a time, so a block has one writer: its
 * counters need no atomics, and they can be read through mmap() without a
 * system call. A loader sets rxqs to the number of queues the interface has,
 * SLUICE_RXQS at most; an object attached by hand has SLUICE_RXQS_BY_HAND.
 * Packets of further queues pass, counted in control.no_block. (In generic mode
 * some virtual drivers have no NAPI of their own, and two CPUs may write to a
 * block: its counters can then lose some packets.)
 *
 * A packet's way:
 *
 *   1. What is not IP, or is malformed or cut, passes to the stack on its own
 *      CPU, counted by reason in "passed".
 *   2. Its flow key is looked up, in the cache of its queue and then in the hash,
 *      if there ever was an entry, or F_ADMIT or F_ANNOUNCE asks for misses.
 *      An entry with SLUICE_FLOW_OPERATOR wants its CPU always, one with
 *      SLUICE_FLOW_LEARNED while the lease runs.
 *   3. Otherwise the symmetric hash of the key chooses a bucket, and the
 *      bucket wants a CPU by the precedence above.
 *   4. The packet goes to the CPU where its flow or bucket *is*. That becomes
 *      the one which is *wanted* when no packet can be overtaken: see the hold.
 *   5. No CPU there, or none of that number in the cpumap: it passes, counted.
 */
#define SLUICE_BUCKETS		1024
#define SLUICE_MAX_CPUS		128
#define SLUICE_RXQS		128	/* blocks, at most */
#define SLUICE_RXQS_BY_HAND	32	/* in an object as it is: some 23 MB, mostly caches */
#define SLUICE_PASS_SLOTS	16	/* a block of "passed"; enum sluice_pass has fewer */
#define SLUICE_CACHE_SLOTS	4096
#define SLUICE_CANDIDATES	1024
#define SLUICE_ORDER_SLOTS	64
#define SLUICE_FLOWS_DEFAULT	65536	/* of each family */
#define SLUICE_EVENTS_BYTES	(256 * 1024)
#define SLUICE_CPUMAP_QSIZE	512	/* default ring of a cpumap entry, packets */
#define SLUICE_MAX_VLANS	2
#define SLUICE_MAX_LABELS	8	/* of an MPLS stack */
#define SLUICE_MAX_EXTS		6	/* what RFC 8200 recommends at most, less ESP */
#define SLUICE_MAX_GTP_EXTS	4	/* 5G sends one or two */
#define SLUICE_MAX_INNER_OFFSET	2047	/* from the frame's first byte to a tunnel's header */

struct sluice_abi {
	__u32 magic;		/* SLUICE_ABI_MAGIC */
	__u32 version;		/* SLUICE_ABI_VERSION */
};
SLUICE_ASSERT_SIZE(struct sluice_abi, 8);

struct sluice_counter {
	__u64 packets;
	__u64 bytes;		/* frame length as XDP sees it */
};
SLUICE_ASSERT_SIZE(struct sluice_counter, 16);

/* Run-time configuration. All zero (an object attached by hand) is valid and safe. */
struct sluice_steer_config {
	__u32 flags;		/* SLUICE_STEER_F_* */
	__u32 sample_mask;	/* with F_SAMPLE: one packet in sample_mask + 1 is timed */
	__u32 announce_mask;	/* with F_ANNOUNCE, F_ADMIT: one flow miss in announce_mask + 1 */
	__u32 inside;		/* SLUICE_INSIDE_*: tunnels that are looked into */
	__u32 gap_ticks;	/* no queue takes longer to drain; 0: SLUICE_GAP_TICKS */
	__u32 report_packets;	/* a flow with an entry is reported once in so many; 0: never */
	__u32 order_mask;	/* with F_ORDER: flows whose hash has none of these bits */
	__u32 pad2;
};
SLUICE_ASSERT_SIZE(struct sluice_steer_config, 32);
#define SLUICE_STEER_F_SAMPLE	(1u << 0)	/* measure the wait in the cpumap ring */
#define SLUICE_STEER_F_ANNOUNCE	(1u << 1)	/* tell of flows without an entry */
#define SLUICE_STEER_F_ADMIT	(1u << 2)	/* make entries for flows seen repeatedly */
#define SLUICE_STEER_F_ORDER	(1u << 3)	/* number packets and count those overtaken */
#define SLUICE_STEER_F_SLOW_TICK (1u << 4)	/* HZ is below 1000; see the hold */
#define SLUICE_STEER_F_NO_HOLD	(1u << 5)	/* move at once: reorders. For measurements. */
#define SLUICE_STEER_F_NO_CACHE	(1u << 6)	/* always ask the hash. For measurements. */
#define SLUICE_GAP_TICKS	250

/*
 * Tunnels that the parser can look into; none by default. X(NAME, name, text)
 *
 * With its bit in "inside" the flow key is that of the packet inside of such a
 * tunnel, by the same rules as for a packet that comes alone, VLAN tags and
 * ICMP errors included; but one level deep only: a tunnel in a tunnel is keyed
 * as a tunnel. The key is that of the outer packet, as without the bit, when
 *
 *   - the outer packet is a fragment, the first included: only that one could
 *     be looked into, and fragments must meet on one CPU;
 *   - it is an ICMP error about a tunnel's packet;
 *   - the tunnel's header is malformed, or of another kind: GRE with routing or
 *     of version 1 (PPTP), VXLAN without a network identifier, control messages
 *     of Geneve, all messages of GTP-U but user data (255), more than
 *     SLUICE_MAX_GTP_EXTS extension headers there;
 *   - what is inside is not IP (ARP, PPP, ERSPAN, ...), or one of the reasons to
 *     pass holds of it: malformed, cut by the frame's end or by the outer IP
 *     length, too many tags;
 *   - the tunnel's header begins more than SLUICE_MAX_INNER_OFFSET bytes into
 *     the frame.
 *
 * So a bit never makes a packet pass that would be steered without it. UDP
 * tunnels are told by their destination port.
 */
#define SLUICE_TUNNELS(X)						\
	X(GRE, gre, "GRE with IPv4, IPv6 or Ethernet inside")		\
	X(IPIP, ipip, "IPv4 or IPv6 directly inside of either")		\
	X(VXLAN, vxlan, "VXLAN, UDP port 4789")				\
	X(GENEVE, geneve, "Geneve, UDP port 6081")			\
	X(GTPU, gtpu, "GTP-U with IP inside, UDP port 2152")

enum sluice_tunnel {
	SLUICE_TUNNEL_NONE,
#define X(NAME, name, text) SLUICE_TUNNEL_##NAME,
	SLUICE_TUNNELS(X)
#undef X
	SLUICE_TUNNEL_MAX,
};

enum {
#define X(NAME, name, text) SLUICE_INSIDE_##NAME = 1 << (SLUICE_TUNNEL_##NAME - 1),
	SLUICE_TUNNELS(X)
#undef X
	SLUICE_INSIDE_ALL = (1 << (SLUICE_TUNNEL_MAX - 1)) - 1,
};

/*
 * The lease of all learned buckets and flows, and what else the programs share.
 * Times are bpf_jiffies64(); the program "steer_ctl" converts, since user space
 * cannot see jiffies.
 */
struct sluice_steer_control {
	__u64 expires_jiffies;	/* 0: no lease, nothing learned is followed */
	__u32 generation;	/* of the tables this lease covers */
	__u32 renewals;
	__u32 changes;		/* of the flow tables or of the lease's end; outdates the caches */
	__u32 flows_used;	/* not 0: the flow tables have or had entries, so look there */
	__u64 no_block;		/* packets of an RX queue that has no block: they pass */
};
SLUICE_ASSERT_SIZE(struct sluice_steer_control, 32);

/*
 * A flow: addresses and ports as in the packet (network order). An IPv4
 * address is in the first four bytes, the rest is 0. "proto" is the transport
 * protocol behind any extension headers and AH, and says what is in the ports:
 *
 *   TCP, UDP, UDP-Lite, SCTP, DCCP   the ports
 *   ESP                              the SPI, its upper half in sport
 *   ICMP, ICMPv6 with an id          the id, in both (echo, timestamp, ...)
 *   other ICMP, other protocols      0
 *
 * All fragments of a datagram, the first included, have ports 0 and the
 * protocol that every one of them states (the fragment header's, in IPv6),
 * because only the first knows more and they must meet on one CPU.
 *
 * An ICMP error has the key of the flow that it quotes, with the ends swapped:
 * it travels against the packet it is about, with the flow's other direction,
 * and is counted there. What a quoted fragment or ICMP message is keyed by, is
 * as above.
 *
 * Both directions have keys that are each other's mirror and so one bucket, but
 * for two cases in which no device between the ends could do better: the SPIs
 * of the two directions of ESP are unrelated, and a datagram that is fragmented
 * in one direction only meets its answers elsewhere. With a routing header the
 * addresses are those of the IPv6 header, that is of the current segment.
 *
 * Nor do the two directions of a VXLAN or Geneve tunnel meet, unless it is looked
 * into: the destination port is the tunnel's in both, and the source port a hash
 * of the inner flow that each end computes in its own way. Then one flow inside is
 * one key in each direction, and unrelated ones. A tunnel of GRE or IPIP has no
 * ports, and one of GTP-U mostly 2152 at both ends (its TEIDs are unrelated and
 * not in the key): those are symmetric, but all that is between two end points is
 * one flow, every user of a base station included. Looked into, all of them have
 * the inner flow's key, which is symmetric as above; a fragment of the tunnel, or
 * an ICMP error about it, then does not meet the flows inside. Identifiers of the
 * tunnel (VNI, TEID, GRE's key) are not in the key, so equal addresses in two
 * tenants' networks meet in one flow.
 */
struct sluice_flow_key {
	__u8   saddr[16];
	__u8   daddr[16];
	__be16 sport;
	__be16 dport;
	__u8   proto;		/* IPPROTO_* */
	__u8   family;		/* 4 or 6 */
	__u16  pad;
};
SLUICE_ASSERT_SIZE(struct sluice_flow_key, 40);

/* The same for IPv4, where the hash need not cost what IPv6's addresses do. */
struct sluice_flow4_key {
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
	__u8   proto;
	__u8   family;		/* 4: from the ports on it is as the other */
	__u16  pad;
};
SLUICE_ASSERT_SIZE(struct sluice_flow4_key, 16);

/*
 * What the parser tells of a packet beside its key, for a policy. "The IP header
 * of the key" is the inner one where the parser looked into a tunnel; of an ICMP
 * error it is the error's own, not the quoted one.
 */
struct sluice_features {
	__u16 vlan_tci;		/* outermost tag: PCP, DEI, VID in host order; 0 without */
	__u8  tos;		/* DSCP and ECN, of the IP header of the key */
	__u8  tcp_flags;	/* CWR .. FIN (byte 13); 0 of fragments and other protocols */
	__u16 length;		/* the outermost IP packet's, as its header says; at most 0xffff,
				 * which a jumbogram has, too */
	__u8  tunnel;		/* enum sluice_tunnel that the key is from inside of */
	__u8  pad;
};
SLUICE_ASSERT_SIZE(struct sluice_features, 8);

/*
 * The hold: where the packets of a bucket or of a flow go, and how that changes.
 *
 * Every packet sent to a CPU has a number, counted per RX queue and CPU; it is
 * the packets of "sent" after it. A place remembers the number of its latest
 * packet. When another CPU is wanted, the place is *pending*: packets still go
 * to the old CPU, with their number in the metadata, and cpu_deliver there writes
 * the highest one that has surely left for the stack to "acks". A packet that finds its
 * predecessor's number acknowledged may go to the new CPU: nothing of its place
 * is queued on the old one. This is the idea of RFS (Documentation/networking/
 * scaling.rst in the kernel's tree), whose head and tail counters cpumap lacks.
 *
 * "Surely" because cpumap takes packets from its ring in batches of 8 and
 * cpu_deliver sees all of a batch before the first goes up the stack: so many
 * more must have been seen. Where cpumap does GRO, it can keep packets until
 * its next flush, after 64, and with HZ >= 1000 into the next tick: there so
 * many more, and two ticks. On a CPU with little traffic so many do not come
 * soon; there it is enough that the ring is empty, as far as this queue has filled it, and
 * that the packet was seen SLUICE_SETTLE_NS ago, since an empty ring is
 * flushed at once. (And where the CPU has gone offline and its ring is served by another.)
 *
 * Without metadata a gap decides: after gap_ticks without a packet of its own the
 * place may move, as no queue takes so long to drain. That is a guess, which a
 * starved kthread can make wrong, so where the old CPU has ever acknowledged a
 * packet of this queue the gap must be SLUICE_GAP_ACKED times as long: a packet
 * that comes earlier goes to the old CPU once more, and the next one finds its
 * acknowledgement. So a packet dropped at a full ring delays a move and cannot
 * wedge it. A place on a busy CPU that has no pause longer than the queue stays
 * where it is: holding packets back is the only other way, and nobody does that here.
 *
 * A move is *forced*, and may reorder, only when the old CPU has no cpumap entry
 * any more or with SLUICE_STEER_F_NO_HOLD. A bucket's or flow's first packet
 * *starts* it anywhere.
 *
 * Order is kept per RX queue. When the NIC moves a flow to another queue, the
 * packets in its own rings are what can be overtaken.
 */
struct sluice_place {
	__u64 seq;		/* number of the latest packet */
	__u32 ticks;		/* bpf_jiffies64() then, low bits */
	__u16 rxq;		/* through which it came */
	__u8  cpu1;		/* where it went: CPU + 1; 0: nowhere yet, or passed */
	__u8  flags;		/* SLUICE_PLACE_* */
};
SLUICE_ASSERT_SIZE(struct sluice_place, 16);
#define SLUICE_PLACE_PENDING	(1u << 0)
#define SLUICE_BATCH_PKTS	8	/* CPUMAP_BATCH */
#define SLUICE_GRO_FLUSH_PKTS	64	/* NAPI_POLL_WEIGHT */
#define SLUICE_SETTLE_NS	1000000
#define SLUICE_GAP_ACKED	32

/* What cpu_deliver knows of one RX queue. A number and a count are packed into one word. */
struct sluice_ack {
	__u64 safe;		/* numbers up to this one have left for the stack */
	__u64 latest;		/* SLUICE_ACK(number, packets delivered) of the latest seen */
	__u64 seen_ns;		/* when; bpf_ktime_get_ns() */
	__u64 mark_seq;		/* becomes safe when enough others were delivered */
	__u64 mark_packets;
	__u64 pad[3];		/* CPUs do not share a cache line */
};
SLUICE_ASSERT_SIZE(struct sluice_ack, 64);
#define SLUICE_ACK_SHIFT	16
#define SLUICE_ACK(seq, packets) ((seq) << SLUICE_ACK_SHIFT | ((packets) & 0xffff))

/*
 * A flow's entry. It is made by user space, or by the program (F_ADMIT) for a
 * flow that was sampled twice: candidates are remembered by a hash of their key
 * in a small table, so that a flood of flows with one packet each gets no
 * entries and evicts none. A full table takes no new ones: removing idle entries is
 * the daemon's, who scans a part of the table at a time.
 *
 * Where a tree decides (below), an entry that the program makes can be assigned from
 * the start, with SLUICE_FLOW_TREE.
 *
 * An unassigned entry only counts; the flow is where its bucket is. When it gets
 * an assignment it starts from its bucket's place, and when it loses it, it
 * returns there: both are moves.
 *
 * Counters are exact, but late: a cached flow's are written back after
 * SLUICE_CACHE_TICKS ticks and when another flow takes its slot; what is not yet
 * is in the cache, which can be read as well. Then reports are sent, too.
 */
struct sluice_assign {		/* one word, so that it is read and written untorn */
	__u16 cpu;
	__u16 flags;		/* SLUICE_FLOW_*; 0: unassigned */
	__u32 generation;	/* that wrote it; of the tree, where that has decided, also for
				 * the bucket: then without flags */
};

/*
 * Of a flow's packets: all TCP flags there were, and the tags of the latest one
 * that asked the hash, so not older than SLUICE_CACHE_TICKS.
 */
struct sluice_seen {
	__u16 vlan_tci;		/* as in struct sluice_features */
	__u8  tos;
	__u8  tcp_flags;
};

struct sluice_flow {
	__u64 packets;
	__u64 bytes;
	struct sluice_assign assign;
	struct sluice_place place;	/* cpu1 0: its bucket's */
	__u64 report_at;	/* number of packets at which it is reported next */
	__u32 born_ticks;
	__u32 ticks;		/* bpf_jiffies64() of the latest packet, low bits */
	struct sluice_seen seen;
	__u32 pad;
};
SLUICE_ASSERT_SIZE(struct sluice_flow, 64);
#define SLUICE_FLOW_OPERATOR	(1u << 0)
#define SLUICE_FLOW_LEARNED	(1u << 1)
#define SLUICE_FLOW_TREE	(1u << 2)	/* beside LEARNED: a tree chose, not the daemon */

/*
 * A slot of the direct-mapped cache before the hash. It stands for the entry as
 * long as "valid" is control.changes + 1 and the lease under which it was made runs.
 */
struct sluice_cached {
	struct sluice_place place;	/* cpu1 0: its bucket's */
	__u64 bytes;		/* not written back yet */
	__u32 packets;
	__u32 valid;
	__u32 until_ticks;	/* then the hash is asked again */
	struct sluice_seen seen;
	__u64 pad;
};
SLUICE_ASSERT_SIZE(struct sluice_cached, 48);
#define SLUICE_CACHE_TICKS	25
#define SLUICE_CACHE_TAKE	8	/* one in so many misses takes a slot that is in use */

struct sluice_cached4 {
	struct sluice_flow4_key key;
	struct sluice_cached c;
};
SLUICE_ASSERT_SIZE(struct sluice_cached4, 64);

struct sluice_cached6 {
	struct sluice_flow_key key;
	struct sluice_cached c;
	__u64 pad;
};
SLUICE_ASSERT_SIZE(struct sluice_cached6, 96);

/* One word, so that a writer through mmap replaces it in one store. */
struct sluice_bucket {
	__u16 cpu;		/* baseline, valid with F_BASELINE */
	__u16 learned_cpu;	/* valid with F_LEARNED while the lease runs */
	__u16 flags;		/* SLUICE_BUCKET_*; 0 is an empty bucket */
	__u16 generation;	/* low bits of the generation that wrote learned_cpu */
};
SLUICE_ASSERT_SIZE(struct sluice_bucket, 8);
#define SLUICE_BUCKET_F_BASELINE	(1u << 0)
#define SLUICE_BUCKET_F_LEARNED		(1u << 1)
#define SLUICE_BUCKET_F_HOLD		(1u << 2)	/* operator: baseline only */

/* Packets without an assigned entry. */
struct sluice_bucket_state {
	__u64 packets;
	__u64 bytes;
	struct sluice_place place;
};
SLUICE_ASSERT_SIZE(struct sluice_bucket_state, 32);

/* Why a packet went up the stack on the CPU it arrived on. X(name, text) */
#define SLUICE_PASS_REASONS(X)						\
	X(truncated, "frame ends inside a header")			\
	X(not_ip, "neither IPv4 nor IPv6")				\
	X(bad_ip, "IP header is malformed, or cuts the next header")	\
	X(bad_pppoe, "PPPoE header is malformed")			\
	X(bad_quote, "ICMP error quotes no whole header")		\
	X(too_many_vlans, "more than two VLAN tags")			\
	X(too_many_labels, "more than eight MPLS labels")		\
	X(too_many_exts, "more than six IPv6 extension headers")	\
	X(no_target, "no flow entry and an empty bucket")		\
	X(no_cpu, "target CPU has no cpumap entry")

enum sluice_pass {
#define X(name, text) SLUICE_PASS_##name,
	SLUICE_PASS_REASONS(X)
#undef X
	SLUICE_PASS_MAX,
};

/* Per RX queue. Moves are of buckets and flows; those pending now: begun - cancelled - completed. */
struct sluice_steer_stats {
	__u64 hash_hits;	/* packets for which the hash of flows was asked, and knew */
	__u64 flow_misses;	/* and did not. Those the cache knew are in neither. */
	__u64 lapsed;		/* learned entries passed over: lease ran out */
	__u64 sampled;		/* timestamps written */
	__u64 meta_failed;	/* no room for metadata (driver, generic XDP) */
	__u64 announced;
	__u64 announce_failed;	/* ring buffer was full */
	__u64 admitted;		/* entries made by the program */
	__u64 admit_failed;	/* the flow table was full */
	__u64 moves_begun;	/* another CPU was wanted, and waited for */
	__u64 moves_cancelled;	/* wanted back where it was */
	__u64 moves_completed;	/* in order */
	__u64 moves_by_gap;	/* of the completed: for a gap, not an acknowledgement */
	__u64 moves_busy;	/* of the completed: with others' packets on the old CPU */
	__u64 moves_forced;	/* at once, order unknown: not among the completed */
};
SLUICE_ASSERT_SIZE(struct sluice_steer_stats, 15 * 8);

/*
 * The tree of steering chooses where a newly admitted flow goes (F_ADMIT): to its
 * bucket's CPU, or to another one. The format is include/sluice/tree.h; what is
 * compared, and between which CPUs, include/sluice/place.h. It decides while the
 * lease of the tables runs, like all that is learned, and not in a bucket that
 * the operator holds. Flows without an entry go with their bucket.
 *
 * A tree is published without anybody waiting. There are two slots, and "active"
 * says which one decides. A writer fills the other one:
 *
 *   seq becomes odd
 *   the block is written
 *   seq becomes even
 *   "active" is stored: one word with the slot and the generation
 *
 * each step after the one before it is visible. Writers exclude each other by flock()
 * on the pin directory. One that died leaves seq odd, in the slot that is not active.
 *
 * A reader takes "active", then seq, then the generation in the block, walks, and
 * looks at seq once more. It takes no decision, counts "torn" and leaves the flow
 * with its bucket, if seq was odd or has changed, or if the generation is another:
 * the slot was given to the tree after next meanwhile. So what a decision says it is
 * of, it is of.
 *
 * A tree stays where it is when it is given up: "active" 0, in one store.
 */
#define SLUICE_TREE_SLOTS	2

struct sluice_tree_slot {
	__u32 seq;		/* odd while the block is written */
	__u32 pad;
	__u32 block[1024];	/* struct sluice_tree, of kind PLACE */
};
SLUICE_ASSERT_SIZE(struct sluice_tree_slot, 8 + 4096);

/*
 * targets and loads are the daemon's. A CPU is taken off the list before it is
 * evacuated. Entries behind n_targets are CPUs that once were on it.
 */
struct sluice_tree_control {
	__u64 active;		/* SLUICE_TREE_ACTIVE(slot, generation); 0: no tree */
	__u32 mean_ppm;		/* load of the targets, averaged */
	__u32 flow_ppm;		/* what a flow is taken to add to a CPU's load */
	__u32 n_targets;
	__u32 pad;
	__u8  target[SLUICE_MAX_CPUS];
};
SLUICE_ASSERT_SIZE(struct sluice_tree_control, 24 + SLUICE_MAX_CPUS);
#define SLUICE_TREE_ACTIVE(slot, generation)	((__u64)((slot) + 1) << 32 | (generation))
#define SLUICE_TREE_ACTIVE_SLOT(active)		((__u32)((active) >> 32) - 1)
#define SLUICE_TREE_ACTIVE_GENERATION(active)	((__u32)(active))

/*
 * Published by the daemon; the first word in one store, so that "fresh" counts from the
 * load beside it. What is in a CPU's ring is sent - delivered - lost: a full
 * ring drops where no program sees it, so the daemon says what it has found never
 * to arrive (a CPU that has been idle had an empty ring).
 */
struct sluice_cpu_load {
	__u32 ppm;		/* of the CPU's time that is used */
	__u32 fresh;		/* flows that the tree put there since; the program counts */
	__u64 lost;		/* packets */
	__u64 time_ns;		/* CLOCK_MONOTONIC, of the load; 0: never published */
	__u64 pad;
};
SLUICE_ASSERT_SIZE(struct sluice_cpu_load, 32);

/* What one generation has decided; of the latest ones, at generation % SLUICE_TREE_COUNTS. */
struct sluice_tree_count {
	__u32 generation;
	__u32 pad;
	__u64 home;
	__u64 other;
};
SLUICE_ASSERT_SIZE(struct sluice_tree_count, 24);
#define SLUICE_TREE_COUNTS	4

/* Per RX queue: what became of the flows that were admitted while there was a tree. */
struct sluice_tree_stats {
	__u64 home;		/* the tree left them with their bucket */
	__u64 other;		/* the tree chose another CPU */
	__u64 alone;		/* no other target, or no bucket: nothing to choose */
	__u64 held;		/* the operator holds the bucket */
	__u64 lapsed;		/* no lease runs */
	__u64 torn;		/* the tree was replaced twice during the decision */
	struct sluice_tree_count of[SLUICE_TREE_COUNTS];
};
SLUICE_ASSERT_SIZE(struct sluice_tree_stats, 6 * 8 + 24 * SLUICE_TREE_COUNTS);

/*
 * Metadata in front of a sampled packet, of one of a pending place, and of one
 * that is numbered, from xdp_steer to cpu_deliver, which removes it. Under
 * generic XDP and some drivers it never arrives: a wait is then "not
 * measurable", which is not the same as 0, and moves are by gap.
 */
struct sluice_meta {
	__u32 magic;		/* SLUICE_META_MAGIC */
	__u16 rxq;
	__u16 cpu;		/* to which it was sent */
	__u64 time_ns;		/* bpf_ktime_get_ns() at redirect; 0: not sampled */
	__u64 seq;
	__u32 order_slot;	/* index in "order" + 1; 0: not numbered */
	__u32 ordinal;
};
SLUICE_ASSERT_SIZE(struct sluice_meta, 32);	/* the most there can be */
#define SLUICE_META_MAGIC	(0x4d530000u | SLUICE_ABI_VERSION)

/*
 * Some flows' packets are numbered (F_ORDER) and cpu_deliver counts those that
 * arrive after a later one. A slot belongs to the flow that took it, until that
 * has been idle for SLUICE_GAP_ACKED times gap_ticks. "sent" is the RX queue's,
 * "delivered" the targets'.
 */
struct sluice_order {
	__u32 tag;		/* of the flow */
	__u32 ticks;
	__u32 sent;
	__u32 delivered;
};
SLUICE_ASSERT_SIZE(struct sluice_order, 16);

/* Written by the CPU's own cpu_deliver only. */
struct sluice_deliver {
	__u64 packets;		/* handed to the stack */
	__u64 bytes;
	__u64 wait_samples;
	__u64 wait_sum_ns;
	__u64 numbered;		/* packets of order-checked flows */
	__u64 reordered;	/* of these: overtaken */
	__u64 wait_hist[SLUICE_HIST_SLOTS];
};
SLUICE_ASSERT_SIZE(struct sluice_deliver, 48 + 8 * SLUICE_HIST_SLOTS);

enum sluice_event_kind {
	SLUICE_EVENT_MISS,	/* a packet of a flow that has no entry (F_ANNOUNCE) */
	SLUICE_EVENT_HEAVY,	/* an entry counted report_packets more */
};

struct sluice_flow_event {
	struct sluice_flow_key key;
	__u32 bucket;
	__u16 kind;		/* enum sluice_event_kind */
	__u16 cpu1;		/* where it is, CPU + 1; 0 for a miss */
	__u64 packets;		/* of the entry; 1 for a miss */
	__u64 bytes;
	struct sluice_features features;	/* of the packet that caused it */
};
SLUICE_ASSERT_SIZE(struct sluice_flow_event, 72);

/*
 * Context of the syscall program "steer_ctl", run by BPF_PROG_RUN. It changes
 * in place what a map update could only replace, and knows jiffies.
 * "result" is 0 or a negative errno.
 */
enum sluice_ctl_op {
	SLUICE_CTL_LEASE,	/* expires = now + lease_jiffies; 0 ends the lease */
	SLUICE_CTL_FLOW_ASSIGN,	/* set cpu, flags, generation of the entry of key */
	SLUICE_CTL_FLOW_DELETE,	/* unassigned, or idle for gap_ticks; else unassigns it: -EAGAIN */
	SLUICE_CTL_CLOCK,	/* only report the clocks */
	SLUICE_CTL_FLOWS_USED,	/* before the first entry is made by other ways */
};

struct sluice_ctl {
	__u32 op;		/* enum sluice_ctl_op */
	__s32 result;
	__u64 lease_jiffies;
	__u64 jiffies;		/* out: bpf_jiffies64() */
	__u64 time_ns;		/* out: bpf_ktime_get_ns() */
	struct sluice_flow_key key;
	struct sluice_assign assign;
	__u32 generation;
	__u32 pad;
};
SLUICE_ASSERT_SIZE(struct sluice_ctl, 88);

#endif /* _UAPI_LINUX_SLUICE_STEER_H */
