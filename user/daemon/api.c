// SPDX-License-Identifier: GPL-2.0
/*
 * The daemon's socket: one line {"request": "NAME"} is answered by one line of
 * JSON, {"error": "..."} if it cannot be. Clients, buffers and their time are
 * bounded. Who may connect may ask; what changes something takes root, or the
 * daemon's own user.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/policies.h"

#define API_CLIENTS	16
#define API_REQUEST	1024	/* bytes of a request */
#define API_TIMEOUT_US	5000000

struct client {
	struct api *api;
	int fd;
	sd_event_source *io, *timeout;
	char request[API_REQUEST];
	size_t used;
	char *reply;		/* NULL until the request is complete */
	size_t size, sent;
};

struct api {
	struct daemon *d;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd;
	sd_event_source *source;
	struct client *clients[API_CLIENTS];
};

static const struct {
	const char *name;
	json_t *(*reply)(const struct daemon *d);
} requests[] = {
	{ "status", api_status },
	{ "agent", api_agent },
	{ "policy", policies_show },
	{ "policy history", policies_history },
};

static const struct {
	const char *name;
	int (*run)(struct daemon *d, const json_t *request, json_t **reply, struct sl_err *e);
} changes[] = {
	{ "agent pause", operator_pause },
	{ "agent resume", operator_resume },
	{ "agent release", operator_release },
	{ "policy promote", policies_request },
	{ "policy rollback", policies_request },
	{ "policy pin", policies_request },
	{ "policy unpin", policies_request },
};

static void client_free(struct client *c)
{
	unsigned int i;

	for (i = 0; i < API_CLIENTS; i++)
		if (c->api->clients[i] == c)
			c->api->clients[i] = NULL;
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->timeout);
	close(c->fd);
	free(c->reply);
	free(c);
}

static bool may_change(const struct client *c)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static json_t *change(const struct client *c, size_t which, const json_t *request)
{
	struct sl_err e = { "out of memory" };
	json_t *reply = NULL;

	if (!may_change(c))
		return json_pack("{s:s}", "error", "only root may ask for this");
	if (changes[which].run(c->api->d, request, &reply, &e) < 0)
		return json_pack("{s:s}", "error", e.text);
	return reply;
}

static json_t *answer(const struct client *c, size_t n)
{
	json_t *request = json_loadb(c->request, n, 0, NULL);
	const char *name = json_string_value(json_object_get(request, "request"));
	json_t *reply = NULL;
	bool known = false;
	size_t i;

	for (i = 0; name && i < sizeof(requests) / sizeof(requests[0]); i++) {
		if (!strcmp(name, requests[i].name)) {
			known = true;
			reply = requests[i].reply(c->api->d);
		}
	}
	for (i = 0; name && i < sizeof(changes) / sizeof(changes[0]); i++) {
		if (!strcmp(name, changes[i].name)) {
			known = true;
			reply = change(c, i, request);
		}
	}
	json_decref(request);
	if (!known)
		return json_pack("{s:s}", "error", "a request is a line {\"request\": NAME} with "
				 "\"status\", \"agent\" or another name that this version knows");
	return reply;
}

/* False: the client is done, in whichever way. */
static bool client_write(struct client *c)
{
	ssize_t n;

	while (c->sent < c->size) {
		n = send(c->fd, c->reply + c->sent, c->size - c->sent, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->sent += (size_t)n;
	}
	return false;
}

static bool client_read(struct client *c)
{
	json_t *reply;
	char *end;
	ssize_t n;

	n = recv(c->fd, c->request + c->used, sizeof(c->request) - c->used, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->used += (size_t)n;
	end = memchr(c->request, '\n', c->used);
	if (!end)
		return n > 0 && c->used < sizeof(c->request);

	reply = answer(c, (size_t)(end - c->request));
	if (!reply)
		return false;
	c->reply = json_dumps(reply, JSON_COMPACT);
	json_decref(reply);
	if (!c->reply)
		return false;
	/* The newline takes the place of the terminating NUL. */
	c->size = strlen(c->reply) + 1;
	c->reply[c->size - 1] = '\n';
	sd_event_source_set_io_events(c->io, EPOLLOUT);
	return true;
}

static int on_client(sd_event_source *s, int fd, uint32_t events, void *data)
{
	struct client *c = data;
	bool go_on;

	(void)s;
	(void)fd;
	if (events & (EPOLLHUP | EPOLLERR))
		go_on = false;
	else
		go_on = c->reply ? client_write(c) : client_read(c);
	if (!go_on)
		client_free(c);
	return 0;
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *data)
{
	(void)s;
	(void)usec;
	client_free(data);
	return 0;
}

static int client_new(struct api *api, int fd)
{
	struct client *c;
	unsigned int i;
	int r;

	for (i = 0; i < API_CLIENTS && api->clients[i]; i++)
		;
	if (i == API_CLIENTS)
		return -EBUSY;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->api = api;
	r = sd_event_add_io(api->d->event, &c->io, fd, EPOLLIN, on_client, c);
	if (r >= 0)
		r = sd_event_add_time_relative(api->d->event, &c->timeout, CLOCK_MONOTONIC,
					       API_TIMEOUT_US, 0, on_timeout, c);
	if (r < 0) {
		sd_event_source_disable_unref(c->io);
		free(c);
		return r;
	}
	c->fd = fd;
	api->clients[i] = c;
	return 0;
}

static int on_connect(sd_event_source *s, int fd, uint32_t events, void *data)
{
	int client;

	(void)s;
	(void)events;
	client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client < 0)
		return 0;
	if (client_new(data, client) < 0)
		close(client);
	return 0;
}

/* Whether somebody answers at the socket. */
static bool is_alive(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive;

	if (fd < 0)
		return false;
	alive = connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0 || errno == EAGAIN;
	close(fd);
	return alive;
}

/* Makes the directory of the socket: systemd does it for a service, nobody for a shell. */
static void make_parent(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)], *slash;

	strcpy(dir, path);
	slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = '\0';
		mkdir(dir, 0755);
	}
}

int api_open(struct daemon *d, struct sl_err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *path = d->settings.socket;
	struct api *api;
	int r;

	_Static_assert(sizeof(a.sun_path) == sizeof(d->settings.socket), "any path fits");
	memcpy(a.sun_path, path, sizeof(a.sun_path));
	make_parent(a.sun_path);
	if (is_alive(&a))
		return sl_err(e, -EADDRINUSE,
			      "another sluiced answers at %s: stop it first, or set another socket",
			      path);
	if (unlink(path) < 0 && errno != ENOENT)
		return sl_err(e, -errno, "cannot replace %s: %s", path, strerror(errno));
	api = calloc(1, sizeof(*api));
	if (!api)
		return sl_err(e, -ENOMEM, "out of memory");
	api->d = d;
	strcpy(api->path, a.sun_path);
	api->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = api->fd < 0 ? -errno : 0;
	if (r == 0 && (bind(api->fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
		       chmod(path, 0660) < 0 || listen(api->fd, API_CLIENTS) < 0))
		r = -errno;
	if (r == 0)
		r = sd_event_add_io(d->event, &api->source, api->fd, EPOLLIN, on_connect, api);
	if (r < 0) {
		if (api->fd >= 0)
			close(api->fd);
		free(api);
		return sl_err(e, r, "cannot open the socket %s: %s", path, strerror(-r));
	}
	d->api = api;
	return 0;
}

void api_close(struct daemon *d)
{
	struct api *api = d->api;
	unsigned int i;

	if (!api)
		return;
	for (i = 0; i < API_CLIENTS; i++)
		if (api->clients[i])
			client_free(api->clients[i]);
	sd_event_source_disable_unref(api->source);
	close(api->fd);
	unlink(api->path);
	free(api);
	d->api = NULL;
}
