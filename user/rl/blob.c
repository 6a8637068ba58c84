// SPDX-License-Identifier: GPL-2.0
#include "rl/blob.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static size_t payload_bytes(const struct blob_part *part, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += part[i].n * sizeof(float);
	return sum;
}

static uint32_t checksum(struct blob_head head, const void *payload, size_t size)
{
	head.crc = 0;
	return crc32_z(crc32_z(0, (const Bytef *)&head, sizeof(head)), payload, size);
}

int blob_save(const struct blob_head *head, const struct blob_part *part, size_t n, void **blob,
	      size_t *size)
{
	const size_t bytes = payload_bytes(part, n);
	struct blob_head h = *head;
	uint8_t *all = malloc(sizeof(h) + bytes), *to = all + sizeof(h);

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		memcpy(to, part[i].data, part[i].n * sizeof(float));
		to += part[i].n * sizeof(float);
	}
	h.crc = checksum(h, all + sizeof(h), bytes);
	memcpy(all, &h, sizeof(h));
	*blob = all;
	*size = sizeof(h) + bytes;
	return 0;
}

static int all_finite(const uint8_t *payload, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += sizeof(float)) {
		float x;

		memcpy(&x, payload + i, sizeof(x));
		if (!isfinite(x))
			return 0;
	}
	return 1;
}

int blob_load(struct blob_head *head, const struct blob_part *part, size_t n, const void *blob,
	      size_t size)
{
	const uint8_t *payload = (const uint8_t *)blob + sizeof(*head);
	const size_t bytes = payload_bytes(part, n);
	struct blob_head h;

	if (size < sizeof(h))
		return -EBADMSG;
	memcpy(&h, blob, sizeof(h));
	if (h.magic != head->magic || h.crc != checksum(h, payload, size - sizeof(h)))
		return -EBADMSG;
	if (h.version != head->version || h.features != head->features ||
	    h.outputs != head->outputs || h.hidden[0] != head->hidden[0] ||
	    h.hidden[1] != head->hidden[1] || h.n_params != head->n_params)
		return -EINVAL;
	if (size != sizeof(h) + bytes || !all_finite(payload, bytes))
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		memcpy(part[i].data, payload, part[i].n * sizeof(float));
		payload += part[i].n * sizeof(float);
	}
	*head = h;
	return 0;
}
