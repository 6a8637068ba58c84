/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sluice qdiscs of a network namespace: bulk reading by one netlink dump,
 * writing through sysfs. See include/uapi/linux/sluice.h for the protocol.
 * On demand the dump tells of stock qdiscs, too, that can stand in for them
 * (lib/ecn_backend.h).
 */
#ifndef SLUICE_LIB_QDISC_H
#define SLUICE_LIB_QDISC_H

#include <net/if.h>
#include <stddef.h>
#include <linux/sluice.h>

#include "lib/ecn_backend.h"
#include "lib/err.h"

/* Where a limit in packets has to be compared with bytes: an Ethernet frame without options. */
#define QDISC_PACKET_BYTES 1514

struct qdisc_id {
	char ifname[IFNAMSIZ];
	char parent[16];	/* "root" or "major:minor", as in sysfs */
};

struct qdisc_sample {
	struct qdisc_id id;
	int ifindex;
	__u32 handle;
	__u32 parent;
	enum ecn_kind backend;
	/*
	 * Of a stock qdisc: what it has in common with ours. Counters begin when the reader first saw
	 * it, backlog_byte_us, backlogged_ns and backlog_max_bytes come from one look per dump, and
	 * ce_bytes supposes marked packets of average size. There is no triple here: ecn_backend's
	 * decode makes it of raw.
	 */
	struct sluice_qdisc_stats stats;

	/* The rest is of stock qdiscs. */
	struct ecn_raw raw;
	enum ecn_block blocked;
	__u64 time_error_ns;		/* stats.time_ns may be off by so much, either way */
	bool has_size;			/* the operator gave it a size table without data */
	struct tc_sizespec size;
};

/* qth_min and qth_max in bytes, max_p in ppm. */
struct qdisc_triple {
	__u32 qth_min, qth_max, max_p;
};

struct qdisc_reader;	/* owns its netlink sockets and the latest dump */

int qdisc_reader_new(struct qdisc_reader **ret, struct sl_err *e);
void qdisc_reader_free(struct qdisc_reader *r);	/* accepts NULL */
/* Whether dumps tell of stock qdiscs; at first they do not. */
void qdisc_reader_stock(struct qdisc_reader *r, bool want);
/* For ecn_backend_change(), not the dumps' own; belongs to the reader. */
struct nl_sock *qdisc_reader_socket(struct qdisc_reader *r);
/* One dump of all sluice qdiscs. *samples belongs to the reader, until the next read. */
int qdisc_read(struct qdisc_reader *r, const struct qdisc_sample **samples, size_t *n,
	       struct sl_err *e);

/* Writes the file "learned", kept open (sysfs.h). lease_ms 0 gives the learned triple up. */
int qdisc_write_learned(const struct qdisc_id *id, int *kept, const struct qdisc_triple *t,
			__u32 lease_ms, __u32 generation, struct sl_err *e);
/*
 * Writes a block to the file "tree": loads a tree, or, a header alone, renews its lease (-ESTALE:
 * it is not loaded any more) or gives it up.
 */
struct sluice_tree;
int qdisc_write_tree(const struct qdisc_id *id, const struct sluice_tree *t, size_t size,
		     struct sl_err *e);
/* Whether there is such a knob and the value is in its range; the kernel is not asked. */
int qdisc_check_knob(const struct qdisc_id *id, const char *knob, __u32 value, struct sl_err *e);
/* Reads or writes one knob by its name in SLUICE_KNOBS. */
int qdisc_read_knob(const struct qdisc_id *id, const char *knob, __u32 *value, struct sl_err *e);
int qdisc_write_knob(const struct qdisc_id *id, const char *knob, __u32 value, struct sl_err *e);

#endif
