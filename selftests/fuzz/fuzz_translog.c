// SPDX-License-Identifier: GPL-2.0
/*
 * Damaged transition logs for their reader: it ends, in order or with a sentence, and every row it
 * hands out is one of the shape. Damage is done to records and to headers with checksums made anew,
 * or to the file as it is.
 *
 *	fuzz_translog [ROUNDS [SEED]]
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "fuzz/fuzz.h"
#include "rl/translog_format.h"

#define ROOM	(1 << 17)

static unsigned long rows, ends, torn, damaged, foreign;

static void damage(uint8_t *p, size_t n)
{
	static const uint32_t value[] = { 0, 1, 2, 4, 255, 256, 1024, 65535, 65536, 0x7fffffff,
					  0x80000000, 0x7f800000, 0xffffffff };

	for (uint32_t i = below(3); i && n >= 4; i--) {
		const uint32_t v = below(3) ? value[below(sizeof(value) / 4)] : below(UINT32_MAX);

		if (below(2))
			memcpy(p + below(n / 4) * 4, &v, 4);
		else
			p[below(n)] ^= 1 << below(8);
	}
}

/* Records of the shape, one after the other. */
static size_t make_records(const struct translog_shape *s, uint8_t *to, size_t room, uint32_t *n)
{
	size_t used = 0;

	for (*n = 0; *n < 1 + below(20); ++*n) {
		struct translog_record r = {
			.probability = 0.5f, .reward = 1.0f, .discount = 0.9f,
			.rows = 1 + below(s->max_rows), .next_rows = below(s->max_rows + 1),
		};
		const size_t bytes = translog_record_bytes(s, r.rows, r.next_rows);

		if (used + bytes > room)
			break;
		r.action = below(r.rows * s->outputs);
		memset(to + used, 0, bytes);
		memcpy(to + used, &r, sizeof(r));
		memset(to + used + sizeof(r), 1, r.rows * s->outputs);
		used += bytes;
	}
	return used;
}

static size_t make_log(uint8_t *to)
{
	struct translog_shape s = {
		.agent = "fuzz", .n_features = 1 + below(8), .outputs = 1 + below(3),
		.max_rows = 1 + below(8), .reward_scale = 1.0f,
	};
	struct translog_head h = {
		.magic = TRANSLOG_MAGIC, .version = TRANSLOG_VERSION, .n_features = s.n_features,
		.outputs = s.outputs, .max_rows = s.max_rows, .reward_scale = 1.0f, .agent = "fuzz",
	};
	static uint8_t raw[ROOM / 8];
	size_t used = translog_head_bytes(&s);

	if (!below(8))
		damage((uint8_t *)&h, sizeof(h));
	if (!below(8))
		damage((uint8_t *)s.feature, s.n_features * sizeof(s.feature[0]));
	if (h.n_features <= TRANSLOG_MAX_FEATURES)
		h.crc = translog_head_crc(h, s.feature);
	memcpy(to, &h, sizeof(h));
	memcpy(to + sizeof(h), s.feature, used - sizeof(h));
	for (uint32_t i = below(4); i; i--) {
		struct translog_block b = { .magic = TRANSLOG_BLOCK_MAGIC };
		uLongf stored = ROOM - used - sizeof(b);

		b.raw_bytes = make_records(&s, raw, sizeof(raw), &b.records);
		if (!below(3))
			damage(raw, b.raw_bytes);
		check(compress2(to + used + sizeof(b), &stored, raw, b.raw_bytes, 1) == Z_OK);
		b.stored_bytes = stored;
		if (!below(6))
			damage((uint8_t *)&b, sizeof(b));
		if (b.stored_bytes <= stored)
			b.crc = translog_block_crc(b, to + used + sizeof(b));
		memcpy(to + used, &b, sizeof(b));
		used += sizeof(b) + stored;
	}
	return used;
}

/* Every byte that a row shows is looked at. */
static void look(const struct translog_shape *s, const struct translog_row *row)
{
	uint32_t marked = 0;

	check(translog_row_ok(s, row));
	for (uint32_t i = 0; i < row->rows * s->outputs; i++)
		marked += row->mask[i];
	for (uint32_t i = 0; i < row->next_rows * s->outputs; i++)
		marked += row->next_mask[i];
	check(marked);
	rows++;
}

static void one(int fd, const uint8_t *log, size_t bytes)
{
	struct translog_reader *reader;
	struct translog_row row;
	struct sl_err e;
	char path[64];
	int r;

	check(!ftruncate(fd, 0) && pwrite(fd, log, bytes, 0) == (ssize_t)bytes);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	e.text[0] = '\0';
	r = translog_read_open(path, &reader, &e);
	if (r) {
		check(*e.text && (r == -EBADMSG || r == -EPROTO));
		foreign++;
		return;
	}
	check(translog_shape_ok(translog_read_shape(reader)));
	while ((r = translog_read_next(reader, &row, &e)) == 1)
		look(translog_read_shape(reader), &row);
	check(!r || (r == -EBADMSG && *e.text));
	if (r)
		damaged++;
	else if (translog_read_torn(reader))
		torn++;
	else
		ends++;
	translog_read_close(reader);
}

int main(int argc, char **argv)
{
	const unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 3000;
	const int fd = memfd_create("log", MFD_CLOEXEC);
	static uint8_t log[ROOM];
	size_t bytes;
	int met;

	check(fd >= 0);
	if (argc > 2)
		rng = strtoul(argv[2], NULL, 10);
	for (unsigned long i = 0; i < rounds; i++) {
		bytes = make_log(log);
		if (!below(4))
			damage(log, bytes);
		one(fd, log, below(4) ? bytes : below(bytes));
	}
	met = rows && ends && torn && damaged && foreign;
	printf("1..1\n# %lu rows; %lu logs read, %lu torn, %lu damaged, %lu refused\n", rows, ends,
	       torn, damaged, foreign);
	printf("%s 1 - damaged transition logs, every answer of the reader met\n",
	       met ? "ok" : "not ok");
	return !met;
}
