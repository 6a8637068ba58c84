// SPDX-License-Identifier: GPL-2.0
/* The event loop: epochs, signals, reload, and what systemd is told. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "daemon/policies.h"
#include "lib/clock.h"
#include "lib/log.h"

#define TIMER_ACCURACY_US	1000
#define MODULE_CHECK_EPOCHS	64

static void tell_status(const struct daemon *d)
{
	sd_notifyf(0, "STATUS=%u queues, %u interfaces, %llu changes", d->n_queues, d->n_links,
		   (unsigned long long)d->decisions.carried_out);
}

/* Slot i is of 2^i ns and more, as in all such histograms. */
static unsigned int late_slot(uint64_t now, uint64_t due)
{
	uint64_t ns = now > due ? now - due : 0;
	unsigned int slot = ns > 1 ? 63 - (unsigned int)__builtin_clzll(ns) : 0;

	return slot < SLUICE_HIST_SLOTS ? slot : SLUICE_HIST_SLOTS - 1;
}

static int on_epoch(sd_event_source *s, uint64_t usec, void *data)
{
	struct daemon *d = data;
	uint64_t epoch_us = d->settings.epoch_ms * 1000ULL;
	uint64_t now = monotonic_ns(), next;

	d->late[late_slot(now, usec * 1000)]++;
	if (d->epochs % MODULE_CHECK_EPOCHS == 0) {
		observe_module(d);
		tell_status(d);
	}
	observe_queues(d, now);
	queues_epoch(d, now);
	policies_epoch(d, now);
	links_epoch(d, now);
	operator_epoch(d);
	agents_train(d);
	transitions_epoch(d, now);
	if (now >= d->next_checkpoint_ns) {
		if (d->epochs)
			agents_checkpoint(d);
		d->next_checkpoint_ns = now + d->settings.checkpoint_s * 1000000000ULL;
	}
	d->epochs++;

	/* Epochs that were missed are not made up for: what they would have seen is gone. */
	next = usec + epoch_us;
	now = monotonic_ns() / 1000;
	if (next <= now) {
		d->skipped += (now - next) / epoch_us + 1;
		next += ((now - next) / epoch_us + 1) * epoch_us;
	}
	sd_event_source_set_time(s, next);
	return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int on_stop(sd_event_source *s, const struct signalfd_siginfo *si, void *data)
{
	struct daemon *d = data;

	(void)s;
	log_notice("stopping on signal %u", si->ssi_signo);
	sd_notify(0, "STOPPING=1");
	return sd_event_exit(d->event, 0);
}

/* What cannot change in a running daemon stays, and is said. */
static void keep_fixed(const struct settings *old, struct settings *fresh)
{
	if (strcmp(old->socket, fresh->socket)) {
		log_warning("[daemon] socket changes only with a restart");
		memcpy(fresh->socket, old->socket, sizeof(fresh->socket));
	}
	if (strcmp(old->ecn_originals, fresh->ecn_originals)) {
		log_warning("[ecn] originals changes only with a restart");
		memcpy(fresh->ecn_originals, old->ecn_originals, sizeof(fresh->ecn_originals));
	}
	if (strcmp(old->operator, fresh->operator)) {
		log_warning("[daemon] operator changes only with a restart");
		memcpy(fresh->operator, old->operator, sizeof(fresh->operator));
	}
}

static void reload(struct daemon *d)
{
	struct settings fresh, old = d->settings;
	struct sl_err e;

	if (settings_load(&fresh, d->config_path, &e) < 0) {
		log_error("the new configuration is refused, the old one stays: %s", e.text);
		return;
	}
	keep_fixed(&old, &fresh);
	transitions_close(d);
	d->settings = fresh;
	if (agents_reconfigure(d, &e) < 0) {
		log_error("the new configuration is refused, the old one stays: %s", e.text);
		d->settings = old;
		transitions_configure(d);
		return;
	}
	/* Nothing but memory can lack here, and the old agents are gone. */
	if (links_configure(d, &e) < 0)
		log_error("not all interfaces are steered: %s", e.text);
	observe_reconfigure(d);
	transitions_configure(d);
	settings_guard(&d->settings, &d->guard);
	log_set_level(d->verbose ? LOG_DEBUG : settings_syslog_level(&d->settings));
	log_notice("configuration %s reloaded", d->config_path ? d->config_path : "(defaults)");
}

static int on_reload(sd_event_source *s, const struct signalfd_siginfo *si, void *data)
{
	struct daemon *d = data;

	(void)s;
	(void)si;
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(monotonic_ns() / 1000));
	reload(d);
	sd_notify(0, "READY=1");
	return 0;
}

static int watch_signals(struct daemon *d)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	r = sd_event_add_signal(d->event, NULL, SIGTERM, on_stop, d);
	if (r >= 0)
		r = sd_event_add_signal(d->event, NULL, SIGINT, on_stop, d);
	if (r >= 0)
		r = sd_event_add_signal(d->event, NULL, SIGHUP, on_reload, d);
	return r;
}

int loop_run(struct daemon *d, struct sl_err *e)
{
	int r;

	signal(SIGPIPE, SIG_IGN);
	r = sd_event_default(&d->event);
	if (r >= 0)
		r = watch_signals(d);
	if (r >= 0)
		r = sd_event_set_watchdog(d->event, true);
	if (r >= 0)
		r = sd_event_add_time(d->event, &d->timer, CLOCK_MONOTONIC, monotonic_ns() / 1000,
				      TIMER_ACCURACY_US, on_epoch, d);
	if (r < 0) {
		sl_err(e, r, "cannot set up the event loop: %s", strerror(-r));
		goto out;
	}
	r = api_open(d, e);
	if (r < 0)
		goto out;
	/* Only the one daemon that got the socket may touch the checkpoint. */
	agents_restore(d);
	operator_restore(d);
	transitions_configure(d);
	d->started_ns = monotonic_ns();
	log_notice("version %s started", SLUICE_VERSION);
	sd_notify(0, "READY=1");

	r = sd_event_loop(d->event);
	if (r < 0)
		sl_err(e, r, "the event loop failed: %s", strerror(-r));
	transitions_close(d);
	operator_epoch(d);
	queues_release(d);
	agents_checkpoint(d);
out:
	operator_free(d);
	links_release(d);
	api_close(d);
	sd_event_source_unref(d->timer);
	sd_event_unref(d->event);
	return r < 0 ? r : 0;
}
