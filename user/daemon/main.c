// SPDX-License-Identifier: GPL-2.0
/* sluiced: options, and what must be right before anything is touched. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "lib/log.h"
#include "lib/sysfs.h"

#define DEFAULT_CONFIG SLUICE_SYSCONFDIR "/sluice/sluice.conf"

enum { OPT_CHECK = 256, OPT_HELP_CONFIG, OPT_RELOAD, OPT_VERSION };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "help-config", no_argument, NULL, OPT_HELP_CONFIG },
	{ "reload", required_argument, NULL, OPT_RELOAD },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static void usage(FILE *f)
{
	fprintf(f,
		"usage: sluiced [-c FILE] [-v]\n\n"
		"  -c, --config FILE  read this configuration (default " DEFAULT_CONFIG ")\n"
		"      --check-config only say whether the configuration is right\n"
		"      --reload PID   check the configuration, then have the daemon PID read it\n"
		"      --help-config  list all keys of the configuration\n"
		"  -v, --verbose      log every decision\n"
		"      --version      print the version\n"
		"  -h, --help         this text\n");
}

static int fail(const struct sl_err *e)
{
	log_error("%s", e->text);
	return EXIT_FAILURE;
}

static bool has_capability(unsigned int cap)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &h, data) < 0)
		return false;
	return data[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap);
}

static int check_privilege(const struct settings *s, struct sl_err *e)
{
	if (!has_capability(CAP_NET_ADMIN))
		return sl_err(e, -EPERM,
			      "no privilege to change queues (CAP_NET_ADMIN): run as root, or as "
			      "the service sluiced");
	if (*s->steer_interfaces && !has_capability(CAP_BPF) && !has_capability(CAP_SYS_ADMIN))
		return sl_err(e, -EPERM,
			      "no privilege to load BPF programs (CAP_BPF): run as root, or as the "
			      "service sluiced");
	return 0;
}

/* The default file may be missing; one that was named may not. */
static const char *choose_config(const char *named)
{
	if (named)
		return named;
	return sysfs_exists(DEFAULT_CONFIG) ? DEFAULT_CONFIG : NULL;
}

/* For "systemctl reload": a wrong configuration is an error there, not only in the log. */
static int tell_to_reload(const char *word, struct sl_err *e)
{
	char *end;
	long pid = strtol(word, &end, 10);

	if (end == word || *end || pid < 2 || pid > INT_MAX)
		return sl_err(e, -EINVAL, "'%s' is not the process ID of a daemon", word);
	if (kill((pid_t)pid, SIGHUP) < 0)
		return sl_err(e, -errno, "cannot signal process %ld: %s", pid, strerror(errno));
	return 0;
}

static int run(struct daemon *d)
{
	struct sl_err e;
	int r;

	if (check_privilege(&d->settings, &e) < 0 || qdisc_reader_new(&d->reader, &e) < 0)
		return fail(&e);
	settings_guard(&d->settings, &d->guard);
	r = agents_new(d, &e);
	if (r == 0)
		r = links_configure(d, &e);
	if (r == 0)
		r = loop_run(d, &e);
	links_release(d);
	agents_free(d);
	qdisc_reader_free(d->reader);
	return r < 0 ? fail(&e) : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct daemon d;
	const char *named = NULL, *reload = NULL;
	bool check_only = false;
	struct sl_err e;
	int c;

	log_open(LOG_INFO);
	while ((c = getopt_long(argc, argv, "c:vh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			named = optarg;
			break;
		case 'v':
			d.verbose = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		case OPT_CHECK:
			check_only = true;
			break;
		case OPT_RELOAD:
			reload = optarg;
			break;
		case OPT_HELP_CONFIG:
			settings_help(stdout);
			return EXIT_SUCCESS;
		case OPT_VERSION:
			printf("sluiced %s\n", SLUICE_VERSION);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EXIT_FAILURE;
		}
	}
	if (optind < argc) {
		sl_err(&e, -EINVAL, "unexpected argument '%s'; 'sluiced --help' lists the options",
		       argv[optind]);
		return fail(&e);
	}
	d.config_path = choose_config(named);
	if (settings_load(&d.settings, d.config_path, &e) < 0)
		return fail(&e);
	if (check_only) {
		printf("%s is right\n",
		       d.config_path ? d.config_path : "the built-in configuration");
		return EXIT_SUCCESS;
	}
	if (reload)
		return tell_to_reload(reload, &e) < 0 ? fail(&e) : EXIT_SUCCESS;
	log_set_level(d.verbose ? LOG_DEBUG : settings_syslog_level(&d.settings));
	return run(&d);
}
