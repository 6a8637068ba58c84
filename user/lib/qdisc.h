/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sluice qdiscs of a network namespace: bulk reading by one netlink dump,
 * writing through sysfs. See include/uapi/linux/sluice.h for the protocol.
 */
#ifndef SLUICE_LIB_QDISC_H
#define SLUICE_LIB_QDISC_H

#include <net/if.h>
#include <stddef.h>
#include <linux/sluice.h>

#include "lib/err.h"

struct qdisc_id {
	char ifname[IFNAMSIZ];
	char parent[16];	/* "root" or "major:minor", as in sysfs */
};

struct qdisc_sample {
	struct qdisc_id id;
	int ifindex;
	__u32 handle;
	struct sluice_qdisc_stats stats;
};

/* qth_min and qth_max in bytes, max_p in ppm. */
struct qdisc_triple {
	__u32 qth_min, qth_max, max_p;
};

struct qdisc_reader;	/* owns a netlink socket and the latest dump */

int qdisc_reader_new(struct qdisc_reader **ret, struct sl_err *e);
void qdisc_reader_free(struct qdisc_reader *r);	/* accepts NULL */
/* One dump of all sluice qdiscs. *samples belongs to the reader, until the next read. */
int qdisc_read(struct qdisc_reader *r, const struct qdisc_sample **samples, size_t *n,
	       struct sl_err *e);

/* Writes the file "learned". lease_ms 0 gives the learned triple up. */
int qdisc_write_learned(const struct qdisc_id *id, const struct qdisc_triple *t, __u32 lease_ms,
			__u32 generation, struct sl_err *e);
/* Whether there is such a knob and the value is in its range; the kernel is not asked. */
int qdisc_check_knob(const struct qdisc_id *id, const char *knob, __u32 value, struct sl_err *e);
/* Reads or writes one knob by its name in SLUICE_KNOBS. */
int qdisc_read_knob(const struct qdisc_id *id, const char *knob, __u32 *value, struct sl_err *e);
int qdisc_write_knob(const struct qdisc_id *id, const char *knob, __u32 value, struct sl_err *e);

#endif
