// SPDX-License-Identifier: GPL-2.0
#include "daemon/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define MAGIC		"SLUICECK"
#define MAGIC_SIZE	8
#define HEAD_SIZE	(MAGIC_SIZE + 4 + 4 + 4)
#define SECTION_SIZE	(CHECKPOINT_NAME_SIZE + 8 + 4)
/* Far above what the agents save; keeps a foreign file from being read into memory. */
#define FILE_SIZE_MAX	(256u << 20)

struct checkpoint {
	uint8_t *bytes;
	size_t size;
	uint32_t count;
};

static uint32_t section_crc(const uint8_t *head, const void *data, size_t size)
{
	uLong crc = crc32(0, head, CHECKPOINT_NAME_SIZE + 8);

	/* zlib takes a NULL buffer, which an empty section may have, as a request to start over. */
	return size ? crc32_z(crc, data, size) : crc;
}

static int write_all(int fd, const void *data, size_t size)
{
	const uint8_t *p = data;

	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		size -= n;
	}
	return 0;
}

static int write_parts(int fd, const struct checkpoint_part *parts, size_t n)
{
	uint8_t head[HEAD_SIZE] = MAGIC;
	uint32_t version = CHECKPOINT_VERSION, count = n, crc;
	int r;

	memcpy(head + MAGIC_SIZE, &version, 4);
	memcpy(head + MAGIC_SIZE + 4, &count, 4);
	crc = crc32(0, head, HEAD_SIZE - 4);
	memcpy(head + HEAD_SIZE - 4, &crc, 4);
	r = write_all(fd, head, sizeof(head));

	for (size_t i = 0; i < n && r >= 0; i++) {
		uint8_t section[SECTION_SIZE] = { 0 };
		uint64_t size = parts[i].size;

		memcpy(section, parts[i].name, strlen(parts[i].name));
		memcpy(section + CHECKPOINT_NAME_SIZE, &size, 8);
		crc = section_crc(section, parts[i].data, size);
		memcpy(section + CHECKPOINT_NAME_SIZE + 8, &crc, 4);
		r = write_all(fd, section, sizeof(section));
		if (r >= 0)
			r = write_all(fd, parts[i].data, size);
	}
	return r;
}

/* A rename is on disk only when its directory is. */
static int sync_dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, slash > path ? slash - path : 1) : strdup(".");
	int fd, r = 0;

	if (!dir)
		return -ENOMEM;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

int checkpoint_write(const char *path, const struct checkpoint_part *parts, size_t n,
		     struct sl_err *e)
{
	char *tmp;
	int fd, r;

	if (n > CHECKPOINT_MAX_SECTIONS)
		return sl_err(e, -EINVAL, "checkpoint %s: %zu sections, at most %d are possible",
			      path, n, CHECKPOINT_MAX_SECTIONS);
	for (size_t i = 0; i < n; i++)
		if (strlen(parts[i].name) >= CHECKPOINT_NAME_SIZE)
			return sl_err(e, -EINVAL, "checkpoint %s: section name \"%s\" is too long",
				      path, parts[i].name);

	if (asprintf(&tmp, "%s.XXXXXX", path) < 0)
		return sl_err(e, -ENOMEM, "checkpoint %s: out of memory", path);
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		free(tmp);
		return sl_err(e, r, "cannot create checkpoint %s: %s; check its directory",
			      path, strerror(-r));
	}
	r = write_parts(fd, parts, n);
	if (r >= 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r >= 0)
		r = -errno;
	if (r >= 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(tmp);
	else
		r = sync_dir_of(path);
	free(tmp);
	if (r < 0)
		return sl_err(e, r, "cannot write checkpoint %s: %s; check the space left there",
			      path, strerror(-r));
	return 0;
}

static int read_file(const char *path, uint8_t **bytes, size_t *size, struct sl_err *e)
{
	struct stat st;
	uint8_t *p = NULL;
	size_t got = 0;
	int fd, r;

	/* A FIFO in its place must not block the daemon. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		r = -errno;
		sl_err(e, r, "cannot read checkpoint %s: %s", path, strerror(-r));
		goto out;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_SIZE_MAX) {
		r = sl_err(e, -EBADMSG, "%s is not a sluice checkpoint (no regular file of a "
			   "sensible size); learning starts fresh", path);
		goto out;
	}
	p = malloc(st.st_size + 1);
	if (!p) {
		r = sl_err(e, -ENOMEM, "checkpoint %s: out of memory", path);
		goto out;
	}
	while (got < (size_t)st.st_size) {
		ssize_t n = read(fd, p + got, st.st_size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = -errno;
			sl_err(e, r, "cannot read checkpoint %s: %s", path, strerror(-r));
			goto out;
		}
		if (n == 0)
			break;
		got += n;
	}
	*bytes = p;
	*size = got;
	p = NULL;
	r = 0;
out:
	if (fd >= 0)
		close(fd);
	free(p);
	return r;
}

/* Offset of the section after the one at off; 0 when that one is cut off. */
static size_t section_end(const struct checkpoint *c, size_t off)
{
	uint64_t size;

	if (c->size - off < SECTION_SIZE)
		return 0;
	memcpy(&size, c->bytes + off + CHECKPOINT_NAME_SIZE, 8);
	if (size > c->size - off - SECTION_SIZE)
		return 0;
	return off + SECTION_SIZE + size;
}

static int verify(struct checkpoint *c, const char *path, struct sl_err *e)
{
	uint32_t version, crc;
	size_t off = HEAD_SIZE;

	if (c->size < HEAD_SIZE || memcmp(c->bytes, MAGIC, MAGIC_SIZE))
		return sl_err(e, -EBADMSG, "%s is not a sluice checkpoint; learning starts fresh, "
			      "and the next checkpoint replaces the file", path);
	memcpy(&version, c->bytes + MAGIC_SIZE, 4);
	if (version != CHECKPOINT_VERSION)
		return sl_err(e, -EPROTO, "checkpoint %s has version %u, this program reads %u; "
			      "learning starts fresh", path, version, CHECKPOINT_VERSION);
	memcpy(&c->count, c->bytes + MAGIC_SIZE + 4, 4);
	memcpy(&crc, c->bytes + HEAD_SIZE - 4, 4);
	if (crc != crc32(0, c->bytes, HEAD_SIZE - 4) || c->count > CHECKPOINT_MAX_SECTIONS)
		return sl_err(e, -EBADMSG, "checkpoint %s is damaged in its header; learning "
			      "starts fresh", path);
	for (uint32_t i = 0; i < c->count; i++) {
		const uint8_t *head = c->bytes + off;
		size_t end = section_end(c, off);

		if (!end)
			return sl_err(e, -EBADMSG, "checkpoint %s is torn: section %u of %u is cut "
				      "off; learning starts fresh", path, i + 1, c->count);
		memcpy(&crc, head + CHECKPOINT_NAME_SIZE + 8, 4);
		if (crc != section_crc(head, head + SECTION_SIZE, end - off - SECTION_SIZE))
			return sl_err(e, -EBADMSG, "checkpoint %s is damaged: the checksum of "
				      "section %u of %u does not match; learning starts fresh",
				      path, i + 1, c->count);
		off = end;
	}
	if (off != c->size)
		return sl_err(e, -EBADMSG, "checkpoint %s has %zu bytes after its last section; "
			      "learning starts fresh", path, c->size - off);
	return 0;
}

int checkpoint_read(const char *path, struct checkpoint **ret, struct sl_err *e)
{
	struct checkpoint *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return sl_err(e, -ENOMEM, "checkpoint %s: out of memory", path);
	r = read_file(path, &c->bytes, &c->size, e);
	if (r >= 0)
		r = verify(c, path, e);
	if (r < 0) {
		checkpoint_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

const void *checkpoint_section(const struct checkpoint *c, const char *name, size_t *size)
{
	size_t off = HEAD_SIZE;

	for (uint32_t i = 0; i < c->count; i++) {
		size_t end = section_end(c, off);

		if (!strncmp((const char *)c->bytes + off, name, CHECKPOINT_NAME_SIZE)) {
			*size = end - off - SECTION_SIZE;
			return c->bytes + off + SECTION_SIZE;
		}
		off = end;
	}
	return NULL;
}

void checkpoint_free(struct checkpoint *c)
{
	if (!c)
		return;
	free(c->bytes);
	free(c);
}
