// SPDX-License-Identifier: GPL-2.0
/*
 * Changes a sluice qdisc at a rate:
 *
 *	change_load DEV PARENT netlink|sysfs|learned|watch RATE SECONDS [bad]
 *
 * RATE 0 is as fast as it goes. Each change sets something else than the one before. With "bad",
 * half of them are malformed or out of range, or may be. "watch" instead of a writer reads the
 * settings back, and accepts those that are whole: thresholds in order. Prints one line
 *
 *	accepted=N refused=N failed=N per_second=N
 *
 * where refused ones got EINVAL (or, with "bad", the EBUSY of a hold that somebody set) and failed
 * ones another error, which is printed. Errors by netlink must come with a sentence.
 */
#include <fcntl.h>
#include <time.h>

#include "netlink.h"

/* Each value is valid beside each value of the others, and drops nothing. */
static const struct {
	const char *name;
	int attr;
	uint32_t lo, hi;
} knobs[] = {
	{ "qth_min", TCA_SLUICE_ATTR_qth_min, 0, 50000 },
	{ "qth_max", TCA_SLUICE_ATTR_qth_max, 50000, 150000 },
	{ "max_p", TCA_SLUICE_ATTR_max_p, 0, 1000000 },
	{ "limit_pkts", TCA_SLUICE_ATTR_limit_pkts, 100000, 1000000 },
	{ "sojourn", TCA_SLUICE_ATTR_sojourn, 0, 1 },
};
#define KNOBS (sizeof(knobs) / sizeof(*knobs))

static uint64_t rng;

static uint32_t random32(void)
{
	rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
	return rng >> 32;
}

static uint32_t below(uint32_t n)
{
	return random32() % n;
}

static uint32_t good_value(unsigned int knob)
{
	return knobs[knob].lo + below(knobs[knob].hi - knobs[knob].lo + 1);
}

/* Of all magnitudes; many are out of some range. */
static uint32_t any_value(void)
{
	return random32() >> below(32);
}

static int change_netlink(const char *dev, const char *parent, bool bad)
{
	static int fd = -1;
	struct request r;
	struct answer a;
	struct {
		struct nlattr h;
		uint32_t value;
	} option[KNOBS + 1];
	unsigned int n = 0;

	if (fd < 0)
		fd = request_socket();
	request_init(&r, RTM_NEWQDISC, 0, dev, parent);
	request_put(&r, TCA_KIND, "sluice", sizeof("sluice"));
	for (unsigned int i = 0; i < KNOBS; i++)
		if (i < 3 || below(2)) {
			option[n].h = (struct nlattr){ sizeof(option[0]), knobs[i].attr };
			option[n++].value = good_value(i);
		}
	if (bad) {
		option[n].h = (struct nlattr){ sizeof(option[0]), below(TCA_SLUICE_MAX + 3) };
		option[n++].value = any_value();
	}
	request_put(&r, TCA_OPTIONS, option, n * sizeof(option[0]));
	request_send(fd, &r, &a);
	if (a.error && !a.sentence[0]) {
		fprintf(stderr, "change_load: an error without a sentence\n");
		return EPROTO;
	}
	return a.error;
}

/* One write() to a file below the qdisc's directory. */
static int store(const char *dir, const char *file, const char *text, size_t bytes)
{
	char path[256];
	int fd, error = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return errno;
	if (write(fd, text, bytes) < 0)
		error = errno;
	close(fd);
	return error;
}

static int change_sysfs(const char *dir, bool bad)
{
	static const char *const malformed[] = {
		"x", " ", "-1", "0x10", "1 2", "1,5", "4294967296", "18446744073709551616", "\n", "7\n7",
	};
	unsigned int knob = below(KNOBS);
	char text[6000];
	size_t bytes;

	if (!bad) {
		bytes = snprintf(text, sizeof(text), "%u\n", good_value(knob));
	} else {
		switch (below(3)) {
		case 0:		/* longer than a page */
			memset(text, '1', sizeof(text));
			bytes = sizeof(text);
			break;
		case 1:
			bytes = snprintf(text, sizeof(text), "%s", malformed[below(10)]);
			break;
		default:
			bytes = snprintf(text, sizeof(text), "%u", any_value());
			/* What may be valid must not make the queue drop. */
			if (!strcmp(knobs[knob].name, "limit_pkts"))
				knob = 0;
		}
	}
	return store(dir, knobs[knob].name, text, bytes);
}

static int change_learned(const char *dir, bool bad)
{
	char text[200];
	size_t bytes;

	if (bad)
		bytes = snprintf(text, sizeof(text), "%u %u %u %u %u", any_value(), any_value(),
				 any_value(), any_value(), any_value());
	else
		bytes = snprintf(text, sizeof(text), "%u %u %u %u %u", good_value(0), good_value(1),
				 good_value(2), 10 + below(100), random32());
	return store(dir, "learned", text, bytes);
}

static int watch(const char *dev, const char *parent)
{
	static int fd = -1;
	struct settings s;

	if (fd < 0)
		fd = request_socket();
	read_settings(fd, dev, parent, &s);
	return s.knob[TCA_SLUICE_ATTR_qth_min] <= s.knob[TCA_SLUICE_ATTR_qth_max] ? 0 : EPROTO;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	unsigned long accepted = 0, refused = 0, failed = 0, n;
	const struct timespec pause = { .tv_nsec = 200 * 1000 };
	double rate, duration, begin, now;
	char dir[128];
	bool bad;

	if (argc < 6) {
		fprintf(stderr, "usage: change_load DEV PARENT netlink|sysfs|learned|watch RATE SECONDS "
				"[bad]\n");
		return 2;
	}
	snprintf(dir, sizeof(dir), "/sys/class/net/%s/sluice/%s", argv[1], argv[2]);
	rate = atof(argv[4]);
	duration = atof(argv[5]);
	bad = argc > 6;
	rng = getpid();

	begin = now = seconds();
	for (n = 0; now - begin < duration; now = seconds()) {
		bool this_bad = bad && below(2);
		int error;

		if (rate && n >= rate * (now - begin)) {
			nanosleep(&pause, NULL);
			continue;
		}
		if (!strcmp(argv[3], "netlink"))
			error = change_netlink(argv[1], argv[2], this_bad);
		else if (!strcmp(argv[3], "sysfs"))
			error = change_sysfs(dir, this_bad);
		else if (!strcmp(argv[3], "learned"))
			error = change_learned(dir, this_bad);
		else
			error = watch(argv[1], argv[2]);
		n++;
		if (!error) {
			accepted++;
		} else if (error == EINVAL || (bad && error == EBUSY)) {
			refused++;
		} else {
			failed++;
			fprintf(stderr, "change_load: %s: %s\n", argv[3], strerror(error));
		}
	}
	printf("accepted=%lu refused=%lu failed=%lu per_second=%.0f\n", accepted, refused, failed,
	       n / (now - begin));
	return 0;
}
