// SPDX-License-Identifier: GPL-2.0
/* Reading transition logs: nothing in a file is believed before it was checked. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "rl/translog_format.h"

/* What deflated records can need at most, with headers of the least effort. */
#define STORED_MAX	(TRANSLOG_BLOCK_MAX + TRANSLOG_BLOCK_MAX / 1000 + 4096)

struct translog_reader {
	FILE *f;
	char *path;
	struct translog_shape shape;
	uint64_t offset;	/* of the block that is being read */
	uint64_t torn;
	bool ended;
	uint8_t *stored, *raw;	/* raw: a multiple of 4 from each record to the next */
	size_t raw_bytes, at;
	uint32_t left;		/* records of the block */
};

static int damaged(const struct translog_reader *r, struct sl_err *e, const char *what)
{
	return sl_err(e, -EBADMSG, "%s: %s, in the block at byte %llu", r->path, what,
		      (unsigned long long)r->offset);
}

static int read_head(struct translog_reader *r, struct sl_err *e)
{
	struct translog_shape *s = &r->shape;
	struct translog_head h;

	if (fread(&h, sizeof(h), 1, r->f) != 1 || memcmp(h.magic, TRANSLOG_MAGIC, sizeof(h.magic)))
		return sl_err(e, -EBADMSG, "%s is no transition log", r->path);
	if (h.version != TRANSLOG_VERSION)
		return sl_err(e, -EPROTO, "%s is of version %u, this program reads %u", r->path,
			      h.version, TRANSLOG_VERSION);
	s->n_features = h.n_features;
	s->outputs = h.outputs;
	s->max_rows = h.max_rows;
	s->reward_scale = h.reward_scale;
	memcpy(s->agent, h.agent, sizeof(s->agent));
	if (!translog_shape_ok(s) ||
	    fread(s->feature, sizeof(s->feature[0]), s->n_features, r->f) != s->n_features ||
	    h.crc != translog_head_crc(h, s->feature))
		return sl_err(e, -EBADMSG, "%s: the header is damaged", r->path);
	for (uint32_t i = 0; i < s->n_features; i++)
		if (!memchr(s->feature[i].name, 0, sizeof(s->feature[i].name)) ||
		    !memchr(s->feature[i].unit, 0, sizeof(s->feature[i].unit)))
			return sl_err(e, -EBADMSG, "%s: the header is damaged", r->path);
	r->offset = translog_head_bytes(s);
	return 0;
}

int translog_read_open(const char *path, struct translog_reader **ret, struct sl_err *e)
{
	struct translog_reader *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return sl_err(e, -ENOMEM, "out of memory");
	r->path = strdup(path);
	r->stored = malloc(STORED_MAX);
	r->raw = malloc(TRANSLOG_BLOCK_MAX);
	r->f = fopen(path, "re");
	if (!r->f)
		error = sl_err(e, -errno, "cannot read %s: %s", path, strerror(errno));
	else if (!r->path || !r->stored || !r->raw)
		error = sl_err(e, -ENOMEM, "out of memory");
	else
		error = read_head(r, e);
	if (error) {
		translog_read_close(r);
		return error;
	}
	*ret = r;
	return 0;
}

void translog_read_close(struct translog_reader *r)
{
	if (!r)
		return;
	if (r->f)
		fclose(r->f);
	free(r->path);
	free(r->stored);
	free(r->raw);
	free(r);
}

const struct translog_shape *translog_read_shape(const struct translog_reader *r)
{
	return &r->shape;
}

uint64_t translog_read_torn(const struct translog_reader *r)
{
	return r->torn;
}

static int end_torn(struct translog_reader *r, uint64_t bytes)
{
	r->torn = bytes;
	r->ended = true;
	return 0;
}

/* 1: there is a block; 0: the end. */
static int read_block(struct translog_reader *r, struct sl_err *e)
{
	struct translog_block b;
	uLongf raw;
	size_t n;

	n = fread(&b, 1, sizeof(b), r->f);
	if (n < sizeof(b))
		return end_torn(r, n);
	if (b.magic != TRANSLOG_BLOCK_MAGIC || b.stored_bytes > STORED_MAX ||
	    b.raw_bytes > TRANSLOG_BLOCK_MAX || !b.records)
		return damaged(r, e, "damaged");
	n = fread(r->stored, 1, b.stored_bytes, r->f);
	if (n < b.stored_bytes)
		return end_torn(r, sizeof(b) + n);
	if (b.crc != translog_block_crc(b, r->stored))
		return damaged(r, e, "the checksum is wrong");
	raw = b.raw_bytes;
	if (uncompress(r->raw, &raw, r->stored, b.stored_bytes) != Z_OK || raw != b.raw_bytes)
		return damaged(r, e, "it cannot be inflated");
	r->raw_bytes = raw;
	r->at = 0;
	r->left = b.records;
	r->offset += sizeof(b) + b.stored_bytes;
	return 1;
}

int translog_read_next(struct translog_reader *r, struct translog_row *row, struct sl_err *e)
{
	struct translog_record rec;
	const uint8_t *at;
	size_t bytes;
	int more;

	if (r->ended)
		return 0;
	if (!r->left && (more = read_block(r, e)) != 1)
		return more;
	at = r->raw + r->at;
	if (r->raw_bytes - r->at < sizeof(rec))
		return damaged(r, e, "a record is cut off before");
	memcpy(&rec, at, sizeof(rec));
	if (rec.rows > r->shape.max_rows || rec.next_rows > r->shape.max_rows)
		return damaged(r, e, "a record is impossible before");
	bytes = translog_record_bytes(&r->shape, rec.rows, rec.next_rows);
	if (r->raw_bytes - r->at < bytes)
		return damaged(r, e, "a record is cut off before");
	r->at += bytes;
	r->left--;
	if (!r->left && r->at != r->raw_bytes)
		return damaged(r, e, "there is more than its records before");
	*row = (struct translog_row){
		.time_ns = rec.time_ns, .policy = rec.policy, .object = rec.object,
		.flags = rec.flags, .action = rec.action, .probability = rec.probability,
		.reward = rec.reward, .discount = rec.discount, .rows = rec.rows,
		.next_rows = rec.next_rows,
	};
	at += sizeof(rec);
	row->mask = at;
	at += translog_mask_bytes(&r->shape, rec.rows);
	row->next_mask = at;
	at += translog_mask_bytes(&r->shape, rec.next_rows);
	row->x = (const float *)(const void *)at;
	row->next_x = row->x + (size_t)rec.rows * r->shape.n_features;
	return translog_row_ok(&r->shape, row) ? 1 : damaged(r, e, "a record is impossible before");
}

/* --- sets ------------------------------------------------------------------------- */

/* Memory of a set: chunks of it, each with the one before. */
struct chunk {
	struct chunk *before;
	size_t used, room;
	uint8_t bytes[] __attribute__((aligned(8)));
};

#define CHUNK_BYTES	(4u << 20)

static void *keep(struct translog_set *s, const void *data, size_t bytes)
{
	struct chunk *c = s->memory;
	const size_t whole = (bytes + 7) & ~(size_t)7;
	void *to;

	if (!c || c->room - c->used < whole) {
		const size_t room = whole > CHUNK_BYTES ? whole : CHUNK_BYTES;

		c = malloc(sizeof(*c) + room);
		if (!c)
			return NULL;
		*c = (struct chunk){ .before = s->memory, .room = room };
		s->memory = c;
	}
	to = c->bytes + c->used;
	c->used += whole;
	memcpy(to, data, bytes);
	return to;
}

void translog_set_free(struct translog_set *s)
{
	for (struct chunk *c = s->memory, *before; c; c = before) {
		before = c->before;
		free(c);
	}
	free(s->rows);
	*s = (struct translog_set){ 0 };
}

static int set_add(struct translog_set *s, size_t *room, const struct translog_row *row)
{
	const struct translog_shape *h = &s->shape;
	struct translog_row copy = *row, *more;

	if (s->n == *room) {
		*room = *room ? *room * 2 : 1024;
		more = realloc(s->rows, *room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		s->rows = more;
	}
	copy.mask = keep(s, row->mask, (size_t)row->rows * h->outputs);
	copy.next_mask = keep(s, row->next_mask, (size_t)row->next_rows * h->outputs);
	copy.x = keep(s, row->x, (size_t)row->rows * h->n_features * sizeof(float));
	copy.next_x = keep(s, row->next_x, (size_t)row->next_rows * h->n_features * sizeof(float));
	if (!copy.mask || !copy.next_mask || !copy.x || !copy.next_x)
		return -ENOMEM;
	s->rows[s->n++] = copy;
	return 0;
}

static int set_file(struct translog_set *s, size_t *room, const char *path, bool first,
		    struct sl_err *e)
{
	struct translog_reader *reader;
	struct translog_row row;
	int r;

	r = translog_read_open(path, &reader, e);
	if (r)
		return r;
	if (first)
		s->shape = reader->shape;
	else if (memcmp(&s->shape, &reader->shape, sizeof(s->shape)))
		r = sl_err(e, -EINVAL, "%s is of another shape than the logs before it", path);
	while (!r && (r = translog_read_next(reader, &row, e)) == 1)
		r = set_add(s, room, &row) ? sl_err(e, -ENOMEM, "out of memory") : 0;
	s->torn += reader->torn;
	translog_read_close(reader);
	return r;
}

int translog_set_read(const char *const *paths, size_t n, struct translog_set *out,
		      struct sl_err *e)
{
	struct translog_set s = { 0 };
	size_t room = 0;
	int r = n ? 0 : sl_err(e, -EINVAL, "no transition log was named");

	for (size_t i = 0; i < n && !r; i++)
		r = set_file(&s, &room, paths[i], !i, e);
	if (r)
		translog_set_free(&s);
	else
		*out = s;
	return r;
}
