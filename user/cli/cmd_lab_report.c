// SPDX-License-Identifier: GPL-2.0
/* sluice lab report: what a campaign says. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_errno.h>

#include "cli/cli.h"
#include "lab/report.h"
#include "lab/store.h"

struct request {
	const char *path, *aa, *html;
};

static int read_one(const char *path, const char *what, struct report_data **ret)
{
	struct store *s;
	struct sl_err e;
	int r;

	if (store_open(path, &s, &e))
		return cli_fail_err(&e);
	r = report_read(store_db(s), path, ret, &e);
	/* Who may not write to it reads it all the same. */
	if (!r && what && store_look(s, what, &e))
		fprintf(stderr, "sluice: that test results were looked at is not recorded: %s\n", e.text);
	store_close(s);
	return r ? cli_fail_err(&e) : CLI_OK;
}

/* Beside the page, renamed when whole: a page that was there before is not lost to a full disk. */
static int write_page(const struct doc *doc, const char *path)
{
	char part[4096];
	FILE *f;
	int r;

	if ((size_t)snprintf(part, sizeof(part), "%s.part", path) >= sizeof(part))
		return cli_fail("%s: too long a name", path);
	f = fopen(part, "we");
	if (!f)
		return cli_fail("cannot write %s: %s", part, strerror(errno));
	r = doc_html(doc, f);
	if (fclose(f) && !r)
		r = -errno;
	if (!r && rename(part, path))
		r = -errno;
	if (!r)
		return CLI_OK;
	remove(part);
	return cli_fail("cannot write %s: %s", path, strerror(-r));
}

static int show(const struct cli *cli, const struct request *q, const struct report *r)
{
	struct report_pictures pictures;
	struct doc *doc;
	int err;

	if (q->html) {
		if (report_doc(r, true, &doc, &pictures))
			return cli_fail("out of memory");
		err = write_page(doc, q->html);
		doc_free(doc);
		if (err)
			return err;
		if (*pictures.missing)
			fprintf(stderr, "sluice: %s is written without %s plots: %s\n", q->html,
				pictures.n ? "some" : "its", pictures.missing);
	}
	if (cli->json)
		return cli_print_json(report_json(r));
	if (report_doc(r, false, &doc, &pictures))
		return cli_fail("out of memory");
	err = doc_print(doc, stdout);
	doc_free(doc);
	if (err || fflush(stdout))
		return cli_fail("cannot write to standard output: %s", strerror(err ? -err : errno));
	return CLI_OK;
}

static int analyse(struct report *r, struct report_result **result, struct report_patterns **patterns,
		   struct report_aa *aa)
{
	struct report_shape shape;
	int err = 0;

	report_shape_of(r->d, &shape);
	if (r->aa_data) {
		err = report_aa(r->aa_data, &shape, aa);
		r->aa = aa;
	}
	if (!err && !r->d->aa)
		err = report_judge(r->d, result);
	if (!err && !r->d->aa)
		err = report_patterns(r->d, *result, patterns);
	r->r = *result;
	r->p = *patterns;
	return err ? cli_fail("analysing %s: %s", r->path, strerror(-err)) : CLI_OK;
}

static int report(const struct cli *cli, const struct request *q)
{
	struct report_data *d = NULL, *aa_data = NULL;
	struct report_result *result = NULL;
	struct report_patterns *patterns = NULL;
	struct report_aa aa;
	struct report r = { .path = q->path, .aa_path = q->aa };
	int err = read_one(q->path, "report", &d);

	if (err == CLI_OK && q->aa)
		err = read_one(q->aa, NULL, &aa_data);
	if (err == CLI_OK && q->aa && !aa_data->aa)
		err = cli_fail("%s is no A/A campaign: its plan has no copies of one policy", q->aa);
	if (err == CLI_OK && q->aa && d->aa)
		err = cli_fail("%s is an A/A campaign itself: --aa belongs to another one", q->path);
	if (err == CLI_OK) {
		r.d = d;
		r.aa_data = d->aa ? d : aa_data;
		err = analyse(&r, &result, &patterns, &aa);
	}
	if (err == CLI_OK)
		err = show(cli, q, &r);
	report_patterns_free(patterns);
	report_result_free(result);
	report_data_free(d);
	report_data_free(aa_data);
	return err;
}

int cmd_lab_report(struct cli *cli, int argc, char **argv)
{
	struct request q = { 0 };

	for (int i = 0; i < argc; i++) {
		const char **value = !strcmp(argv[i], "-o") ? &q.html :
				     !strcmp(argv[i], "--aa") ? &q.aa : NULL;

		if (value && ++i == argc)
			return cli_usage(cli, "%s needs a file", argv[i - 1]);
		if (value)
			*value = argv[i];
		else if (argv[i][0] == '-')
			return cli_usage(cli, "there is no option '%s'", argv[i]);
		else if (q.path)
			return cli_usage(cli, "'%s' is one word too many", argv[i]);
		else
			q.path = argv[i];
	}
	if (!q.path)
		return cli_usage(cli, "no database given");
	/* Its own handler ends the program. */
	gsl_set_error_handler_off();
	return report(cli, &q);
}
