// SPDX-License-Identifier: GPL-2.0
/*
 * Makes a tree and writes it to FILE in one write():
 *
 *	mktree FILE GENERATION LEASE_MS [CELL...] [@BYTE=VALUE...]
 *
 * A CELL is FEATURE:THRESHOLD:LEFT:RIGHT, a node, or QTH_MIN,QTH_MAX,MAX_P, an action; or
 * "home" or "other", an action of a tree that places flows. Nodes come first. "@" damages a byte of the finished block; "@size=N" writes N
 * bytes. An error of write() is printed as a sentence.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sluice/place.h>

static const char *const feature_name[] = {
#define X(name, unit, max, text) #name,
	SLUICE_TREE_FEATURES(X)
#undef X
};

static const char *const place_feature_name[] = {
#define X(name, unit, max, text) #name,
	SLUICE_PLACE_FEATURES(X)
#undef X
};

static unsigned int feature_of(const char *name)
{
	unsigned int i;

	for (i = 0; i < SLUICE_PLACE_F_NR; i++)
		if (!strcmp(name, place_feature_name[i]))
			return i;
	for (i = 0; i < SLUICE_TREE_F_NR && strcmp(name, feature_name[i]); i++)
		;
	return i;	/* an unknown name is a feature that does not exist */
}

/* Returns whether "arg" is a cell. */
static bool parse_cell(struct sluice_tree *t, const char *arg)
{
	union sluice_tree_cell *c = &t->cell[t->h.n_nodes + t->h.n_actions];
	unsigned int threshold, left, right, qth_min, qth_max, max_p;
	char name[32];

	if (t->h.n_nodes + t->h.n_actions == SLUICE_TREE_MAX_CELLS)
		return false;
	if (sscanf(arg, "%31[^:]:%u:%u:%u", name, &threshold, &left, &right) == 4) {
		c->node.feature = feature_of(name);
		c->node.threshold = threshold;
		c->node.left = left;
		c->node.right = right;
		t->h.n_nodes++;
		return true;
	}
	if (!strcmp(arg, "home") || !strcmp(arg, "other")) {
		t->h.kind = SLUICE_TREE_PLACE;
		c->place.choice = *arg == 'o' ? SLUICE_PLACE_OTHER : SLUICE_PLACE_HOME;
		t->h.n_actions++;
		return true;
	}
	if (sscanf(arg, "%u,%u,%u", &qth_min, &qth_max, &max_p) == 3) {
		c->action.qth_min = qth_min;
		c->action.qth_max = qth_max;
		c->action.max_p = max_p;
		t->h.n_actions++;
		return true;
	}
	if (!strcmp(arg, "home") || !strcmp(arg, "other")) {
		c->place.choice = *arg == 'o' ? SLUICE_PLACE_OTHER : SLUICE_PLACE_HOME;
		t->h.kind = SLUICE_TREE_PLACE;
		t->h.n_actions++;
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	static union {
		struct sluice_tree tree;
		unsigned char byte[2 * SLUICE_TREE_MAX_SIZE];
	} u;
	unsigned int at, value, size;
	int fd, i;

	if (argc < 4)
		return 2;
	u.tree.h.generation = strtoul(argv[2], NULL, 10);
	u.tree.h.lease_ms = strtoul(argv[3], NULL, 10);
	for (i = 4; i < argc && parse_cell(&u.tree, argv[i]); i++)
		;
	sluice_tree_seal(&u.tree);
	size = u.tree.h.size;
	for (; i < argc; i++) {
		if (sscanf(argv[i], "@size=%u", &value) == 1 && value <= sizeof(u)) {
			size = value;
		} else if (sscanf(argv[i], "@%u=%u", &at, &value) == 2 && at < sizeof(u)) {
			u.byte[at] = value;
		} else {
			fprintf(stderr, "mktree: '%s'?\n", argv[i]);
			return 2;
		}
	}

	fd = open(argv[1], O_WRONLY);
	if (fd < 0 || write(fd, u.byte, size) != (ssize_t)size) {
		printf("%s\n", strerror(errno));
		return 1;
	}
	return close(fd) ? 1 : 0;
}
