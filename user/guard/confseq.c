// SPDX-License-Identifier: GPL-2.0
/*
 * x and m are scaled to [0, 1]. Who bets on "above m" with the fraction f of what can be bet without
 * ever owing anything has his wealth multiplied by
 *
 *	1 + f (x / m - 1)		above, 0 < m
 *	1 + f ((1 - x) / (1 - m) - 1)	below, m < 1
 *
 * If E[x | past] <= m the first is a supermartingale that begins with 1, so it ever reaches 1 / a with
 * probability a at most (Ville); and so is a mean over several f. The best f depends on how far the mean
 * is from m, and on the variance; a mixture over fractions that halve is never far from it: it pays
 * log(CONFSEQ_STAKES) once, and 11 % at most of the growth for a best f between two of them. Fixed
 * fractions, other than the paper's adaptive ones, have both factors monotone in m. So what is not
 * excluded is an interval, and all that is between two excluded points of the grid is excluded, too:
 * the grid makes the interval up to one cell wider, never wrong.
 *
 * Wealth is at most WEALTH_MAX, which is far beyond every verdict, and does not vanish: each bet
 * is given WEALTH_MIN, which all together is nothing.
 */
#include "guard/confseq.h"

#include <math.h>

#include "lib/clamp.h"

#define WEALTH_MIN	1e-300
#define WEALTH_MAX	1e290

static const double stake[CONFSEQ_STAKES] = { 0.9, 0.45, 0.225, 0.1125, 0.05625, 0.028125 };

void confseq_init(struct confseq *c, double low, double high, double alpha)
{
	*c = (struct confseq){
		.low = low, .high = high, .alpha = alpha, .from = low, .to = high,
	};
	for (int s = 0; s < CONFSEQ_STAKES; s++)
		for (int i = 0; i <= CONFSEQ_GRID; i++)
			c->up[s][i] = c->down[s][i] = 1.0;
}

static double mixture(const double wealth[CONFSEQ_STAKES][CONFSEQ_GRID + 1], int i)
{
	double sum = 0.0;

	for (int s = 0; s < CONFSEQ_STAKES; s++)
		sum += wealth[s][i];
	return sum / CONFSEQ_STAKES;
}

static double value(const struct confseq *c, int i)
{
	return c->low + (c->high - c->low) * i / CONFSEQ_GRID;
}

static void bet(double wealth[CONFSEQ_STAKES][CONFSEQ_GRID + 1], double x)
{
	double ratio[CONFSEQ_GRID + 1];

	/* Nobody bets on "above 0": that is known, and so is "below 1". */
	for (int i = 1; i <= CONFSEQ_GRID; i++)
		ratio[i] = x * CONFSEQ_GRID / i;
	for (int s = 0; s < CONFSEQ_STAKES; s++)
		for (int i = 1; i <= CONFSEQ_GRID; i++) {
			double w = wealth[s][i] * (1.0 - stake[s] + stake[s] * ratio[i]) + WEALTH_MIN;

			wealth[s][i] = w < WEALTH_MAX ? w : WEALTH_MAX;
		}
}

void confseq_add(struct confseq *c, double x)
{
	double rich = 2.0 / c->alpha;

	if (isnan(x))
		return;
	x = (clamp(x, c->low, c->high) - c->low) / (c->high - c->low);
	c->n++;
	c->sum += x;
	/* The gamblers on "below m" are those on "above 1 - m" of 1 - x: stored by 1 - m. */
	bet(c->up, x);
	bet(c->down, 1.0 - x);
	/* The ends only ever move inwards. */
	while (c->below < CONFSEQ_GRID && mixture(c->up, c->below + 1) >= rich)
		c->from = value(c, ++c->below);
	while (c->above < CONFSEQ_GRID && mixture(c->down, c->above + 1) >= rich)
		c->to = value(c, CONFSEQ_GRID - ++c->above);
}

void confseq_interval(const struct confseq *c, double *from, double *to)
{
	*from = c->from;
	*to = c->to;
}

double confseq_mean(const struct confseq *c)
{
	return c->n ? c->low + (c->high - c->low) * c->sum / (double)c->n : NAN;
}

/* The point of the grid at m or beyond it, where the evidence is smaller; -1 if there is none. */
static int cell(double scaled)
{
	double i = ceil(scaled * CONFSEQ_GRID - 1e-9);

	if (!(i <= CONFSEQ_GRID))
		return -1;
	return i < 1.0 ? 1 : (int)i;
}

double confseq_evidence_above(const struct confseq *c, double m)
{
	int i = cell((m - c->low) / (c->high - c->low));

	return i < 0 ? -INFINITY : log(mixture(c->up, i));
}

double confseq_evidence_below(const struct confseq *c, double m)
{
	int i = cell((c->high - m) / (c->high - c->low));

	return i < 0 ? -INFINITY : log(mixture(c->down, i));
}

/*
 * The detector bets that x is below -tolerance, and a gambler who has less than he began with begins again.
 * Each one's wealth after n observations is at most the sum over the beginnings of what one who began
 * there would have, which is n in the mean; so is the mean over the gamblers, and by optional stopping
 * the alarm at 1 / alpha comes after 1 / alpha observations or more, on average.
 */
void edetector_init(struct edetector *e, double span, double tolerance, double alpha)
{
	*e = (struct edetector){ .span = span, .alpha = alpha, .tolerance = tolerance };
}

double edetector_evidence(const struct edetector *e)
{
	double most = e->wealth[0], sum = 0.0;

	for (int s = 1; s < CONFSEQ_STAKES; s++)
		most = fmax(most, e->wealth[s]);
	for (int s = 0; s < CONFSEQ_STAKES; s++)
		sum += exp(e->wealth[s] - most);
	return most + log(sum / CONFSEQ_STAKES);
}

bool edetector_add(struct edetector *e, double x)
{
	if (isnan(x))
		return e->alarm;
	e->n++;
	x = clamp(x, -e->span, e->span);
	for (int s = 0; s < CONFSEQ_STAKES; s++)
		e->wealth[s] = fmax(e->wealth[s], 0.0) +
			       log1p(stake[s] * (-e->tolerance - x) / (e->span + e->tolerance));
	if (edetector_evidence(e) >= log(1.0 / e->alpha))
		e->alarm = true;
	return e->alarm;
}
