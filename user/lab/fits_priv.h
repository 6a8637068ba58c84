/* SPDX-License-Identifier: GPL-2.0 */
/* Within fits.c, fit_work.c and store_fit.c. */
#ifndef SLUICE_LAB_FITS_PRIV_H
#define SLUICE_LAB_FITS_PRIV_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "lab/plan.h"
#include "lab/store.h"
#include "policy/model.h"

#define FIT_WHY		200

struct runner;

struct fit_wanted {
	char fit[LAB_FIT_MAX], family[32];
	unsigned int workload;		/* one of those that it is for */
	struct model model;		/* no data: there is none (yet) */
	char why[FIT_WHY];		/* it cannot be made; "": nobody has tried */
	unsigned int mixes, runs;	/* of the simulator, that it took */
	double seconds;
};

/* Workload by workload, whether models for this one are made from it. */
void fit_sources(const struct plan *p, unsigned int workload, bool *use);

/* What the process that makes them says of each, size bytes of payload behind it. */
#define FIT_ALL		UINT32_MAX	/* which: why none at all could be made */
struct fit_head {
	uint32_t which, mixes, runs, size;
	double seconds;
	char kind[MODEL_KIND_MAX], why[FIT_WHY];
};
/* The process: makes those that have no model, and ends. */
void fit_work(struct runner *r, const struct fit_wanted *wanted, size_t n, int fd)
	__attribute__((noreturn));

/* Takes the model out of the store, if it is there. */
int fit_kept(struct store *s, struct fit_wanted *w, struct sl_err *e);
int fit_keep(struct store *s, const struct plan *p, const struct fit_wanted *w, struct sl_err *e);

#endif
