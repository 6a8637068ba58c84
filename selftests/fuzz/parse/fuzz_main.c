// SPDX-License-Identifier: GPL-2.0
/*
 * Runs the files named, and of each some thousand mutants from a fixed seed,
 * through fuzz_parse.c; then prints how often the files had which result, and how
 * often the parser looked into which tunnel. For hosts without libFuzzer, and to keep what it has found from coming back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/sluice.h>

#include "fuzz_parse.h"

#define MAX_BYTES	65536
#define MUTANTS		200

static const char *const names[] = {
#define X(name, text) #name,
	SLUICE_PASS_REASONS(X)
#undef X
};

static const char *const tunnel_names[] = {
	"",
#define X(NAME, name, text) #name,
	SLUICE_TUNNELS(X)
#undef X
};

static unsigned int results[SLUICE_PASS_MAX + 1];	/* the last one: has a key */
static unsigned int tunnels[SLUICE_TUNNEL_MAX];
static uint64_t seed = 1;

static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((seed >> 33) % below);
}

/* A few bytes become others, mostly the ends of their range; the length may change. */
static void run_mutant(const uint8_t *data, size_t size)
{
	static const uint8_t ends[] = { 0, 1, 4, 6, 0x45, 0x60, 0x7f, 0x80, 0xff };
	size_t n = draw(4) ? size : draw(size + 16);
	uint8_t *copy = calloc(1, n ? n : 1);

	if (!copy)
		abort();
	memcpy(copy, data, n < size ? n : size);
	for (uint32_t i = 1 + draw(4); i && n; i--)
		copy[draw(n)] = draw(3) ? ends[draw(sizeof(ends))] : draw(256);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static int run_file(const char *path)
{
	static uint8_t buf[MAX_BYTES];
	FILE *f = fopen(path, "rb");
	unsigned int tunnel;
	uint8_t *exact;
	size_t n;
	int r;

	if (!f) {
		perror(path);
		return 1;
	}
	n = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	exact = malloc(n ? n : 1);
	if (!exact)
		abort();
	memcpy(exact, buf, n);
	LLVMFuzzerTestOneInput(exact, n);
	r = fuzz_parse_result(exact, n, &tunnel);
	results[r < 0 ? SLUICE_PASS_MAX : r]++;
	tunnels[tunnel]++;
	for (int i = 0; i < MUTANTS; i++)
		run_mutant(exact, n);
	free(exact);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= run_file(argv[i]);
	for (int i = 0; i <= SLUICE_PASS_MAX; i++)
		if (i == SLUICE_PASS_MAX || i < SLUICE_PASS_no_target)
			printf("%s %u\n", i == SLUICE_PASS_MAX ? "parsed" : names[i], results[i]);
	for (int i = SLUICE_TUNNEL_NONE + 1; i < SLUICE_TUNNEL_MAX; i++)
		printf("inside_%s %u\n", tunnel_names[i], tunnels[i]);
	return failed;
}
