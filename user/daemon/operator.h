/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What operators said: where the agents are paused, and which queues stand down
 * because of a write. Both last until the operator takes them back, also across
 * a restart (operator_file.c keeps them), and both end in guard.c.
 *
 * A stand-down belongs to one qdisc: to the one with that interface, parent and
 * handle, in this boot. A qdisc that is made anew is decided on again. A pause
 * is about names, and so it is for whatever comes under them later.
 */
#ifndef SLUICE_DAEMON_OPERATOR_H
#define SLUICE_DAEMON_OPERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "daemon/guard.h"
#include "lib/err.h"
#include "lib/qdisc.h"

#define OPERATOR_PAUSES_MAX	64

struct daemon;
struct queue;

struct operator_stand {
	struct qdisc_id id;
	int ifindex;
	uint32_t handle;
	uint32_t manual_gen;	/* of the latest write; not of stock qdiscs, which do not count */
};

struct operator {
	/* Of everything (no ifname), of an interface (no parent) or of one of its queues. */
	struct qdisc_id pause[OPERATOR_PAUSES_MAX];
	unsigned int n_pauses;
	struct operator_stand *restored;	/* of before the restart, not found again yet */
	size_t n_restored;
	bool dirty;				/* the file does not say so yet */
	bool failed;				/* nor could it be written */
};

/* Once, after the settings are there; says what is still in force. */
void operator_restore(struct daemon *d);
/* Writes what changed. */
void operator_epoch(struct daemon *d);
void operator_free(struct daemon *d);

/* guard_watch(), with the operator's pauses, and what it noticed is kept. */
enum guard_verdict operator_watch(struct daemon *d, struct queue *q, const struct guard_queue *gq);
/* A queue was found, or is gone. */
void operator_adopt(struct daemon *d, struct queue *q);
void operator_gone(struct daemon *d, const struct queue *q);
/* parent "": the interface as a whole, and so its steering. */
bool operator_paused(const struct daemon *d, const char *ifname, const char *parent);

/*
 * What the operator asks for: {"dev": ..., "parent": ...}, without a parent the whole interface,
 * without both everything. -EINVAL, -ENOENT: e says what is not so.
 */
int operator_pause(struct daemon *d, const json_t *request, json_t **reply, struct sl_err *e);
int operator_resume(struct daemon *d, const json_t *request, json_t **reply, struct sl_err *e);
int operator_release(struct daemon *d, const json_t *request, json_t **reply, struct sl_err *e);
/* "paused" and "stand_downs", for who asks. */
json_t *operator_pauses_json(const struct daemon *d);
json_t *operator_stands_json(const struct daemon *d);

/*
 * operator_file.c. Replaces the file; where there is nothing to keep there is none. What was read is
 * the caller's to free; stand-downs of another boot or network namespace are left out. -ENOENT,
 * -EBADMSG.
 */
int operator_file_write(const char *path, const struct operator *o,
			const struct operator_stand *stands, size_t n, struct sl_err *e);
int operator_file_read(const char *path, struct operator *ret, struct sl_err *e);

#endif
