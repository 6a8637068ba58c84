/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RSS: the table by which a NIC chooses the receive queue of a packet before
 * any CPU has seen it. The NIC hashes some header fields with a secret key; the
 * low bits of the hash choose a slot of the indirection table, the slot a queue.
 *
 * This is the second place at which flows are steered, in front of the buckets
 * of the XDP program. It costs nothing per packet, but it is coarse (one slot
 * has about 1/128 of all flows) and slow, and it knows no hold: when a slot
 * changes, the packets in the old queue's ring are still to be processed while
 * the new queue's CPU already works on their successors. They are reordered.
 * So A SLOT MAY BE MOVED ONLY WHILE ITS TRAFFIC HAS A GAP longer than a ring
 * takes to drain; lib/rss_moves.h does that. rss_write() does not: it writes at
 * once what an operator or rss_moves asks for.
 *
 * ioctls are used throughout. The netlink interface has notifications and RSS
 * contexts beyond them, neither of which is used here, and no way to set the
 * table in most kernels that sluice supports.
 *
 * That there is no table (-EOPNOTSUPP) is an answer, not a fault: veth, tap,
 * most virtual NICs and many with a single queue have none.
 */
#ifndef SLUICE_LIB_RSS_H
#define SLUICE_LIB_RSS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/sluice.h>

#include "lib/err.h"

#define RSS_MAX_SLOTS	4096
#define RSS_MAX_KEY	256	/* bytes; drivers have 40 or 52 */

/* Kinds of packets for which a NIC chooses its fields. X(name, ethtool's flow type) */
#define RSS_KINDS(X)			\
	X(tcp4, TCP_V4_FLOW)		\
	X(udp4, UDP_V4_FLOW)		\
	X(sctp4, SCTP_V4_FLOW)		\
	X(ip4, IPV4_FLOW)		\
	X(tcp6, TCP_V6_FLOW)		\
	X(udp6, UDP_V6_FLOW)		\
	X(sctp6, SCTP_V6_FLOW)		\
	X(ip6, IPV6_FLOW)

enum rss_kind {
#define X(name, type) RSS_##name,
	RSS_KINDS(X)
#undef X
	RSS_KIND_MAX,
};

/* Hash functions, the values of ethtool's hfunc. */
#define RSS_FUNC_UNKNOWN	0
#define RSS_FUNC_TOEPLITZ	(1 << 0)
#define RSS_FUNC_XOR		(1 << 1)
#define RSS_FUNC_CRC32		(1 << 2)

struct rss {
	char ifname[IFNAMSIZ];
	uint32_t queues;		/* that receive; table entries are below it */
	uint32_t slots;			/* length of the table, not 0 */
	uint32_t key_len;		/* bytes; 0: the driver does not tell */
	uint8_t func;			/* RSS_FUNC_* */
	uint8_t xfrm;			/* enum toeplitz_xfrm, or what else the kernel says */
	bool table_only;		/* an old driver: neither key nor function */
	bool fields_known[RSS_KIND_MAX];
	uint64_t fields[RSS_KIND_MAX];	/* ethtool's RXH_*, where known */
	uint8_t key[RSS_MAX_KEY];
	uint32_t table[RSS_MAX_SLOTS];	/* slot -> queue */
};

/* -EOPNOTSUPP: the NIC has no table, e says so; -ENODEV: there is no such interface. */
int rss_read(const char *ifname, struct rss *ret, struct sl_err *e);

/*
 * Makes table, key and function what "want" says: a changed rss_read() result. The whole table
 * goes in one call, only what differs is asked for, and it is read back. When the driver
 * refuses, or does something else (-EIO), what was there before is written again.
 */
int rss_write(const struct rss *want, struct sl_err *e);

/* Tables as ethtool -X makes them: queue = slot modulo n; or blocks of slots by weight. */
int rss_table_equal(struct rss *rss, uint32_t n, struct sl_err *e);
int rss_table_weight(struct rss *rss, const uint32_t *weight, size_t n, struct sl_err *e);

/* The names of the kinds, functions and transformations; "tcp4", "toeplitz", "symmetric-xor". */
const char *rss_kind_name(enum rss_kind kind);
const char *rss_func_name(uint8_t func);
const char *rss_xfrm_name(uint8_t xfrm);
/* "src,dst,sport,dport", "none", or "unknown". */
void rss_fields_format(const struct rss *rss, enum rss_kind kind, char *buf, size_t size);

struct rss_place {
	enum rss_kind kind;
	bool with_ports;
	uint32_t hash;
	uint32_t slot;
	uint32_t queue;
};

/*
 * Where the packets of a flow, in the direction of the key, arrive. -EOPNOTSUPP, with the reason
 * in e, where that cannot be told: another hash than Toeplitz, fields that are none of the
 * standard combinations or not known, a table whose length is no power of two.
 *
 * It holds for what the key says and stands outermost in the frame: the contract's key is that
 * behind MPLS or PPPoE, where a NIC does not look; and an ICMP error has the key of the flow it
 * quotes, while the NIC hashes its own addresses. Fragments have ports 0 in the key, and NICs
 * hash their addresses alone.
 */
int rss_place(const struct rss *rss, const struct sluice_flow_key *flow, struct rss_place *ret,
	      struct sl_err *e);

#endif
