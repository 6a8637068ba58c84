/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A stock qdisc has no lease: what the daemon wrote stays when the daemon is
 * killed. So before it first writes it notes the operator's values in a file, and
 * a daemon that finds such a file at its start puts them back. The file is
 * replaced as a whole; it is of one boot and one network namespace.
 */
#ifndef SLUICE_LIB_ECN_NOTE_H
#define SLUICE_LIB_ECN_NOTE_H

#include <stddef.h>

#include "lib/qdisc.h"

struct ecn_note {
	struct qdisc_id id;
	int ifindex;
	__u32 handle;
	enum ecn_kind backend;
	struct ecn_raw original;
	/*
	 * What is in force is one of these: the note is written before the qdisc is. Anything else
	 * in force was written by somebody else meanwhile, and stays.
	 */
	struct ecn_raw wrote[2];
};

/* Replaces the file; without notes there is none. */
int ecn_notes_write(const char *path, const struct ecn_note *notes, size_t n, struct sl_err *e);
/*
 * The caller frees *notes. -ENOENT: there is no file; -ESTALE: it is of another boot or namespace,
 * whose qdiscs are gone or not ours to see; -EBADMSG: it is damaged.
 */
int ecn_notes_read(const char *path, struct ecn_note **notes, size_t *n, struct sl_err *e);

/* What becomes of a note when this is in force. */
enum ecn_note_verdict {
	ECN_NOTE_OTHER,		/* another qdisc */
	ECN_NOTE_DONE,		/* the operator's values are in force */
	ECN_NOTE_RESTORE,
	ECN_NOTE_FOREIGN,	/* somebody wrote something else */
};
enum ecn_note_verdict ecn_note_check(const struct ecn_note *note, const struct qdisc_sample *s);

#endif
