// SPDX-License-Identifier: GPL-2.0
/* Reading of reference runs. */
#include "sim/ref.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_COLUMNS	"shard\tcc\tflows"
#define FLOW_COLUMNS	"flow\tsrc\tdst\tsize_bytes\tstart_ns\tns3_fct_ns\tns3_ideal_fct_ns\t" \
			"maxmin_fct_ns"
#define FLOW_FIELDS	8
#define FLOWS_MAX	1000000
#define LINE_ROOM	1024
#define MAP_RATE	10e9

/* A file being read. */
struct reader {
	FILE *file;
	const char *path;
	unsigned int line;
	char text[LINE_ROOM];
	struct sl_err *e;
};

static int wrong(const struct reader *r, const char *what)
{
	return sl_err(r->e, -EINVAL, "%s:%u: %s", r->path, r->line, what);
}

static int reader_open(struct reader *r, const char *path, struct sl_err *e)
{
	*r = (struct reader){ .file = fopen(path, "re"), .path = path, .e = e };
	return r->file ? 0 : sl_err(e, -errno, "%s: %s", path, strerror(errno));
}

/* 1: there is a line, without its end; 0: there is none. */
static int reader_next(struct reader *r)
{
	size_t len;

	if (!fgets(r->text, sizeof(r->text), r->file))
		return ferror(r->file) ? sl_err(r->e, -EIO, "%s: %s", r->path, strerror(errno)) : 0;
	r->line++;
	len = strlen(r->text);
	if (len && r->text[len - 1] == '\n')
		r->text[--len] = '\0';
	else if (!feof(r->file))
		return wrong(r, "the line is too long or has a zero byte");
	return 1;
}

/* An array with room for one more element. */
static int grow(void **array, size_t n, size_t size)
{
	void *more;

	if (n & (n - 1))
		return 0;	/* room doubles at the powers of two */
	more = realloc(*array, (n ? n * 2 : 1) * size);
	if (!more)
		return -ENOMEM;
	*array = more;
	return 0;
}

/* --- the index ------------------------------------------------------------------ */

static int index_line(struct reader *r, struct ref_index *x)
{
	struct ref_entry *entry;
	int end = 0;

	if (grow((void **)&x->entry, x->n, sizeof(*entry)))
		return sl_err(r->e, -ENOMEM, "out of memory");
	entry = &x->entry[x->n];
	*entry = (struct ref_entry){ .line = r->line };
	if (sscanf(r->text, "%u\t%15[a-z0-9_]\t%zu%n", &entry->shard, entry->cc, &entry->flows,
		   &end) != 3 || (r->text[end] && r->text[end] != '\t') || strchr(r->text, '-'))
		return wrong(r, "not 'shard cc flows ...', separated by tabs");
	if (!entry->flows || entry->flows > FLOWS_MAX)
		return wrong(r, "flows must be 1 to 1000000");
	x->n++;
	return 0;
}

int ref_read_index(const char *dir, struct ref_index *ret, struct sl_err *e)
{
	const size_t columns = strlen(INDEX_COLUMNS);
	struct ref_index x = { 0 };
	struct reader r;
	char path[4096];
	int err, more;

	if (snprintf(path, sizeof(path), "%s/INDEX.tsv", dir) >= (int)sizeof(path))
		return sl_err(e, -ENAMETOOLONG, "%s: %s", dir, strerror(ENAMETOOLONG));
	err = reader_open(&r, path, e);
	if (err)
		return err;
	err = more = reader_next(&r);
	if (more == 1)
		err = strncmp(r.text, INDEX_COLUMNS, columns) || !strchr("\t", r.text[columns]) ?
		      wrong(&r, "does not begin with the columns 'shard cc flows'") : 0;
	while (!err && (more = reader_next(&r)) == 1)
		err = index_line(&r, &x);
	if (!err && more < 0)
		err = more;
	if (!err && !x.n)
		err = sl_err(e, -EINVAL, "%s: has no runs", path);
	fclose(r.file);
	if (err) {
		ref_index_free(&x);
		return err;
	}
	*ret = x;
	return 0;
}

void ref_index_free(struct ref_index *x)
{
	free(x->entry);
	*x = (struct ref_index){ 0 };
}

/* --- settings --------------------------------------------------------------------- */

enum value_kind { NUMBER, RATE, MAP };

/* X(key, member, kind, minimum, maximum) */
#define SETTINGS(X)							\
	X(CC_MODE, cc_mode, NUMBER, 0, 100)				\
	X(PACKET_PAYLOAD_SIZE, payload_bytes, NUMBER, 1, 9000)		\
	X(HAS_WIN, has_win, NUMBER, 0, 1)				\
	X(VAR_WIN, var_win, NUMBER, 0, 1)				\
	X(FIXED_WIN, window_bytes, NUMBER, 1, 1e9)			\
	X(KMIN_MAP, kmin_kb, MAP, 0, 1e6)				\
	X(KMAX_MAP, kmax_kb, MAP, 0, 1e6)				\
	X(PMAX_MAP, pmax, MAP, 0, 1)					\
	X(EWMA_GAIN, gain, NUMBER, 0, 1)				\
	X(MIN_RATE, min_bps, RATE, 1, 10e9)				\
	X(DCTCP_RATE_AI, dctcp_ai_bps, RATE, 0, 100e9)			\
	X(ALPHA_RESUME_INTERVAL, alpha_us, NUMBER, 1e-3, 1e6)		\
	X(RATE_DECREASE_INTERVAL, decrease_us, NUMBER, 1e-3, 1e6)	\
	X(RP_TIMER, increase_us, NUMBER, 1e-3, 1e6)			\
	X(FAST_RECOVERY_TIMES, fast_recovery, NUMBER, 0, 1000)		\
	X(RATE_AI, ai_bps, RATE, 0, 100e9)				\
	X(RATE_HAI, hai_bps, RATE, 0, 100e9)

static const struct setting {
	const char *key;
	size_t offset;
	enum value_kind kind;
	double min, max;
} settings[] = {
#define X(key, member, kind, min, max)					\
	{ #key, offsetof(struct ref_settings, member), kind, min, max },
	SETTINGS(X)
#undef X
};

#define N_SETTINGS (sizeof(settings) / sizeof(settings[0]))

static bool parse_rate(const char *text, double *ret)
{
	static const struct { const char *name; double bps; } units[] = {
		{ "b/s", 1 }, { "Kb/s", 1e3 }, { "Mb/s", 1e6 }, { "Gb/s", 1e9 },
	};
	char *end;

	*ret = strtod(text, &end);
	for (size_t i = 0; end != text && i < sizeof(units) / sizeof(units[0]); i++) {
		if (!strcmp(end, units[i].name)) {
			*ret *= units[i].bps;
			return true;
		}
	}
	return false;
}

/* "N RATE VALUE RATE VALUE ...": the value for 10 Gb/s. */
static bool parse_map(const char *text, double *ret)
{
	double rate, value, n;
	bool found = false;
	int used = 0;

	if (sscanf(text, "%lf%n", &n, &used) != 1 || !(n >= 0 && n <= 100))
		return false;
	for (text += used; n >= 1; n--, text += used) {
		if (sscanf(text, "%lf %lf%n", &rate, &value, &used) != 2)
			return false;
		if (rate == MAP_RATE) {
			*ret = value;
			found = true;
		}
	}
	return found && !*text;
}

static bool parse_number(const char *text, double *ret)
{
	char *end;

	*ret = strtod(text, &end);
	return end != text && !*end;
}

/* "# KEY VALUE"; a line of something else says nothing. Sets the key's bit in *seen. */
static int setting_line(struct reader *r, struct ref_settings *set, unsigned int *seen)
{
	static const char *const kinds[] = {
		[NUMBER] = "a number", [RATE] = "a rate with b/s, Kb/s, Mb/s or Gb/s",
		[MAP] = "'N RATE VALUE ...' with a value for 10000000000",
	};
	char *key = r->text + 1 + strspn(r->text + 1, " "), *value;
	const struct setting *s;
	bool parsed;
	double v;
	size_t i = 0;

	value = key + strcspn(key, " ");
	if (*value)
		*value++ = '\0';
	while (i < N_SETTINGS && strcmp(key, settings[i].key))
		i++;
	if (i == N_SETTINGS)
		return 0;
	s = &settings[i];
	parsed = s->kind == RATE ? parse_rate(value, &v) :
		 s->kind == MAP ? parse_map(value, &v) : parse_number(value, &v);
	if (!parsed)
		return sl_err(r->e, -EINVAL, "%s:%u: %s must be %s", r->path, r->line, s->key,
			      kinds[s->kind]);
	if (!(v >= s->min && v <= s->max))
		return sl_err(r->e, -EINVAL, "%s:%u: %s must be %g to %g", r->path, r->line, s->key,
			      s->min, s->max);
	memcpy((char *)set + s->offset, &v, sizeof(v));
	*seen |= 1u << i;
	return 0;
}

static int settings_ok(struct reader *r, const struct ref_settings *set, unsigned int seen)
{
	for (size_t i = 0; i < N_SETTINGS; i++)
		if (!(seen & 1u << i))
			return sl_err(r->e, -EINVAL, "%s:%u: the flows begin, and there was no %s",
				      r->path, r->line, settings[i].key);
	return set->kmin_kb <= set->kmax_kb ? 0 : wrong(r, "KMIN_MAP is above KMAX_MAP");
}

/* --- flows ------------------------------------------------------------------------ */

static int flow_line(struct reader *r, struct ref_run *run, uint64_t *origin_ns)
{
	int64_t v[FLOW_FIELDS];
	char *at = r->text, *end;
	struct ref_flow *f;

	for (int i = 0; i < FLOW_FIELDS; i++) {
		errno = 0;
		v[i] = strtoll(at, &end, 10);
		if (errno || end == at || *end != (i < FLOW_FIELDS - 1 ? '\t' : '\0'))
			return wrong(r, "not eight whole numbers, separated by tabs");
		at = end + 1;
	}
	if (v[1] < 0 || v[1] >= REF_HOSTS || v[2] < 0 || v[2] >= REF_HOSTS || v[1] >= v[2])
		return wrong(r, "hosts must be 0 to 1, 0 to 2, or 1 to 2");
	if (v[3] < 1 || v[3] > 1000000000000)
		return wrong(r, "size_bytes must be 1 to 1e12");
	if (v[4] < 0 || (run->n && (uint64_t)v[4] < *origin_ns + run->flow[run->n - 1].start_ns))
		return wrong(r, "start_ns must not decrease");
	if (v[6] <= 0)
		return wrong(r, "ns3_ideal_fct_ns must be above 0");
	if (run->n == FLOWS_MAX)
		return wrong(r, "too many flows");
	if (grow((void **)&run->flow, run->n, sizeof(*f)))
		return sl_err(r->e, -ENOMEM, "out of memory");
	if (!run->n)
		*origin_ns = (uint64_t)v[4];
	f = &run->flow[run->n++];
	*f = (struct ref_flow){
		.src = (unsigned int)v[1], .dst = (unsigned int)v[2], .bytes = (uint64_t)v[3],
		.start_ns = (uint64_t)v[4] - *origin_ns, .ns3_ns = (double)v[5],
		.ideal_ns = (double)v[6], .maxmin_ns = (double)v[7],
	};
	return 0;
}

static int read_run(struct reader *r, struct ref_run *run)
{
	bool columns = false;
	uint64_t origin_ns = 0;
	unsigned int seen = 0;
	int err = 0, more = 0;

	while (!err && (more = reader_next(r)) == 1) {
		if (*r->text == '#' && !columns) {
			err = setting_line(r, &run->set, &seen);
		} else if (columns) {
			err = flow_line(r, run, &origin_ns);
		} else if (strcmp(r->text, FLOW_COLUMNS)) {
			err = wrong(r, "not '# KEY VALUE', and not the names of the columns");
		} else {
			columns = true;
			err = settings_ok(r, &run->set, seen);
		}
	}
	if (err || more < 0)
		return err ? err : more;
	return run->n ? 0 : sl_err(r->e, -EINVAL, "%s: has no flows", r->path);
}

int ref_read_run(const char *dir, const struct ref_entry *entry, struct ref_run *ret,
		 struct sl_err *e)
{
	struct ref_run run = { 0 };
	struct reader r;
	char path[4096];
	int err;

	if (snprintf(path, sizeof(path), "%s/shard%02u_%s.tsv", dir, entry->shard, entry->cc) >=
	    (int)sizeof(path))
		return sl_err(e, -ENAMETOOLONG, "%s: %s", dir, strerror(ENAMETOOLONG));
	err = reader_open(&r, path, e);
	if (err)
		return err;
	err = read_run(&r, &run);
	fclose(r.file);
	if (!err && run.n != entry->flows)
		err = sl_err(e, -EINVAL, "%s: has %zu flows; line %u of INDEX.tsv says %zu", path,
			     run.n, entry->line, entry->flows);
	if (err) {
		ref_run_free(&run);
		return err;
	}
	*ret = run;
	return 0;
}

void ref_run_free(struct ref_run *run)
{
	free(run->flow);
	*run = (struct ref_run){ 0 };
}
