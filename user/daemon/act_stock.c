// SPDX-License-Identifier: GPL-2.0
/*
 * Of act.c: stock qdiscs as ECN backends. What our own qdisc does by itself is done here: to
 * remember the operator's values and put them back (also those that a daemon that was killed left
 * changed), to notice the operator's writes, to count generations.
 */
#include "daemon/act.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ecn_note.h"
#include "lib/log.h"

static bool is_stock(const struct queue *q)
{
	return q->now.backend != ECN_SLUICE;
}

static bool wants_notes(const struct daemon *d)
{
	return strcmp(d->settings.ecn_originals, "none") != 0;
}

/* --- the file of originals ------------------------------------------------- */

static struct ecn_note note_of(const struct queue *q)
{
	return (struct ecn_note) {
		.id = q->now.id,
		.ifindex = q->now.ifindex,
		.handle = q->now.handle,
		.backend = q->now.backend,
		.original = q->stock.original,
		.wrote = { q->stock.expected, q->stock.next },
	};
}

static int write_notes(struct daemon *d, struct sl_err *e)
{
	struct ecn_note *notes;
	size_t n = 0;
	unsigned int i;
	int r;

	notes = calloc(d->n_queues + 1, sizeof(*notes));
	if (!notes)
		return sl_err(e, -ENOMEM, "out of memory");
	for (i = 0; i < d->n_queues; i++)
		if (d->queues[i].used && d->queues[i].stock.ours)
			notes[n++] = note_of(&d->queues[i]);
	r = ecn_notes_write(d->settings.ecn_originals, notes, n, e);
	free(notes);
	return r;
}

/* Where the notes are said to be superfluous a failure is none of the queue's. */
static void drop_note(struct daemon *d)
{
	struct sl_err e;

	if (wants_notes(d) && write_notes(d, &e) < 0)
		log_warning("%s", e.text);
}

/* --- what the kernel side of our own qdisc does ---------------------------- */

static void count_manual(struct daemon *d, struct queue *q)
{
	bool ours = q->stock.ours;

	q->stock.manual_gen++;
	q->stock.ours = false;
	q->learned = false;
	if (!ours)
		return;
	log_notice("%s %s: somebody else changed this %s: those values are the operator's now",
		   q->now.id.ifname, q->now.id.parent, ecn_backend(q->now.backend)->name);
	drop_note(d);
}

void act_stock_observe(struct daemon *d, struct queue *q)
{
	const struct ecn_backend *b = ecn_backend(q->now.backend);
	struct sluice_qdisc_stats *s = &q->now.stats;
	struct qdisc_triple base, now;
	double capacity;

	if (!is_stock(q))
		return;
	if (q->stock.known && !ecn_raw_same(&q->now.raw, &q->stock.expected))
		count_manual(d, q);
	q->stock.known = true;
	q->stock.expected = q->now.raw;
	if (!q->stock.ours)
		q->stock.original = q->now.raw;

	capacity = queue_capacity(d, q);
	b->decode(&q->now, &q->stock.original, capacity, &base);
	/* A backend may put a triple into force by fewer numbers: the decision counts. */
	now = q->stock.ours ? q->triple : base;
	s->source = q->stock.ours ? SLUICE_SRC_LEARNED : SLUICE_SRC_BASELINE;
	s->generation = q->stock.ours ? q->generation : 0;
	s->manual_gen = q->stock.manual_gen;
	s->qth_min = now.qth_min;
	s->qth_max = now.qth_max;
	s->max_p = now.max_p;
	s->base_qth_min = base.qth_min;
	s->base_qth_max = base.qth_max;
	s->base_max_p = base.max_p;
}

/* What the operator gets instead of the module is said once for each kind. */
static void tell_lacks(struct daemon *d, const struct queue *q)
{
	const struct ecn_backend *b = ecn_backend(q->now.backend);
	unsigned int bit;

	if (d->told_lacks & (1u << q->now.backend))
		return;
	d->told_lacks |= 1u << q->now.backend;
	log_notice("%s %s is controlled through stock %s. Compared with the qdisc sluice, it lacks:",
		   q->now.id.ifname, q->now.id.parent, b->name);
	for (bit = 0; bit < ECN_LACK_N; bit++)
		if (b->lacks & (1u << bit))
			log_notice("  %s: %s", b->name, ecn_lack_text(bit));
}

int act_stock_write(struct daemon *d, struct queue *q, const struct qdisc_triple *t,
		    struct sl_err *e)
{
	struct nl_sock *sock = qdisc_reader_socket(d->reader);
	bool first = !q->stock.ours;
	int r;

	if (!wants_notes(d))
		return sl_err(e, -EPERM, "%s %s: stock qdiscs are controlled only where the "
			      "operator's values can be noted: set originals in [ecn]",
			      q->now.id.ifname, q->now.id.parent);
	ecn_backend(q->now.backend)->encode(&q->now, t, queue_capacity(d, q), &q->stock.next);
	q->stock.ours = true;
	r = write_notes(d, e);
	if (r == 0)
		r = ecn_backend_change(sock, &q->now, &q->stock.next, true, e);
	if (r < 0) {
		q->stock.ours = !first;
		if (first)
			drop_note(d);
		return r;
	}
	tell_lacks(d, q);
	q->stock.expected = q->stock.next;
	return 0;
}

static void tell_original(const struct qdisc_sample *s, const struct ecn_raw *raw, bool restored)
{
	char text[96];

	if (s->backend == ECN_RED)
		snprintf(text, sizeof(text), "min %u max %u probability %g", raw->qth_min,
			 raw->qth_max, raw->max_p / 4294967296.0);
	else if (raw->ce_threshold_us == ECN_CE_OFF)
		snprintf(text, sizeof(text), "no ce_threshold");
	else
		snprintf(text, sizeof(text), "ce_threshold %uus", raw->ce_threshold_us);
	log_line(restored ? LOG_NOTICE : LOG_WARNING,
		 "%s %s: the operator's values (%s: %s) are %s", s->id.ifname, s->id.parent,
		 ecn_backend(s->backend)->name, text, restored ? "restored" : "not in force");
}

void act_stock_release(struct daemon *d, struct queue *q)
{
	struct nl_sock *sock = qdisc_reader_socket(d->reader);
	struct sl_err e;

	if (!q->stock.ours)
		return;
	q->stock.ours = false;
	if (ecn_backend_change(sock, &q->now, &q->stock.original, false, &e) < 0) {
		log_warning("%s", e.text);
		tell_original(&q->now, &q->stock.original, false);
	} else {
		tell_original(&q->now, &q->stock.original, true);
		q->stock.expected = q->stock.original;
	}
	drop_note(d);
}

void act_stock_gone(struct daemon *d, struct queue *q)
{
	if (!q->stock.ours)
		return;
	q->stock.ours = false;
	drop_note(d);
}

static void recover_one(struct daemon *d, const struct ecn_note *note,
			const struct qdisc_sample *samples, size_t n)
{
	struct nl_sock *sock = qdisc_reader_socket(d->reader);
	enum ecn_note_verdict v = ECN_NOTE_OTHER;
	struct sl_err e;
	size_t i;

	for (i = 0; i < n && v == ECN_NOTE_OTHER; i++)
		v = ecn_note_check(note, &samples[i]);
	if (v == ECN_NOTE_FOREIGN)
		log_notice("%s %s: somebody changed the %s after the daemon before us: it stays so",
			   note->id.ifname, note->id.parent, ecn_backend(note->backend)->name);
	if (v != ECN_NOTE_RESTORE)
		return;
	i--;	/* the one it was found at */
	if (ecn_backend_change(sock, &samples[i], &note->original, false, &e) < 0) {
		log_warning("%s", e.text);
		tell_original(&samples[i], &note->original, false);
	} else {
		tell_original(&samples[i], &note->original, true);
	}
}

bool act_stock_recover(struct daemon *d, const struct qdisc_sample *samples, size_t n)
{
	struct ecn_note *notes;
	struct sl_err e;
	size_t n_notes, i;
	int r;

	if (!wants_notes(d))
		return false;
	r = ecn_notes_read(d->settings.ecn_originals, &notes, &n_notes, &e);
	if (r == -ENOENT)
		return false;
	if (r < 0) {
		log_warning("%s", e.text);
		return false;
	}
	log_notice("the daemon before us did not stop in order; looking after %zu qdiscs that it "
		   "changed", n_notes);
	for (i = 0; i < n_notes; i++)
		recover_one(d, &notes[i], samples, n);
	free(notes);
	drop_note(d);
	return true;
}
