// SPDX-License-Identifier: GPL-2.0
#include "policy/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/sluice.h>

#define LEAVES	(SLUICE_TREE_MAX_CELLS + 1)

struct feature {
	const char *name, *unit;
	uint32_t most;
};
#define X(name, unit, max, text) { #name, unit, max },
static const struct feature features[SLUICE_TREE_F_NR] = { SLUICE_TREE_FEATURES(X) };
static const struct feature place_features[SLUICE_PLACE_F_NR] = { SLUICE_PLACE_FEATURES(X) };
#undef X

static const struct kind {
	const struct feature *feature;
	unsigned int features;
} kinds[] = {
	[SLUICE_TREE_QUEUE] = { features, SLUICE_TREE_F_NR },
	[SLUICE_TREE_PLACE] = { place_features, SLUICE_PLACE_F_NR },
};

static const char *const outputs[VERIFY_OUTPUTS] = { "qth_min", "qth_max", "max_p", "other" };

static enum sluice_tree_kind kind_of(enum verify_output o)
{
	return o == VERIFY_OTHER ? SLUICE_TREE_PLACE : SLUICE_TREE_QUEUE;
}

const char *verify_feature_name(unsigned int feature)
{
	return features[feature].name;
}

const char *verify_feature_unit(unsigned int feature)
{
	return features[feature].unit;
}

static const char *output_unit(enum verify_output o)
{
	return o == VERIFY_OTHER ? "" : o == VERIFY_MAX_P ? " ppm" : " bytes";
}

static uint32_t *output(struct sluice_tree_action *a, enum verify_output o)
{
	/* The choice of a place is the cell's first word, too. */
	_Static_assert(!offsetof(struct sluice_tree_action, qth_min) &&
		       !offsetof(struct sluice_tree_place, choice), "not the first word");
	return o == VERIFY_QTH_MIN || o == VERIFY_OTHER ? &a->qth_min : o == VERIFY_QTH_MAX ? &a->qth_max : &a->max_p;
}

struct verify_limits verify_limits_default(void)
{
	return (struct verify_limits){
		.clamps = {
			.qth_hi = 0x7fffffff, .max_p_hi = SLUICE_TREE_PPM,
			.lease_ms_lo = SLUICE_LEASE_MS_MIN, .lease_ms_hi = SLUICE_LEASE_MS_MAX,
		},
		.depth = SLUICE_TREE_MAX_DEPTH,
	};
}

static int find(const char *const *name, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(name[i], text))
			return i;
	return -1;
}

int verify_rule_add(struct verify_limits *l, const char *text, struct sl_err *e)
{
	static const char *const verbs[] = { "never-raise", "never-lower" };
	const char *names[VERIFY_FEATURES];
	char verb[16], out[16], feature[32];
	const struct kind *kind;
	int v, o, f, end = 0;

	if (sscanf(text, "%15[^:]:%15[^:]:%31[^:]%n", verb, out, feature, &end) != 3 || text[end])
		return sl_err(e, -EINVAL, "'%s' is not a rule: never-raise:OUTPUT:FEATURE or "
			      "never-lower:OUTPUT:FEATURE", text);
	v = find(verbs, 2, verb);
	o = find(outputs, VERIFY_OUTPUTS, out);
	kind = &kinds[kind_of(o < 0 ? VERIFY_QTH_MIN : (enum verify_output)o)];
	for (unsigned int i = 0; i < kind->features; i++)
		names[i] = kind->feature[i].name;
	f = find(names, kind->features, feature);
	if (v < 0 || o < 0 || f < 0)
		return sl_err(e, -EINVAL, "in the rule '%s' there is no %s '%s'", text,
			      v < 0 ? "verb" : o < 0 ? "output" : "feature",
			      v < 0 ? verb : o < 0 ? out : feature);
	if (l->rules == VERIFY_RULES)
		return sl_err(e, -E2BIG, "more than %d rules", VERIFY_RULES);
	l->rule[l->rules++] = (struct verify_rule){ o, f, v ? -1 : 1 };
	return 0;
}

/* --- boxes ------------------------------------------------------------------------------- */

struct boxes {
	const struct sluice_tree *t;
	struct verify_box *box;
	size_t n, room;
};

/* A side that no state takes is left out. */
static void collect(struct boxes *to, uint32_t cell, const struct verify_box *box)
{
	const struct sluice_tree_node *n = &to->t->cell[cell].node;
	struct verify_box part = *box;

	if (cell >= to->t->h.n_nodes) {
		part.cell = cell;
		if (to->n < to->room)
			to->box[to->n++] = part;
		return;
	}
	part.depth++;
	if (n->threshold >= box->low[n->feature]) {
		if (n->threshold < part.high[n->feature])
			part.high[n->feature] = n->threshold;
		collect(to, n->left, &part);
		part.high[n->feature] = box->high[n->feature];
	}
	if (n->threshold < box->high[n->feature]) {
		if (n->threshold >= part.low[n->feature])
			part.low[n->feature] = n->threshold + 1;
		collect(to, n->right, &part);
	}
}

static struct verify_box all_states(const struct sluice_tree *t)
{
	struct verify_box all = { .kind = t->h.kind };

	for (unsigned int f = 0; f < kinds[all.kind].features; f++)
		all.high[f] = kinds[all.kind].feature[f].most;
	return all;
}

size_t verify_boxes(const struct sluice_tree *t, struct verify_box *box, size_t room)
{
	struct boxes to = { .t = t, .box = box, .room = room };
	struct verify_box all = all_states(t);

	collect(&to, 0, &all);
	return to.n;
}

void verify_box_text(const struct verify_box *b, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned int f = 0; f < kinds[b->kind].features && n < size; f++) {
		const struct feature *is = &kinds[b->kind].feature[f];

		if (b->low[f] > 0)
			n += snprintf(buf + n, size - n, "%s%s > %u %s", n ? ", " : "", is->name,
				      b->low[f] - 1, is->unit);
		if (b->high[f] < is->most && n < size)
			n += snprintf(buf + n, size - n, "%s%s <= %u %s", n ? ", " : "", is->name,
				      b->high[f], is->unit);
	}
	if (!n)
		snprintf(buf, size, "any state");
}

/* --- rules --------------------------------------------------------------------------------- */

/* Are there a state in a and one in b that is larger in f and the same in all others? */
static bool rises(const struct verify_box *a, const struct verify_box *b, unsigned int f)
{
	if (a->low[f] >= b->high[f])
		return false;
	for (unsigned int i = 0; i < kinds[a->kind].features; i++)
		if (i != f && (a->low[i] > b->high[i] || b->low[i] > a->high[i]))
			return false;
	return true;
}

static uint32_t value(const struct sluice_tree *t, const struct verify_box *b, enum verify_output o)
{
	struct sluice_tree_action a = t->cell[b->cell].action;

	return *output(&a, o);
}

static bool concerns(const struct verify_rule *rule, enum sluice_tree_kind kind)
{
	return kind_of(rule->output) == kind;
}

static bool breaks(const struct sluice_tree *t, const struct verify_rule *rule,
		   const struct verify_box *a, const struct verify_box *b)
{
	const uint32_t before = value(t, a, rule->output), after = value(t, b, rule->output);

	return (rule->sign > 0 ? after > before : after < before) && rises(a, b, rule->feature);
}

static int broken(const struct sluice_tree *t, const struct verify_rule *rule,
		  const struct verify_box *a, const struct verify_box *b, struct sl_err *e)
{
	char from[150], to[150];

	verify_box_text(a, from, sizeof(from));
	verify_box_text(b, to, sizeof(to));
	return sl_err(e, -EPERM, "never-%s:%s:%s is broken: %u%s where %s, but %u where %s",
		      rule->sign > 0 ? "raise" : "lower", outputs[rule->output],
		      kinds[a->kind].feature[rule->feature].name, value(t, a, rule->output),
		      output_unit(rule->output), from, value(t, b, rule->output), to);
}

static int check_rules(const struct sluice_tree *t, const struct verify_limits *l,
		       const struct verify_box *box, size_t n, struct verify_report *report,
		       struct sl_err *e)
{
	for (size_t k = 0; k < l->rules; k++)
		for (size_t i = 0; i < n && concerns(&l->rule[k], t->h.kind); i++)
			for (size_t j = 0; j < n; j++) {
				if (!breaks(t, &l->rule[k], &box[i], &box[j]))
					continue;
				report->broken = &l->rule[k];
				report->box[0] = box[i];
				report->box[1] = box[j];
				return broken(t, &l->rule[k], &box[i], &box[j], e);
			}
	return 0;
}

static const char *error_text(enum sluice_tree_error error)
{
	static const char *const text[SLUICE_TREE_E_NR] = {
#define X(name, err, text) text,
		SLUICE_TREE_ERRORS(X)
#undef X
	};

	return text[error];
}

/* Which leaf it is, where the tree is one but for its actions. */
static int refuse_action(const struct sluice_tree *t, const struct verify_limits *l,
			 const struct verify_box *box, size_t n, struct sl_err *e)
{
	const struct sluice_tree_action *a;
	char text[200] = "no state that there is";
	uint32_t cell = t->h.n_nodes;

	while (sluice_tree_action_ok(&t->cell[cell].action, &l->clamps))
		cell++;
	a = &t->cell[cell].action;
	for (size_t i = 0; i < n; i++)
		if (box[i].cell == cell) {
			verify_box_text(&box[i], text, sizeof(text));
			break;
		}
	return sl_err(e, -ERANGE, "the action %u %u %u (cell %u) is out of bounds; it is for %s",
		      a->qth_min, a->qth_max, a->max_p, cell, text);
}

static int check_boxes(const struct sluice_tree *t, enum sluice_tree_error error,
		       const struct verify_limits *l, struct verify_box *box,
		       struct verify_report *report, struct sl_err *e)
{
	char text[200];

	report->leaves = verify_boxes(t, box, LEAVES);
	if (error)
		return refuse_action(t, l, box, report->leaves, e);
	for (size_t i = 0; i < report->leaves; i++) {
		if (box[i].depth > report->depth)
			report->depth = box[i].depth;
		if (box[i].depth <= l->depth)
			continue;
		report->box[0] = box[i];
		verify_box_text(&box[i], text, sizeof(text));
		return sl_err(e, -E2BIG, "%u comparisons, more than %u, where %s", box[i].depth,
			      l->depth, text);
	}
	return check_rules(t, l, box, report->leaves, report, e);
}

static enum sluice_tree_error validate(const struct sluice_tree *t, size_t size,
				       const struct verify_limits *l)
{
	if (size > SLUICE_TREE_MAX_SIZE)
		return SLUICE_TREE_E_SIZE;
	if (l->places && size >= sizeof(t->h) && t->h.kind == SLUICE_TREE_PLACE)
		return sluice_place_validate(t, (uint32_t)size);
	return sluice_tree_validate(t, (uint32_t)size, &l->clamps);
}

int verify_tree(const struct sluice_tree *t, size_t size, const struct verify_limits *l,
		struct verify_report *report, struct sl_err *e)
{
	const enum sluice_tree_error error = validate(t, size, l);
	struct verify_report found = { .leaves = 0 };
	struct verify_box *box;
	int r;

	if (error && (error != SLUICE_TREE_E_CLAMP || t->h.kind != SLUICE_TREE_QUEUE))
		return sl_err(e, sluice_tree_errno(error), "%s", error_text(error));
	box = malloc(LEAVES * sizeof(*box));
	if (!box)
		return sl_err(e, -ENOMEM, "out of memory");
	r = check_boxes(t, error, l, box, &found, e);
	free(box);
	if (report)
		*report = found;
	return r;
}

int verify_read(const char *path, const struct verify_limits *l, struct sluice_tree *ret,
		struct verify_report *report, struct sl_err *e)
{
	/* One byte more shows a file that is too long. */
	union { struct sluice_tree tree; char byte[SLUICE_TREE_MAX_SIZE + 1]; } u;
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
	struct sl_err why;
	size_t n = 0;
	ssize_t got;

	if (fd < 0)
		return sl_err(e, -errno, "%s: %s", path, strerror(errno));
	do {
		got = read(fd, u.byte + n, sizeof(u.byte) - n);
		n += got > 0 ? got : 0;
	} while (got > 0 && n < sizeof(u.byte));
	if (got < 0)
		r = sl_err(e, -errno, "%s: %s", path, strerror(errno));
	close(fd);
	if (r)
		return r;
	r = verify_tree(&u.tree, n, l, report, &why);
	if (r)
		return sl_err(e, r, "%s: %s", path, why.text);
	memset(u.byte + n, 0, sizeof(u.tree) - n);
	*ret = u.tree;
	return 0;
}

/* --- repair ---------------------------------------------------------------------------------- */

/* The side whose output is too high comes down to the other's. */
static bool lower(struct sluice_tree_action *a, const struct verify_rule *rule,
		  const struct sluice_tree_action *to)
{
	struct sluice_tree_action want = *to;
	const uint32_t bound = *output(&want, rule->output);

	if (*output(a, rule->output) <= bound)
		return false;
	if (to->qth_min <= a->qth_min && to->qth_max <= a->qth_max && to->max_p <= a->max_p) {
		*a = *to;
		return true;
	}
	*output(a, rule->output) = bound;
	if (a->qth_min > a->qth_max)
		a->qth_min = a->qth_max;
	return true;
}

/* Values only fall, and only to values that there are: it ends. */
static void settle(const struct verify_limits *l, const struct verify_box *box, size_t n,
		   struct sluice_tree_action *action)
{
	bool again = true;

	while (again) {
		again = false;
		for (size_t k = 0; k < l->rules; k++)
			for (size_t i = 0; i < n && concerns(&l->rule[k], box->kind); i++)
				for (size_t j = 0; j < n; j++) {
					const struct verify_rule *rule = &l->rule[k];
					const bool up = rule->sign > 0;

					if (rises(&box[i], &box[j], rule->feature) &&
					    lower(&action[up ? j : i], rule, &action[up ? i : j]))
						again = true;
				}
	}
}

struct rebuild {
	struct sluice_tree *t;
	const struct sluice_tree_action *action;	/* by leaf, in the order of verify_boxes() */
	size_t leaf;
};

static int action_cell(struct sluice_tree *t, const struct sluice_tree_action *a)
{
	uint32_t cell = t->h.n_nodes;

	for (; cell < (uint32_t)t->h.n_nodes + t->h.n_actions; cell++)
		if (!memcmp(&t->cell[cell].action, a, sizeof(*a)))
			return cell;
	if (cell == SLUICE_TREE_MAX_CELLS)
		return -E2BIG;
	t->cell[cell].action = *a;
	t->h.n_actions++;
	return cell;
}

/* Walks as collect() does. What no state takes gets any action. */
static int point(struct rebuild *b, uint32_t cell, struct verify_box *box)
{
	struct sluice_tree_node *n = &b->t->cell[cell].node;
	const uint32_t f = n->feature, low = box->low[f], high = box->high[f];
	const bool taken[2] = { n->threshold >= low, n->threshold < high };

	for (int side = 0; side < 2; side++) {
		__u16 *child = side ? &n->right : &n->left;
		int r = 0;

		if (!taken[side])
			continue;
		if (side && n->threshold >= low)
			box->low[f] = n->threshold + 1;
		if (!side && n->threshold < high)
			box->high[f] = n->threshold;
		if (*child < b->t->h.n_nodes) {
			r = point(b, *child, box);
		} else {
			r = action_cell(b->t, &b->action[b->leaf++]);
			if (r >= 0)
				*child = r;
		}
		box->low[f] = low;
		box->high[f] = high;
		if (r < 0)
			return r;
	}
	return 0;
}

int verify_repair(struct sluice_tree *t, const struct verify_limits *l, size_t *changed)
{
	struct sluice_tree_action *action = calloc(LEAVES, sizeof(*action));
	struct verify_box *box = calloc(LEAVES, sizeof(*box)), all = all_states(t);
	struct sluice_tree fixed = *t;
	struct rebuild b = { .t = &fixed, .action = action };
	size_t n, differ = 0;
	int r = action && box ? 0 : -ENOMEM;

	if (!r) {
		n = verify_boxes(t, box, LEAVES);
		for (size_t i = 0; i < n; i++)
			action[i] = t->cell[box[i].cell].action;
		settle(l, box, n, action);
		for (size_t i = 0; i < n; i++)
			differ += memcmp(&action[i], &t->cell[box[i].cell].action,
					 sizeof(*action)) != 0;
	}
	if (!r && differ)
		r = point(&b, 0, &all);
	if (!r && differ) {
		sluice_tree_seal(&fixed);
		*t = fixed;
	}
	if (!r)
		*changed = differ;
	free(action);
	free(box);
	return r;
}
