/* SPDX-License-Identifier: GPL-2.0 */
/* The layout of a transition log; translog.h describes it. */
#ifndef SLUICE_RL_TRANSLOG_FORMAT_H
#define SLUICE_RL_TRANSLOG_FORMAT_H

#include "rl/translog.h"

#define TRANSLOG_MAGIC		"SLUICETL"
#define TRANSLOG_BLOCK_MAGIC	0x4b4c4254u	/* "TBLK" in memory order */
#define TRANSLOG_BLOCK_BYTES	65536		/* of records; one more record may begin below */
#define TRANSLOG_BLOCK_MAX	(TRANSLOG_BLOCK_BYTES + TRANSLOG_MAX_RECORD)

struct translog_head {
	char magic[8];
	uint32_t version;
	uint32_t n_features, outputs, max_rows;
	float reward_scale;
	char agent[16];
	uint32_t crc;		/* of header and features, with this field 0 */
};
_Static_assert(sizeof(struct translog_head) == 48, "no hidden padding in what is written");
_Static_assert(sizeof(struct translog_feature) == 40, "no hidden padding in what is written");

struct translog_block {
	uint32_t magic;
	uint32_t stored_bytes, raw_bytes;
	uint32_t records;
	uint32_t crc;		/* of this with the field 0, and of what is stored */
};
_Static_assert(sizeof(struct translog_block) == 20, "no hidden padding in what is written");

struct translog_record {
	uint64_t time_ns;
	uint64_t policy;
	uint32_t object, flags;
	uint32_t action;
	float probability, reward, discount;
	uint32_t rows, next_rows;
};
_Static_assert(sizeof(struct translog_record) == 48, "no hidden padding in what is written");

static inline size_t translog_mask_bytes(const struct translog_shape *s, uint32_t rows)
{
	return ((size_t)rows * s->outputs + 3) & ~(size_t)3;
}

static inline size_t translog_record_bytes(const struct translog_shape *s, uint32_t rows,
					   uint32_t next_rows)
{
	return sizeof(struct translog_record) + translog_mask_bytes(s, rows) +
	       translog_mask_bytes(s, next_rows) +
	       ((size_t)rows + next_rows) * s->n_features * sizeof(float);
}

static inline size_t translog_head_bytes(const struct translog_shape *s)
{
	return sizeof(struct translog_head) + s->n_features * sizeof(struct translog_feature);
}

/* Whether a program can work with it; and whether a row is one of the shape. */
bool translog_shape_ok(const struct translog_shape *s);
bool translog_row_ok(const struct translog_shape *s, const struct translog_row *row);
uint32_t translog_head_crc(struct translog_head h, const struct translog_feature *f);
uint32_t translog_block_crc(struct translog_block b, const void *stored);

#endif
