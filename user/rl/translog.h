/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an agent did, for learning offline: a log of transitions
 *
 *	observation, mask, action, behaviour probability -> reward, discount, next observation
 *
 * of which an observation is a matrix (rows, features) as in ddqn.h, the action is
 * row * outputs + output, and the mask says which actions there were.
 *
 * A file is a header and blocks. The header has the shape and what the features are; a block has
 * records, deflated, under a CRC-32 of its own, and is written at once, so that a log which ends
 * in the middle of a block (a kill, a full disk, a power cut) can be read up to there. Numbers are
 * in the byte order of the machine.
 *
 *	header	struct translog_head, then n_features times struct translog_feature
 *	block	struct translog_block, then stored_bytes of zlib's format
 *	record	struct translog_record, then both masks (bytes, each padded to a multiple of 4),
 *		then x and next_x (float32)
 *
 * A log that outgrows max_bytes is renamed to PATH.1, that to PATH.2 and so on, up to "files".
 */
#ifndef SLUICE_RL_TRANSLOG_H
#define SLUICE_RL_TRANSLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define TRANSLOG_VERSION	1
#define TRANSLOG_MAX_FEATURES	256
#define TRANSLOG_MAX_ROWS	1024
#define TRANSLOG_MAX_OUTPUTS	256
#define TRANSLOG_MAX_RECORD	(1u << 20)	/* bytes, by the shape */

struct translog_feature {
	char name[24];
	char unit[16];
};

struct translog_shape {
	char agent[16];			/* "ecn", "steer" */
	uint32_t n_features, outputs, max_rows;
	float reward_scale;		/* what the agent multiplies rewards with when it learns */
	struct translog_feature feature[TRANSLOG_MAX_FEATURES];
};

#define TRANSLOG_EXPLORED	0x1

/* One transition. Whose memory the pointers are of, is said where one is given. */
struct translog_row {
	uint64_t time_ns;		/* CLOCK_REALTIME, at its end */
	uint64_t policy;		/* gradient steps of the network that chose */
	uint32_t object;		/* what was decided on: the same number is the same thing */
	uint32_t flags;
	uint32_t action;
	float probability;		/* of this action, by the policy that acted, (0, 1] */
	float reward, discount;
	uint32_t rows, next_rows;	/* 0: nothing follows */
	const uint8_t *mask, *next_mask;	/* (rows * outputs); NULL in writing: all there */
	const float *x, *next_x;	/* (rows, features) */
};

/* --- writing ----------------------------------------------------------------- */

struct translog;

struct translog_config {
	const char *path;
	uint64_t max_bytes;		/* of one file */
	unsigned int files;		/* with the one being written, at least 1 */
};

/*
 * Goes on with a log of the same shape that is sound and has room; any other file there is kept as
 * PATH.1. Directories are not made.
 */
int translog_open(const struct translog_config *c, const struct translog_shape *shape,
		  struct translog **ret, struct sl_err *e);
/*
 * Copies the row into memory, and writes a block when that is full. What cannot be written is lost
 * and counted, not kept: memory stays bounded, and a later write may succeed again. -EINVAL: the
 * row does not fit the shape, or has a number that is none; it is left out.
 */
int translog_add(struct translog *t, const struct translog_row *row, struct sl_err *e);
/* Writes what is in memory. */
int translog_flush(struct translog *t, struct sl_err *e);
/* Flushes; accepts NULL. */
void translog_close(struct translog *t);

struct translog_stats {
	uint64_t rows, lost, rotated;
	uint64_t bytes;			/* of the current file */
};
void translog_stats(const struct translog *t, struct translog_stats *out);

/* --- reading ------------------------------------------------------------------ */

struct translog_reader;

/* Errors name the file, where in it, and what is wrong; no input makes this read out of bounds. */
int translog_read_open(const char *path, struct translog_reader **ret, struct sl_err *e);
const struct translog_shape *translog_read_shape(const struct translog_reader *r);
/* 1 and a row, whose memory is the reader's until the next call; 0 at the end; -EBADMSG. */
int translog_read_next(struct translog_reader *r, struct translog_row *row, struct sl_err *e);
/* Bytes of a block that was never finished, at the end. */
uint64_t translog_read_torn(const struct translog_reader *r);
void translog_read_close(struct translog_reader *r);	/* accepts NULL */

/* All rows of several logs of one shape, in memory, in the order of the files. */
struct translog_set {
	struct translog_shape shape;
	struct translog_row *rows;	/* whose pointers are into the set */
	size_t n;
	uint64_t torn;			/* bytes left out, of all files */
	void *memory;
};
int translog_set_read(const char *const *paths, size_t n, struct translog_set *out,
		      struct sl_err *e);
void translog_set_free(struct translog_set *s);

#endif
