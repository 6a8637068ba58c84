// SPDX-License-Identifier: GPL-2.0
/*
 * What user/lib/anon_frame.c makes of arbitrary frames, held against the parser of the XDP program:
 * it must make the same of the frame before and after, but for the addresses, which must
 * be those that anon_addr.c gives for the old ones.
 *
 *	fuzz_anonymise [ROUNDS [SEED [FILE...]]]
 *
 * makes ROUNDS mutants of each frame, which by default are the parser's corpus, and four times
 * ROUNDS of a capture with all of them: that is refused, and leaves no file, or becomes one that
 * can be read to its end. Buffers have exactly their size, so a read beyond one is an error in a
 * sanitizer build.
 */
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "lib/anon_frame.h"
#include "lib/anonymise.h"
#include "lib/capture.h"
#include "lib/frame_key.h"

#define CORPUS		"selftests/fuzz/corpus/parse/*"
#define MAX_BYTES	65536

static const uint8_t anon_key[CRYPTOPAN_KEY_BYTES] = "any key, as long as it is a key";
static struct anon anon;
static uint8_t *capture;	/* all frames, as a pcap file */
static size_t capture_bytes;
static unsigned long refused;
static unsigned long results[SLUICE_PASS_MAX + 1];	/* the last one: has a key */

static void map_key(struct sluice_flow_key *key)
{
	if (key->family == 4) {
		anon_ip4(&anon, key->saddr);
		anon_ip4(&anon, key->daddr);
	} else {
		anon_ip6(&anon, key->saddr);
		anon_ip6(&anon, key->daddr);
	}
}

static void compare(const uint8_t *before, size_t n, const uint8_t *after, size_t m, __u32 inside)
{
	struct sluice_flow_key a, b;
	const int r = frame_key(before, n, inside, &a);

	check(frame_key(after, m, inside, &b) == r);
	results[r < 0 ? SLUICE_PASS_MAX : r]++;
	if (r != FRAME_KEY_FOUND)
		return;
	map_key(&a);
	check(!memcmp(&a, &b, sizeof(a)));
}

static void one(const uint8_t *data, size_t n)
{
	uint8_t *in = malloc(n ? n : 1), *out = malloc(n ? n : 1), *cut;
	uint32_t m;

	check(in && out);
	memcpy(in, data, n);
	m = anon_frame(&anon, in, n, out);
	check(m <= n);
	check(!memcmp(in, data, n));
	cut = malloc(m ? m : 1);
	check(cut);
	memcpy(cut, out, m);
	compare(in, n, cut, m, 0);
	compare(in, n, cut, m, SLUICE_INSIDE_ALL);
	compare(in, n, cut, m, 1u << below(SLUICE_TUNNEL_MAX - 1));
	free(in);
	free(out);
	free(cut);
}

static void mutant(const uint8_t *data, size_t size)
{
	static const uint8_t ends[] = { 0, 1, 4, 5, 6, 0x45, 0x60, 0x7f, 0x80, 0xff };
	const size_t n = below(4) ? size : below(size + 16);
	uint8_t *copy = calloc(1, n ? n : 1);

	check(copy);
	memcpy(copy, data, n < size ? n : size);
	for (uint32_t i = 1 + below(4); i && n; i--)
		copy[below(n)] = below(3) ? ends[below(sizeof(ends))] : below(256);
	one(copy, n);
	free(copy);
}

static void append(const void *data, size_t n)
{
	capture = realloc(capture, capture_bytes + n);
	check(capture);
	memcpy(capture + capture_bytes, data, n);
	capture_bytes += n;
}

static uint64_t frames_of(const char *path)
{
	struct capture_frame f;
	struct capture *c;
	uint64_t n = 0;
	int r;

	check(!capture_open(path, &c, NULL));
	while ((r = capture_next(c, &f, NULL)) == 1)
		n++;
	check(!r);
	capture_close(c);
	return n;
}

/* A capture, damaged somewhere, through files. */
static void mutant_capture(const char *dir)
{
	uint8_t *copy = malloc(capture_bytes);
	const size_t n = below(2) ? capture_bytes : below(capture_bytes);
	struct anonymise_stats stats;
	char in[64], out[64];
	struct sl_err e;
	FILE *f;

	snprintf(in, sizeof(in), "%s/in", dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	f = fopen(in, "we");
	check(copy && f);
	memcpy(copy, capture, capture_bytes);
	for (uint32_t i = below(4); i; i--)
		copy[below(3) ? below(capture_bytes) : below(64)] = below(256);
	check(fwrite(copy, 1, n, f) == n && !fclose(f));
	e.text[0] = '\0';
	if (anonymise_file(in, out, anon_key, &stats, &e)) {
		check(*e.text);
		check(access(out, F_OK));
		refused++;
	} else {
		check(frames_of(out) == stats.packets);
		unlink(out);
	}
	unlink(in);
	free(copy);
}

static void captures(unsigned long rounds)
{
	char dir[] = "/tmp/sluice-fuzz-XXXXXX";

	check(mkdtemp(dir));
	for (unsigned long i = 0; i < rounds; i++)
		mutant_capture(dir);
	check(!rmdir(dir));	/* nothing is left there */
}

static void file(const char *path, unsigned long rounds)
{
	static uint8_t data[MAX_BYTES];
	FILE *f = fopen(path, "re");
	size_t n;

	check(f);
	n = fread(data, 1, sizeof(data), f);
	fclose(f);
	append((uint32_t[]){ 1, 0, n, n + 4 }, 16);
	append(data, n);
	one(data, n);
	for (unsigned long i = 0; i < rounds; i++)
		mutant(data, n);
}

int main(int argc, char **argv)
{
	static const char *const name[] = {
#define X(name, text) #name,
		SLUICE_PASS_REASONS(X)
#undef X
		"has a key",
	};
	const unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 200;
	int missing = 0;
	glob_t g = { 0 };

	if (argc > 2)
		rng = strtoul(argv[2], NULL, 10);
	anon_init(&anon, anon_key);
	append((uint32_t[]){ 0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1 }, 24);
	for (int i = 3; i < argc; i++)
		file(argv[i], rounds);
	if (argc <= 3 && glob(CORPUS, 0, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc; i++)
			file(g.gl_pathv[i], rounds);
	captures(rounds * 4);
	free(capture);
	printf("1..1\n# %lu of %lu damaged captures refused\n", refused, rounds * 4);
	for (int i = 0; i <= SLUICE_PASS_MAX; i++) {
		printf("# %lu %s\n", results[i], name[i]);
		/* The parser alone has these for no frame. */
		missing += !results[i] && i != SLUICE_PASS_no_target && i != SLUICE_PASS_no_cpu;
	}
	/* A run that never met an answer has not tested it. */
	printf("%s 1 - anonymised frames parse as before, every answer of the parser met\n",
	       missing && argc <= 3 ? "not ok" : "ok");
	globfree(&g);
	return missing && argc <= 3;
}
