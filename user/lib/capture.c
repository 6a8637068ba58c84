// SPDX-License-Identifier: GPL-2.0
#include "lib/capture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Where the EtherType of what follows is found in a link header. */
enum ethertype {
	IN_HEADER,	/* two bytes at "offset" */
	BY_VERSION,	/* there is none: by the first nibble of the packet */
};

static const struct link {
	int dlt;
	unsigned int header;	/* bytes before the network header */
	enum ethertype ethertype;
	unsigned int offset;
} links[] = {
	{ DLT_RAW, 0, BY_VERSION, 0 },
	{ DLT_IPV4, 0, BY_VERSION, 0 },
	{ DLT_IPV6, 0, BY_VERSION, 0 },
	{ DLT_NULL, 4, BY_VERSION, 0 },
	{ DLT_LOOP, 4, BY_VERSION, 0 },
	{ DLT_LINUX_SLL, 16, IN_HEADER, 14 },
	{ DLT_LINUX_SLL2, 20, IN_HEADER, 0 },
};

struct capture {
	pcap_t *pcap;
	char *path;
	const struct link *link;	/* NULL: Ethernet as it is */
	uint8_t *frame;			/* with the made-up Ethernet header */
	size_t room;
	unsigned int precision;		/* of the time stamps in the file */
};

void capture_close(struct capture *c)
{
	if (!c)
		return;
	if (c->pcap)
		pcap_close(c->pcap);
	free(c->frame);
	free(c->path);
	free(c);
}

static const struct link *find_link(int dlt)
{
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (links[i].dlt == dlt)
			return &links[i];
	return NULL;
}

/* libpcap gives time stamps in the precision asked for, and does not tell the file's own. */
static unsigned int precision_of(const char *path)
{
	static const uint8_t micro[2][4] = { { 0xd4, 0xc3, 0xb2, 0xa1 }, { 0xa1, 0xb2, 0xc3, 0xd4 } };
	uint8_t magic[4] = { 0 };
	FILE *f = fopen(path, "re");

	if (!f)
		return PCAP_TSTAMP_PRECISION_MICRO;	/* the next attempt to open says why */
	if (fread(magic, sizeof(magic), 1, f) != 1)
		memset(magic, 0, sizeof(magic));
	fclose(f);
	return memcmp(magic, micro[0], 4) && memcmp(magic, micro[1], 4) ?
	       PCAP_TSTAMP_PRECISION_NANO : PCAP_TSTAMP_PRECISION_MICRO;
}

int capture_open(const char *path, struct capture **ret, struct sl_err *e)
{
	struct capture *c = calloc(1, sizeof(*c));
	char why[PCAP_ERRBUF_SIZE] = "";
	const char *name;
	int dlt, r;

	if (!c)
		return sl_err(e, -ENOMEM, "out of memory");
	c->path = strdup(path);
	c->precision = precision_of(path);
	c->pcap = pcap_open_offline_with_tstamp_precision(path, c->precision, why);
	if (!c->pcap || !c->path) {
		/* libpcap begins some of its sentences with the path and some not. */
		r = strstr(why, path) ? sl_err(e, -EINVAL, "cannot read capture %s", why) :
					sl_err(e, -EINVAL, "cannot read capture %s: %s", path, why);
		goto fail;
	}
	dlt = pcap_datalink(c->pcap);
	c->link = find_link(dlt);
	if (dlt != DLT_EN10MB && !c->link) {
		name = pcap_datalink_val_to_name(dlt);
		r = sl_err(e, -EPROTONOSUPPORT, "capture %s has link type %s (%d); Ethernet, raw "
			   "IP, loopback and Linux cooked can be read", path,
			   name ? name : "unknown", dlt);
		goto fail;
	}
	*ret = c;
	return 0;
fail:
	capture_close(c);
	return r;
}

int capture_link_delta(const struct capture *c)
{
	return c->link ? (int)c->link->header - ETH_HLEN : 0;
}

int capture_link_type(const struct capture *c)
{
	return pcap_datalink(c->pcap);
}

uint32_t capture_link_bytes(const struct capture *c)
{
	return c->link ? c->link->header : ETH_HLEN;
}

unsigned int capture_precision(const struct capture *c)
{
	return c->precision;
}

static uint16_t ethertype_of(const struct link *l, const uint8_t *data, uint32_t bytes)
{
	uint16_t type;

	if (l->ethertype == IN_HEADER) {
		memcpy(&type, data + l->offset, sizeof(type));
		return type;
	}
	return htons(bytes > l->header && data[l->header] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP);
}

/* Replaces the link header by an Ethernet header with zero addresses. */
static int to_ethernet(struct capture *c, const uint8_t *data, uint32_t bytes,
		       struct capture_frame *f)
{
	const struct link *l = c->link;
	struct ethhdr eth = { 0 };
	uint8_t *frame;

	f->data = NULL;
	f->bytes = 0;
	if (bytes < l->header)
		return 0;
	if (c->room < sizeof(eth) + bytes) {
		frame = realloc(c->frame, sizeof(eth) + bytes);
		if (!frame)
			return -ENOMEM;
		c->frame = frame;
		c->room = sizeof(eth) + bytes;
	}
	eth.h_proto = ethertype_of(l, data, bytes);
	memcpy(c->frame, &eth, sizeof(eth));
	memcpy(c->frame + sizeof(eth), data + l->header, bytes - l->header);
	f->data = c->frame;
	f->bytes = sizeof(eth) + bytes - l->header;
	return 0;
}

int capture_next(struct capture *c, struct capture_frame *ret, struct sl_err *e)
{
	struct capture_frame f;
	struct pcap_pkthdr *header;
	const uint8_t *data;
	int r;

	r = pcap_next_ex(c->pcap, &header, &data);
	if (r == PCAP_ERROR_BREAK)
		return 0;
	if (r != 1)
		return sl_err(e, -EBADMSG, "capture %s is damaged: %s", c->path,
			      pcap_geterr(c->pcap));
	f.captured = header->caplen;
	f.wire = header->len;
	f.record = data;
	f.header = header;
	f.time_ns = header->ts.tv_sec * 1000000000ULL + header->ts.tv_usec *
		    (c->precision == PCAP_TSTAMP_PRECISION_NANO ? 1 : 1000);
	f.data = data;
	f.bytes = header->caplen;
	if (c->link && to_ethernet(c, data, header->caplen, &f))
		return sl_err(e, -ENOMEM, "out of memory");
	*ret = f;
	return 1;
}
