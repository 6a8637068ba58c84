// SPDX-License-Identifier: GPL-2.0
#include "rl/translog.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "rl/translog_format.h"

/* The observations of neighbouring records are much alike, which the least effort finds as well. */
#define DEFLATE_LEVEL	1

struct translog {
	struct translog_shape shape;
	char *path;
	uint64_t max_bytes;
	unsigned int files;
	int fd;			/* -1: the next block makes the file */
	uint64_t size;
	uint8_t *raw, *stored;	/* records not written yet, and a block as it is written */
	size_t used, stored_room;
	uint32_t records;
	struct translog_stats stats;
};

/* --- the format, as the reader needs it too ------------------------------------- */

bool translog_shape_ok(const struct translog_shape *s)
{
	return s->n_features && s->n_features <= TRANSLOG_MAX_FEATURES && s->outputs &&
	       s->outputs <= TRANSLOG_MAX_OUTPUTS && s->max_rows &&
	       s->max_rows <= TRANSLOG_MAX_ROWS && isfinite(s->reward_scale) &&
	       memchr(s->agent, 0, sizeof(s->agent)) &&
	       translog_record_bytes(s, s->max_rows, s->max_rows) <= TRANSLOG_MAX_RECORD;
}

static bool all_finite(const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(x[i]))
			return false;
	return true;
}

bool translog_row_ok(const struct translog_shape *s, const struct translog_row *row)
{
	return row->rows && row->rows <= s->max_rows && row->next_rows <= s->max_rows &&
	       row->action < row->rows * s->outputs && (!row->mask || row->mask[row->action]) &&
	       row->probability > 0.0f && row->probability <= 1.0f && isfinite(row->reward) &&
	       row->discount >= 0.0f && row->discount <= 1.0f &&
	       all_finite(row->x, (size_t)row->rows * s->n_features) &&
	       all_finite(row->next_x, (size_t)row->next_rows * s->n_features);
}

uint32_t translog_head_crc(struct translog_head h, const struct translog_feature *f)
{
	h.crc = 0;
	return crc32_z(crc32_z(0, (const Bytef *)&h, sizeof(h)), (const Bytef *)f,
		       h.n_features * sizeof(*f));
}

uint32_t translog_block_crc(struct translog_block b, const void *stored)
{
	b.crc = 0;
	return crc32_z(crc32_z(0, (const Bytef *)&b, sizeof(b)), stored, b.stored_bytes);
}

/* --- files ------------------------------------------------------------------------ */

static int write_whole(int fd, const void *data, size_t bytes)
{
	const uint8_t *p = data;

	while (bytes) {
		const ssize_t n = write(fd, p, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		p += n;
		bytes -= (size_t)n;
	}
	return 0;
}

static int same_shape(const struct translog_shape *a, const struct translog_shape *b)
{
	return a->n_features == b->n_features && a->outputs == b->outputs &&
	       a->max_rows == b->max_rows && a->reward_scale == b->reward_scale &&
	       !strcmp(a->agent, b->agent) &&
	       !memcmp(a->feature, b->feature, a->n_features * sizeof(a->feature[0]));
}

/* Whether one can go on with the file: of this shape, and sound up to its end. */
static bool continues(const struct translog *t)
{
	struct translog_reader *r;
	struct translog_row row;
	bool fits;
	int more = 0;

	if (translog_read_open(t->path, &r, NULL))
		return false;
	fits = same_shape(translog_read_shape(r), &t->shape);
	while (fits && (more = translog_read_next(r, &row, NULL)) == 1)
		;
	fits = fits && !more && !translog_read_torn(r);
	translog_read_close(r);
	return fits;
}

/* PATH.(n - 1) takes the place of PATH.n, which is the oldest, and so on; PATH is free then. */
static int rotate(struct translog *t)
{
	char from[PATH_MAX], to[PATH_MAX];

	if (access(t->path, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (t->files == 1)
		return unlink(t->path) < 0 && errno != ENOENT ? -errno : 0;
	for (unsigned int i = t->files - 1; i > 0; i--) {
		snprintf(to, sizeof(to), "%s.%u", t->path, i);
		if (i > 1)
			snprintf(from, sizeof(from), "%s.%u", t->path, i - 1);
		else
			snprintf(from, sizeof(from), "%s", t->path);
		if (rename(from, to) < 0 && errno != ENOENT)
			return -errno;
	}
	t->stats.rotated++;
	return 0;
}

static int write_head(struct translog *t)
{
	struct translog_head h = {
		.magic = TRANSLOG_MAGIC, .version = TRANSLOG_VERSION,
		.n_features = t->shape.n_features, .outputs = t->shape.outputs,
		.max_rows = t->shape.max_rows, .reward_scale = t->shape.reward_scale,
	};
	uint8_t all[sizeof(h) + sizeof(t->shape.feature)];
	const size_t bytes = translog_head_bytes(&t->shape);

	memcpy(h.agent, t->shape.agent, sizeof(h.agent));
	h.crc = translog_head_crc(h, t->shape.feature);
	memcpy(all, &h, sizeof(h));
	memcpy(all + sizeof(h), t->shape.feature, bytes - sizeof(h));
	t->size = bytes;
	return write_whole(t->fd, all, bytes);
}

static void close_file(struct translog *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

/* The file to write to, with room for as many bytes more. */
static int prepare(struct translog *t, size_t bytes)
{
	struct stat st;
	int r;

	if (t->fd >= 0 && t->size + bytes <= t->max_bytes)
		return 0;
	if (t->fd < 0 && stat(t->path, &st) == 0 && S_ISREG(st.st_mode) &&
	    (uint64_t)st.st_size + bytes <= t->max_bytes && continues(t)) {
		t->fd = open(t->path, O_WRONLY | O_APPEND | O_CLOEXEC);
		if (t->fd < 0)
			return -errno;
		t->size = (uint64_t)st.st_size;
		return 0;
	}
	close_file(t);
	r = rotate(t);
	if (r)
		return r;
	t->fd = open(t->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640);
	if (t->fd < 0)
		return -errno;
	r = write_head(t);
	if (!r)
		return 0;
	/* A file without a header would have to be put aside later. */
	close_file(t);
	unlink(t->path);
	return r;
}

/* Deflates what is in memory into t->stored; returns the bytes of the block. */
static size_t make_block(struct translog *t)
{
	struct translog_block b = {
		.magic = TRANSLOG_BLOCK_MAGIC, .raw_bytes = t->used, .records = t->records,
	};
	uLongf bytes = t->stored_room - sizeof(b);

	/* There is room for the worst case, so that it cannot fail but for memory. */
	if (compress2(t->stored + sizeof(b), &bytes, t->raw, t->used, DEFLATE_LEVEL) != Z_OK)
		return 0;
	b.stored_bytes = bytes;
	b.crc = translog_block_crc(b, t->stored + sizeof(b));
	memcpy(t->stored, &b, sizeof(b));
	return sizeof(b) + bytes;
}

int translog_flush(struct translog *t, struct sl_err *e)
{
	const uint32_t records = t->records;
	size_t bytes;
	int r;

	if (!records)
		return 0;
	bytes = make_block(t);
	t->used = t->records = 0;
	r = bytes ? prepare(t, bytes) : -ENOMEM;
	if (!r) {
		r = write_whole(t->fd, t->stored, bytes);
		/* A part of a block would end the log for its readers. */
		if (r && ftruncate(t->fd, (off_t)t->size) < 0)
			close_file(t);
	}
	if (r) {
		t->stats.lost += records;
		return sl_err(e, r, "cannot write the transition log %s: %s", t->path, strerror(-r));
	}
	t->size += bytes;
	return 0;
}

int translog_open(const struct translog_config *c, const struct translog_shape *shape,
		  struct translog **ret, struct sl_err *e)
{
	struct translog *t;
	int r;

	if (!translog_shape_ok(shape) || !c->files || strlen(c->path) > PATH_MAX - 16 ||
	    c->max_bytes < translog_head_bytes(shape) + 2 * TRANSLOG_BLOCK_BYTES)
		return sl_err(e, -EINVAL, "transition log %.64s: its shape or size is impossible",
			      c->path);
	t = calloc(1, sizeof(*t));
	if (!t)
		return sl_err(e, -ENOMEM, "out of memory");
	t->shape = *shape;
	t->max_bytes = c->max_bytes;
	t->files = c->files;
	t->fd = -1;
	t->path = strdup(c->path);
	t->stored_room = sizeof(struct translog_block) + compressBound(TRANSLOG_BLOCK_MAX);
	t->raw = malloc(TRANSLOG_BLOCK_MAX);
	t->stored = malloc(t->stored_room);
	if (!t->path || !t->raw || !t->stored) {
		translog_close(t);
		return sl_err(e, -ENOMEM, "out of memory");
	}
	r = prepare(t, 0);
	if (r) {
		sl_err(e, r, "cannot make the transition log %s: %s", c->path, strerror(-r));
		translog_close(t);
		return r;
	}
	*ret = t;
	return 0;
}

void translog_close(struct translog *t)
{
	if (!t)
		return;
	if (t->raw && t->stored)
		translog_flush(t, NULL);
	close_file(t);
	free(t->path);
	free(t->raw);
	free(t->stored);
	free(t);
}

static uint8_t *put(uint8_t *to, const void *data, size_t bytes)
{
	if (bytes)
		memcpy(to, data, bytes);
	return to + bytes;
}

static uint8_t *put_mask(const struct translog *t, uint8_t *to, const uint8_t *mask, uint32_t rows)
{
	const size_t n = (size_t)rows * t->shape.outputs, bytes = translog_mask_bytes(&t->shape, rows);

	memset(to, 0, bytes);
	for (size_t i = 0; i < n; i++)
		to[i] = mask ? !!mask[i] : 1;
	return to + bytes;
}

int translog_add(struct translog *t, const struct translog_row *row, struct sl_err *e)
{
	const struct translog_record rec = {
		.time_ns = row->time_ns, .policy = row->policy, .object = row->object,
		.flags = row->flags, .action = row->action, .probability = row->probability,
		.reward = row->reward, .discount = row->discount, .rows = row->rows,
		.next_rows = row->next_rows,
	};
	const size_t floats = t->shape.n_features * sizeof(float);
	uint8_t *to;

	if (!translog_row_ok(&t->shape, row)) {
		t->stats.lost++;
		return sl_err(e, -EINVAL, "a transition does not fit the log %s", t->path);
	}
	to = put(t->raw + t->used, &rec, sizeof(rec));
	to = put_mask(t, to, row->mask, row->rows);
	to = put_mask(t, to, row->next_mask, row->next_rows);
	to = put(to, row->x, row->rows * floats);
	to = put(to, row->next_x, row->next_rows * floats);
	t->used = (size_t)(to - t->raw);
	t->records++;
	t->stats.rows++;
	return t->used >= TRANSLOG_BLOCK_BYTES ? translog_flush(t, e) : 0;
}

void translog_stats(const struct translog *t, struct translog_stats *out)
{
	*out = t->stats;
	out->bytes = t->size;
}
