// SPDX-License-Identifier: GPL-2.0
#include "policy/model.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define MAGIC	"sluice-model " MODEL_VERSION

int model_set_numbers(struct model *m, const char *kind, const double *number, size_t n)
{
	void *data = malloc(n * sizeof(*number));

	if (!data)
		return -ENOMEM;
	memcpy(data, number, n * sizeof(*number));
	free(m->data);
	m->data = data;
	m->size = n * sizeof(*number);
	snprintf(m->kind, sizeof(m->kind), "%s", kind);
	return 0;
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
	*m = (struct model){ 0 };
}

uint32_t model_crc(const struct model *m)
{
	uLong crc = crc32_z(0, (const Bytef *)m->kind, strlen(m->kind) + 1);

	crc = crc32_z(crc, (const Bytef *)m->command, strlen(m->command) + 1);
	return crc32_z(crc, m->data, m->size);
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
	fprintf(f, "%s\nkind %s\ncommand %s\nbytes %zu\ncrc32 %08x\n\n", MAGIC, m->kind, m->command,
		m->size, model_crc(m));
	if (fwrite(m->data, 1, m->size, f) != m->size || fflush(f) || fsync(fileno(f)))
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

static int read_payload(FILE *f, const char *path, struct model *m, const char *bytes,
			const char *crc, struct sl_err *e)
{
	char *end, *crc_end;
	const unsigned long size = strtoul(bytes, &end, 10), sum = strtoul(crc, &crc_end, 16);

	if (*bytes < '0' || *bytes > '9' || *end || !*crc || *crc_end || !size ||
	    size > MODEL_BYTES_MAX)
		return sl_err(e, -EBADMSG, "%s: the size or checksum in its head is no number that "
			      "can be", path);
	m->data = malloc(size);
	if (!m->data)
		return sl_err(e, -ENOMEM, "out of memory");
	m->size = fread(m->data, 1, size, f);
	if (m->size != size || fgetc(f) != EOF)
		return sl_err(e, -EBADMSG, "%s: not the %lu bytes long that its head says", path,
			      size);
	if (model_crc(m) != sum)
		return sl_err(e, -EBADMSG, "%s: damaged, its checksum is another one", path);
	return 0;
}

/* ecn.model, as it is in the sources. */
__asm__(".pushsection .rodata\n"
	"model_shipped: .incbin \"user/policy/ecn.model\"\n"
	"model_shipped_end:\n"
	".popsection\n");
extern const char model_shipped[], model_shipped_end[];

bool model_is_builtin(const char *name)
{
	return !strcmp(name, MODEL_SHIPPED);
}

static FILE *open_model(const char *path)
{
	if (!model_is_builtin(path))
		return fopen(path, "re");
	return fmemopen((char *)model_shipped, model_shipped_end - model_shipped, "r");
}

int model_read(const char *path, struct model *ret, struct sl_err *e)
{
	struct model m = { 0 };
	char line[64], bytes[32], crc[32];
	FILE *f = open_model(path);
	int r;

	if (!f)
		return sl_err(e, -errno, "%s: %s", path, strerror(errno));
	if (!fgets(line, sizeof(line), f) || strncmp(line, "sluice-model ", 13))
		r = sl_err(e, -EBADMSG, "%s: not a model", path);
	else if (strcmp(line, MAGIC "\n"))
		r = sl_err(e, -EBADMSG, "%s: a model of another version; train it again", path);
	else if (field(f, "kind", m.kind, sizeof(m.kind)) ||
		 field(f, "command", m.command, sizeof(m.command)) ||
		 field(f, "bytes", bytes, sizeof(bytes)) || field(f, "crc32", crc, sizeof(crc)) ||
		 !fgets(line, sizeof(line), f) || strcmp(line, "\n"))
		r = sl_err(e, -EBADMSG, "%s: its head is not that of a model", path);
	else
		r = read_payload(f, path, &m, bytes, crc, e);
	fclose(f);
	if (r)
		model_free(&m);
	else
		*ret = m;
	return r;
}
