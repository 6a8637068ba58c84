// SPDX-License-Identifier: GPL-2.0
#include "lab/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int plot_begin(struct plot *p, const char *name, unsigned int width, unsigned int height,
	       struct sl_err *e)
{
	/* A file, not a pipe: gnuplot may begin to answer before it has read all. */
	p->script = tmpfile();
	if (!p->script)
		return sl_err(e, -errno, "no temporary file for a plot: %s", strerror(errno));
	snprintf(p->name, sizeof(p->name), "%s", name);
	fprintf(p->script, "set terminal svg size %u,%u dynamic enhanced font 'sans-serif,12' name '%s'\n"
		"set encoding utf8\nset key off\n", width, height, p->name);
	return 0;
}

void plot_quoted(struct plot *p, const char *text)
{
	/* What enhanced text takes for marks is kept as it is by a backslash, written as two. */
	fputc('"', p->script);
	for (; *text; text++) {
		if (strchr("_^{}@&~", *text))
			fputs("\\\\", p->script);
		if (*text == '"' || *text == '\\' || *text == '`' || (unsigned char)*text < ' ')
			fputc(' ', p->script);
		else
			fputc(*text, p->script);
	}
	fputc('"', p->script);
}

void plot_abort(struct plot *p)
{
	if (p->script)
		fclose(p->script);
	p->script = NULL;
}

/* Cuts from the first "from" on to the end of the next "to". */
static void cut(char *text, const char *from, const char *to)
{
	char *a = strstr(text, from), *b = a ? strstr(a + strlen(from), to) : NULL;

	if (b)
		memmove(a, b + strlen(to), strlen(b + strlen(to)) + 1);
}

static char *clean(char *svg)
{
	char *start = strstr(svg, "<svg");

	if (!start || !strstr(start, "</svg>")) {
		free(svg);
		return NULL;
	}
	memmove(svg, start, strlen(start) + 1);
	/* HTML knows these two by itself. */
	cut(svg, " xmlns=\"", "\"");
	cut(svg, " xmlns:xlink=\"", "\"");
	cut(svg, "<title>", "</title>");
	cut(svg, "<desc>", "</desc>");
	return svg;
}

static char *all_of(int fd)
{
	size_t n = 0, room = 1 << 16;
	char *text = malloc(room);

	while (text) {
		const ssize_t got = read(fd, text + n, room - n - 1);
		char *more;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += got;
		if (room - n > 1)
			continue;
		room *= 2;
		more = realloc(text, room);
		if (!more)
			free(text);
		text = more;
	}
	if (text)
		text[n] = 0;
	return text;
}

int plot_end(struct plot *p, char **svg, struct sl_err *e)
{
	char *const argv[] = { "gnuplot", "--default-settings", "-", NULL };
	posix_spawn_file_actions_t actions;
	int out[2] = { -1, -1 }, r, status = 0;
	char *text;
	pid_t pid;

	if (fflush(p->script) || fseek(p->script, 0, SEEK_SET) || pipe2(out, O_CLOEXEC)) {
		r = -errno;
		plot_abort(p);
		return sl_err(e, r, "cannot write a plot's script: %s", strerror(-r));
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fileno(p->script), 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	lseek(fileno(p->script), 0, SEEK_SET);
	r = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(out[1]);
	plot_abort(p);
	if (r) {
		close(out[0]);
		return r == ENOENT ?
			sl_err(e, -ENOENT, "there is no gnuplot on this machine: install gnuplot-nox for "
			       "plots") : sl_err(e, -r, "cannot run gnuplot: %s", strerror(r));
	}
	text = all_of(out[0]);
	close(out[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (text && (!WIFEXITED(status) || WEXITSTATUS(status) == 127 || WEXITSTATUS(status))) {
		free(text);
		return sl_err(e, -EIO, "gnuplot failed on a plot (exit status %d)",
			      WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	}
	*svg = text ? clean(text) : NULL;
	return *svg ? 0 : sl_err(e, text ? -EIO : -ENOMEM, "gnuplot gave no picture");
}
