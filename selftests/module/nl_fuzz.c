// SPDX-License-Identifier: GPL-2.0
/*
 * Throws random TCA_OPTIONS at a sluice qdisc, from a fixed seed:
 *
 *	nl_fuzz DEV PARENT SECONDS [SEED]
 *
 * After each request the settings are read back and held against a second opinion: a request
 * is applied as a whole, or refused with EINVAL and a sentence and nothing has changed. The opinion
 * may not know all that makes a request wrong; so what the kernel takes must be right, and what
 * it refuses is only counted. Now and then the qdisc is replaced, by one with random options, too.
 */
#include <time.h>

#include "fuzz/fuzz.h"
#include "netlink.h"

static const struct {
	uint32_t min, max;
} range[TCA_SLUICE_MAX + 1] = {
#define X(name, min, max, def, unit, text) [TCA_SLUICE_ATTR_##name] = { min, max },
	SLUICE_KNOBS(X)
#undef X
};

/* --- making options --------------------------------------------------------- */

static uint32_t value_for(int attr)
{
	const uint32_t min = range[attr].min, max = range[attr].max;
	const uint32_t edge[] = { min, min - 1, max, max + 1, 0, UINT32_MAX };

	switch (below(8)) {
	case 0:
		return edge[below(sizeof(edge) / sizeof(*edge))];
	case 1:
		return random32() >> below(32);
	default:
		/* Log-uniform inside the range, so that thresholds often fit to each other. */
		return min + (random32() >> below(32)) % (max - min + 1);
	}
}

static size_t put(unsigned char *buf, size_t at, unsigned int type, unsigned int len, uint32_t value)
{
	struct nlattr a = { .nla_len = len, .nla_type = type };

	memcpy(buf + at, &a, sizeof(a));
	memcpy(buf + at + sizeof(a), &value, sizeof(value));
	return at + sizeof(a) + sizeof(value);
}

/* Returns the number of bytes; buf has room for 512. */
static size_t make_options(unsigned char *buf)
{
	size_t bytes = 0, n = below(8);

	if (!below(4)) {	/* noise */
		bytes = below(257);
		for (size_t i = 0; i < bytes; i++)
			buf[i] = random32();
		return bytes;
	}
	for (size_t i = 0; i < n; i++) {
		unsigned int attr = 1 + below(LAST_KNOB), type = attr, len = 8;

		if (!below(24))
			type = below(TCA_SLUICE_MAX + 4);
		if (!below(32))
			type |= below(2) ? NLA_F_NESTED : NLA_F_NET_BYTEORDER;
		if (!below(24))
			len = below(14);
		bytes = put(buf, bytes, type, len, value_for(attr));
	}
	if (!below(16))		/* a remainder, or one less */
		bytes = bytes && below(2) ? bytes - 1 - below(4) : bytes + 1 + below(6);
	else if (bytes && !below(16))	/* one bit */
		buf[below(bytes)] ^= 1u << below(8);
	return bytes;
}

/* --- the second opinion ------------------------------------------------------ */

/* Whether they are well-formed; "s" becomes what they ask for. */
static bool apply(struct settings *s, const unsigned char *buf, size_t bytes)
{
	size_t at = 0;

	while (bytes - at >= sizeof(struct nlattr)) {
		struct nlattr a;
		uint32_t value;

		memcpy(&a, buf + at, sizeof(a));
		if (a.nla_len < sizeof(a) || a.nla_len > bytes - at)
			return false;
		if (a.nla_len != sizeof(a) + sizeof(value) || (a.nla_type & NLA_F_NESTED))
			return false;
		a.nla_type &= NLA_TYPE_MASK;
		if (!a.nla_type || a.nla_type > LAST_KNOB)
			return false;
		memcpy(&value, buf + at + sizeof(a), sizeof(value));
		if (value < range[a.nla_type].min || value > range[a.nla_type].max)
			return false;
		s->knob[a.nla_type] = value;
		at += a.nla_len;
	}
	return at == bytes && s->knob[TCA_SLUICE_ATTR_qth_min] <= s->knob[TCA_SLUICE_ATTR_qth_max];
}

static void complain(const char *what, const unsigned char *buf, size_t bytes,
		     const struct answer *a)
{
	fprintf(stderr, "nl_fuzz: %s: %s (%s), options", what, strerror(a->error), a->sentence);
	for (size_t i = 0; i < bytes; i++)
		fprintf(stderr, " %02x", buf[i]);
	fprintf(stderr, "\n");
	exit(1);
}

int main(int argc, char **argv)
{
	unsigned long accepted = 0, refused = 0, replaced = 0, disputed = 0;
	static struct answer a;
	struct settings now, defaults = { 0 };
	time_t end;
	int fd;

	if (argc < 4) {
		fprintf(stderr, "usage: nl_fuzz DEV PARENT SECONDS [SEED]\n");
		return 2;
	}
	if (argc > 4)
		rng = strtoul(argv[4], NULL, 10);
#define X(name, min, max, def, unit, text) defaults.knob[TCA_SLUICE_ATTR_##name] = def;
	SLUICE_KNOBS(X)
#undef X
	fd = request_socket();
	read_settings(fd, argv[1], argv[2], &now);
	end = time(NULL) + atoi(argv[3]);
	while (time(NULL) < end) {
		unsigned char options[512];
		size_t bytes = make_options(options);
		bool replace = !below(32), fits;
		struct settings wanted, found;
		struct request r;
		char where[32];

		snprintf(where, sizeof(where), "%s", argv[2]);
		if (replace)
			snprintf(where, sizeof(where), "%s/%x", argv[2], 0x100 + below(0x100));
		request_init(&r, RTM_NEWQDISC, replace ? NLM_F_CREATE | NLM_F_REPLACE : 0, argv[1],
			     where);
		request_put(&r, TCA_KIND, "sluice", sizeof("sluice"));
		request_put(&r, TCA_OPTIONS | (below(2) ? NLA_F_NESTED : 0), options, bytes);
		request_send(fd, &r, &a);
		read_settings(fd, argv[1], argv[2], &found);

		wanted = replace ? defaults : now;
		fits = apply(&wanted, options, bytes);
		if (!a.error) {
			/* Replaced by its own handle, it is a change. */
			if (replace && (!fits || memcmp(&found, &wanted, sizeof(found)))) {
				wanted = now;
				fits = apply(&wanted, options, bytes);
			}
			if (!fits)
				complain("accepted and should not", options, bytes, &a);
			if (memcmp(&found, &wanted, sizeof(found)))
				complain("accepted, but not applied", options, bytes, &a);
			accepted++;
			replaced += replace;
		} else {
			if (memcmp(&found, &now, sizeof(found)))
				complain("refused, but something changed", options, bytes, &a);
			/* ERANGE: options too short to be any, which the core refuses. */
			if (a.error != EINVAL && !(a.error == ERANGE && bytes < NLA_HDRLEN))
				complain("the wrong error", options, bytes, &a);
			if (!a.sentence[0])
				complain("no sentence", options, bytes, &a);
			refused++;
			disputed += fits;
		}
		now = found;
	}
	printf("accepted=%lu refused=%lu replaced=%lu disputed=%lu\n", accepted, refused, replaced,
	       disputed);
	return 0;
}
