// SPDX-License-Identifier: GPL-2.0
#include "policy/model.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define MAGIC	"sluice-model "

int model_set(struct model *m, const char *kind, const void *data, size_t size)
{
	void *copy = malloc(size);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, size);
	free(m->data);
	m->data = copy;
	m->size = size;
	snprintf(m->kind, sizeof(m->kind), "%s", kind);
	return 0;
}

int model_set_numbers(struct model *m, const char *kind, const double *number, size_t n)
{
	return model_set(m, kind, number, n * sizeof(*number));
}

const double *model_numbers(const struct model *m, size_t *n)
{
	const double *number = m->data;

	*n = m->size / sizeof(*number);
	if (!number || !*n || m->size % sizeof(*number))
		return NULL;
	for (size_t i = 0; i < *n; i++)
		if (!isfinite(number[i]))
			return NULL;
	return number;
}

void model_free(struct model *m)
{
	free(m->data);
	free(m->calibration);
	*m = (struct model){ 0 };
}

static int copy_block(const void *from, size_t size, void **ret)
{
	*ret = from ? malloc(size ? size : 1) : NULL;
	if (from && !*ret)
		return -ENOMEM;
	if (from)
		memcpy(*ret, from, size);
	return 0;
}

int model_copy(const struct model *m, struct model *ret)
{
	struct model copy = *m;

	copy.calibration = NULL;
	if (copy_block(m->data, m->size, &copy.data))
		return -ENOMEM;
	if (copy_block(m->calibration, m->calibration_size, &copy.calibration)) {
		free(copy.data);
		return -ENOMEM;
	}
	*ret = copy;
	return 0;
}

uint32_t model_crc(const struct model *m)
{
	uLong crc = crc32_z(0, (const Bytef *)m->kind, strlen(m->kind) + 1);

	crc = crc32_z(crc, (const Bytef *)m->command, strlen(m->command) + 1);
	crc = crc32_z(crc, m->data, m->size);
	return m->calibration ? crc32_z(crc, m->calibration, m->calibration_size) : crc;
}

static void write_head(const struct model *m, FILE *f)
{
	fprintf(f, MAGIC "%s\nkind %s\ncommand %s\nbytes %zu\n",
		m->calibration ? MODEL_VERSION_CALIBRATED : MODEL_VERSION, m->kind, m->command,
		m->size);
	if (m->calibration)
		fprintf(f, "calibration %zu\n", m->calibration_size);
	fprintf(f, "crc32 %08x\n\n", model_crc(m));
}

int model_write(const struct model *m, const char *path, struct sl_err *e)
{
	char temporary[4096];
	FILE *f;
	int r = 0;

	if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary))
		return sl_err(e, -ENAMETOOLONG, "%s: the name is too long", path);
	f = fopen(temporary, "we");
	if (!f)
		return sl_err(e, -errno, "%s: %s", temporary, strerror(errno));
	write_head(m, f);
	if (fwrite(m->data, 1, m->size, f) != m->size ||
	    (m->calibration &&
	     fwrite(m->calibration, 1, m->calibration_size, f) != m->calibration_size) ||
	    fflush(f) || fsync(fileno(f)))
		r = -errno;
	if (fclose(f) && !r)
		r = -errno;
	if (!r && rename(temporary, path))
		r = -errno;
	if (!r)
		return 0;
	unlink(temporary);
	return sl_err(e, r, "%s: %s", path, strerror(-r));
}

/* The next line must be "NAME VALUE"; 0 or -EBADMSG. */
static int field(FILE *f, const char *name, char *value, size_t size)
{
	const size_t n = strlen(name);
	char line[MODEL_COMMAND_MAX + 64];

	if (!fgets(line, sizeof(line), f) || strncmp(line, name, n) || line[n] != ' ')
		return -EBADMSG;
	line[strcspn(line, "\n")] = 0;
	return snprintf(value, size, "%s", line + n + 1) < (int)size ? 0 : -EBADMSG;
}

/* A number of bytes that can be; false: it is none. */
static bool size_of(const char *text, size_t *size)
{
	char *end;

	*size = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && *size && *size <= MODEL_BYTES_MAX;
}

/* calibration: "" where the model has none. */
static int read_payload(FILE *f, const char *path, struct model *m, const char *bytes,
			const char *calibration, const char *crc, struct sl_err *e)
{
	size_t size, more = 0;

	if (!size_of(bytes, &size) || (*calibration && !size_of(calibration, &more)) ||
	    strlen(crc) != 8 || strspn(crc, "0123456789abcdef") != 8)
		return sl_err(e, -EBADMSG, "%s: a size or the checksum in its head is no number "
			      "that can be", path);
	m->data = malloc(size);
	m->calibration = more ? malloc(more) : NULL;
	if (!m->data || (more && !m->calibration))
		return sl_err(e, -ENOMEM, "out of memory");
	m->size = fread(m->data, 1, size, f);
	m->calibration_size = more ? fread(m->calibration, 1, more, f) : 0;
	if (m->size != size || m->calibration_size != more || fgetc(f) != EOF)
		return sl_err(e, -EBADMSG, "%s: not the %zu bytes long that its head says", path,
			      size + more);
	if (model_crc(m) != strtoul(crc, NULL, 16))
		return sl_err(e, -EBADMSG, "%s: damaged, its checksum is another one", path);
	return 0;
}

/* As they are in the sources. */
#define BUILT_IN(name, file)						\
	__asm__(".pushsection .rodata\n"				\
		"model_" #name ": .incbin \"user/policy/" file "\"\n"	\
		"model_" #name "_end:\n"				\
		".popsection\n");					\
	extern const char model_##name[], model_##name##_end[]

BUILT_IN(shipped, "ecn.model");
BUILT_IN(shipped_tree, "ecn_tree.model");

static const struct built_in {
	const char *name, *from, *end;
} built_in[] = {
	{ MODEL_SHIPPED, model_shipped, model_shipped_end },
	{ MODEL_SHIPPED_TREE, model_shipped_tree, model_shipped_tree_end },
};

static const struct built_in *find_built_in(const char *name)
{
	for (size_t i = 0; i < sizeof(built_in) / sizeof(*built_in); i++)
		if (!strcmp(name, built_in[i].name))
			return &built_in[i];
	return NULL;
}

bool model_is_builtin(const char *name)
{
	return find_built_in(name);
}

/* A FIFO in its place must not block a daemon that reads it. ESPIPE: it is no regular file. */
static FILE *open_regular(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	FILE *f;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		errno = ESPIPE;
	else if ((f = fdopen(fd, "r")))
		return f;
	close(fd);
	return NULL;
}

static FILE *open_model(const char *path)
{
	const struct built_in *in = find_built_in(path);

	return in ? fmemopen((char *)in->from, in->end - in->from, "r") : open_regular(path);
}

struct head {
	char bytes[32], calibration[32], crc[32];	/* calibration: "" where there is none */
};

static int read_head(FILE *f, const char *path, struct model *m, struct head *h, struct sl_err *e)
{
	char line[64];
	bool calibrated;

	if (!fgets(line, sizeof(line), f) || strncmp(line, MAGIC, strlen(MAGIC)))
		return sl_err(e, -EBADMSG, "%s: not a model", path);
	calibrated = !strcmp(line, MAGIC MODEL_VERSION_CALIBRATED "\n");
	if (!calibrated && strcmp(line, MAGIC MODEL_VERSION "\n"))
		return sl_err(e, -EBADMSG, "%s: a model of another version; train it again", path);
	if (field(f, "kind", m->kind, sizeof(m->kind)) ||
	    field(f, "command", m->command, sizeof(m->command)) ||
	    field(f, "bytes", h->bytes, sizeof(h->bytes)) ||
	    (calibrated && field(f, "calibration", h->calibration, sizeof(h->calibration))) ||
	    field(f, "crc32", h->crc, sizeof(h->crc)) ||
	    !fgets(line, sizeof(line), f) || strcmp(line, "\n"))
		return sl_err(e, -EBADMSG, "%s: its head is not that of a model", path);
	return 0;
}

int model_read(const char *path, struct model *ret, struct sl_err *e)
{
	struct head h = { .calibration = "" };
	struct model m = { 0 };
	FILE *f = open_model(path);
	int r;

	if (!f)
		return sl_err(e, -errno, "%s: %s", path, errno == ESPIPE ?
			      "not a regular file" : strerror(errno));
	r = read_head(f, path, &m, &h, e);
	if (!r)
		r = read_payload(f, path, &m, h.bytes, h.calibration, h.crc, e);
	fclose(f);
	if (r)
		model_free(&m);
	else
		*ret = m;
	return r;
}
