// SPDX-License-Identifier: GPL-2.0
#include "distill/c_source.h"

#include <errno.h>

#include "distill/place_tree.h"
#include "policy/verify.h"

static bool places(const struct sluice_tree *t)
{
	return t->h.kind == SLUICE_TREE_PLACE;
}

static const char *feature_name(const struct sluice_tree *t, unsigned int feature)
{
	return places(t) ? place_feature_name(feature) : verify_feature_name(feature);
}

static const char *feature_unit(const struct sluice_tree *t, unsigned int feature)
{
	return places(t) ? place_feature_unit(feature) : verify_feature_unit(feature);
}

/* Depth is bounded, so "else" nests no deeper than a compiler likes. */
static void walk(const struct sluice_tree *t, unsigned int cell, int indent, FILE *to)
{
	const struct sluice_tree_node *n = &t->cell[cell].node;

	if (cell >= t->h.n_nodes) {
		fprintf(to, "%*sreturn %u;\n", indent, "", cell);
		return;
	}
	fprintf(to, "%*sif (f[%u] <= %uu) { /* %s, %s */\n", indent, "", n->feature, n->threshold,
		feature_name(t, n->feature), feature_unit(t, n->feature));
	walk(t, n->left, indent + 1, to);
	fprintf(to, "%*s} else {\n", indent, "");
	walk(t, n->right, indent + 1, to);
	fprintf(to, "%*s}\n", indent, "");
}

int c_source_write(const struct sluice_tree *t, const char *name, FILE *to)
{
	fprintf(to, "/* A decision tree of sluice, generation %u: %u nodes, %u actions. */\n",
		t->h.generation, t->h.n_nodes, t->h.n_actions);
	fprintf(to, "unsigned int %s(const unsigned int *f);\n", name);
	fprintf(to, "extern const unsigned int %s_action[%u][3];\n\n", name, t->h.n_actions);
	fprintf(to, "/* %s, of the cells from %u up. */\n", places(t) ?
		"1, 0, 0 for the other CPU, or all 0" : "qth_min, qth_max in bytes, max_p in ppm",
		t->h.n_nodes);
	fprintf(to, "const unsigned int %s_action[%u][3] = {\n", name, t->h.n_actions);
	for (unsigned int i = 0; i < t->h.n_actions; i++) {
		const struct sluice_tree_action *a = &t->cell[t->h.n_nodes + i].action;

		fprintf(to, "\t{ %u, %u, %u },\n", a->qth_min, a->qth_max, a->max_p);
	}
	fprintf(to, "};\n\n/* The number of the cell. f:");
	for (unsigned int i = 0; i < (places(t) ? (unsigned int)SLUICE_PLACE_F_NR :
				      (unsigned int)SLUICE_TREE_F_NR); i++)
		fprintf(to, "%s %s", i ? "," : "", feature_name(t, i));
	fprintf(to, " */\nunsigned int %s(const unsigned int *f)\n{\n", name);
	if (!t->h.n_nodes)
		fprintf(to, " (void)f;\n");
	walk(t, 0, 1, to);
	fprintf(to, "}\n");
	return ferror(to) ? -EIO : 0;
}
