// SPDX-License-Identifier: GPL-2.0
#include "lib/anonymise.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/anon_frame.h"
#include "lib/capture.h"
#include "lib/frame_key.h"

#define SNAPLEN		262144	/* libpcap's greatest */
#define HEX_DIGITS	(2 * CRYPTOPAN_KEY_BYTES)

/* --- the key ---------------------------------------------------------------------- */

int anonymise_random_key(uint8_t key[CRYPTOPAN_KEY_BYTES], struct sl_err *e)
{
	/* Of up to 256 bytes none are left out once the kernel has its entropy. */
	if (getrandom(key, CRYPTOPAN_KEY_BYTES, 0) == CRYPTOPAN_KEY_BYTES)
		return 0;
	return sl_err(e, -errno, "no random numbers: %s", strerror(errno));
}

static int make_key(const char *path, uint8_t key[CRYPTOPAN_KEY_BYTES], struct sl_err *e)
{
	char text[HEX_DIGITS + 2];
	int fd, r;

	r = anonymise_random_key(key, e);
	if (r)
		return r;
	for (int i = 0; i < CRYPTOPAN_KEY_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", key[i]);
	text[HEX_DIGITS] = '\n';
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return sl_err(e, -errno, "cannot make the key file %s: %s", path, strerror(errno));
	r = write(fd, text, HEX_DIGITS + 1) == HEX_DIGITS + 1 && !fsync(fd) ? 0 : -EIO;
	close(fd);
	explicit_bzero(text, sizeof(text));
	if (!r)
		return 0;
	unlink(path);
	return sl_err(e, r, "cannot write the key file %s", path);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_key(const char *text, size_t n, uint8_t key[CRYPTOPAN_KEY_BYTES])
{
	while (n && isspace((unsigned char)text[n - 1]))
		n--;
	if (n != HEX_DIGITS)
		return -EINVAL;
	for (int i = 0; i < CRYPTOPAN_KEY_BYTES; i++) {
		const int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		key[i] = high << 4 | low;
	}
	return 0;
}

static int read_key(int fd, const char *path, uint8_t key[CRYPTOPAN_KEY_BYTES], struct sl_err *e)
{
	char text[HEX_DIGITS + 16];
	struct stat st;
	ssize_t n;
	int r;

	if (fstat(fd, &st) < 0)
		return sl_err(e, -errno, "cannot read %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return sl_err(e, -EINVAL, "%s is no regular file", path);
	if (st.st_uid && st.st_uid != geteuid())
		return sl_err(e, -EPERM, "the key file %s belongs to somebody else", path);
	if (st.st_mode & 077)
		return sl_err(e, -EPERM, "others have access to the key file %s: take a new key, or "
			      "chmod 600 it if nobody has read it", path);
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return sl_err(e, -errno, "cannot read %s: %s", path, strerror(errno));
	r = parse_key(text, (size_t)n, key);
	explicit_bzero(text, sizeof(text));
	return r ? sl_err(e, r, "%s:1: a key is %d hexadecimal digits", path, HEX_DIGITS) : 0;
}

int anonymise_key(const char *path, uint8_t key[CRYPTOPAN_KEY_BYTES], bool *made,
		  struct sl_err *e)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), r;

	if (fd < 0 && errno == ENOENT) {
		r = make_key(path, key, e);
		*made = !r;
		return r;
	}
	if (fd < 0)
		return sl_err(e, -errno, "cannot read the key file %s: %s", path, strerror(errno));
	*made = false;
	r = read_key(fd, path, key, e);
	close(fd);
	return r;
}

/* --- records ---------------------------------------------------------------------- */

struct job {
	struct anon anon;
	struct capture *c;
	pcap_t *dead;
	pcap_dumper_t *to;
	uint8_t *frame;		/* Ethernet, anonymised */
	uint8_t *record;	/* as it goes to the file */
	size_t room;
	struct anonymise_stats stats;
};

/* The address in a "cooked" header: a MAC address or, of other interfaces, nothing. */
static void cooked_address(const struct anon *a, uint8_t address[8], unsigned int bytes)
{
	if (bytes == 6) {
		anon_mac_source(a, address);
		memset(address + 6, 0, 2);
	} else {
		memset(address, 0, 8);
	}
}

static void link_header(const struct job *j, uint8_t *header)
{
	switch (capture_link_type(j->c)) {
	case DLT_LINUX_SLL:
		cooked_address(&j->anon, header + 6, header[4] << 8 | header[5]);
		break;
	case DLT_LINUX_SLL2:
		cooked_address(&j->anon, header + 12, header[11]);
		break;
	}
}

static int make_room(struct job *j, size_t bytes)
{
	uint8_t *frame, *record;

	if (bytes <= j->room)
		return 0;
	frame = realloc(j->frame, bytes);
	if (frame)
		j->frame = frame;
	record = realloc(j->record, bytes);
	if (record)
		j->record = record;
	if (!frame || !record)
		return -ENOMEM;
	j->room = bytes;
	return 0;
}

static void count(struct job *j, const struct capture_frame *f)
{
	struct sluice_flow_key key;
	const int r = frame_key(f->data, f->bytes, SLUICE_INSIDE_ALL, &key);

	if (r == FRAME_KEY_FOUND)
		j->stats.whole++;
	else
		j->stats.cut[r]++;
}

static int anonymise_record(struct job *j, const struct capture_frame *f)
{
	const uint32_t header = capture_link_bytes(j->c);
	struct pcap_pkthdr h = *f->header;
	uint32_t kept;

	if (make_room(j, f->captured + header + ETH_HLEN))
		return -ENOMEM;
	h.caplen = 0;
	if (f->data) {
		kept = anon_frame(&j->anon, f->data, f->bytes, j->frame);
		count(j, f);
		if (header == ETH_HLEN && f->data == f->record) {
			memcpy(j->record, j->frame, kept);
			h.caplen = kept;
		} else {
			memcpy(j->record, f->record, header);
			link_header(j, j->record);
			memcpy(j->record + header, j->frame + ETH_HLEN, kept - ETH_HLEN);
			h.caplen = header + kept - ETH_HLEN;
		}
	} else {
		j->stats.cut[SLUICE_PASS_truncated]++;
	}
	pcap_dump((uint8_t *)j->to, &h, j->record);
	j->stats.packets++;
	j->stats.bytes_in += f->captured;
	j->stats.bytes_out += h.caplen;
	return 0;
}

/* --- files ------------------------------------------------------------------------ */

/* A rename replaces whatever is there, and the capture itself must not be lost. */
static int check_out(const char *in, const char *out, struct sl_err *e)
{
	struct stat a, b;

	if (stat(out, &b) < 0)
		return 0;
	if (!S_ISREG(b.st_mode))
		return sl_err(e, -EINVAL, "%s is no regular file", out);
	if (!stat(in, &a) && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return sl_err(e, -EINVAL, "%s would be replaced: give the anonymised capture a name "
			      "of its own", in);
	return 0;
}

static int run(struct job *j, struct sl_err *e)
{
	struct capture_frame f;
	int r;

	while ((r = capture_next(j->c, &f, e)) == 1)
		if (anonymise_record(j, &f))
			return sl_err(e, -ENOMEM, "out of memory");
	return r;
}

static int write_out(struct job *j, const char *out, struct sl_err *e)
{
	char tmp[4096];
	mode_t mask;
	FILE *f;
	int fd, r;

	if (snprintf(tmp, sizeof(tmp), "%s.XXXXXX", out) >= (int)sizeof(tmp))
		return sl_err(e, -ENAMETOOLONG, "the name %.64s... is too long", out);
	fd = mkostemp(tmp, O_CLOEXEC);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		r = sl_err(e, -errno, "cannot make %s: %s", tmp, strerror(errno));
		if (fd >= 0) {
			close(fd);
			unlink(tmp);
		}
		return r;
	}
	j->to = pcap_dump_fopen(j->dead, f);
	if (!j->to) {
		r = sl_err(e, -EIO, "cannot write %s: %s", tmp, pcap_geterr(j->dead));
		fclose(f);
		unlink(tmp);
		return r;
	}
	r = run(j, e);
	/* What mkostemp() makes only its owner may read; this is made to be passed on. */
	umask(mask = umask(0));
	if (!r && (fflush(f) || ferror(f) || fchmod(fd, 0666 & ~mask) || fsync(fd)))
		r = sl_err(e, errno ? -errno : -EIO, "cannot write %s: %s", tmp,
			   errno ? strerror(errno) : "write error");
	pcap_dump_close(j->to);
	if (!r && rename(tmp, out) < 0)
		r = sl_err(e, -errno, "cannot rename %s to %s: %s", tmp, out, strerror(errno));
	if (r)
		unlink(tmp);
	return r;
}

int anonymise_file(const char *in, const char *out, const uint8_t key[CRYPTOPAN_KEY_BYTES],
		   struct anonymise_stats *stats, struct sl_err *e)
{
	struct job j = { 0 };
	int r;

	r = check_out(in, out, e);
	if (!r)
		r = capture_open(in, &j.c, e);
	if (r)
		return r;
	anon_init(&j.anon, key);
	j.dead = pcap_open_dead_with_tstamp_precision(capture_link_type(j.c), SNAPLEN,
						      capture_precision(j.c));
	r = j.dead ? write_out(&j, out, e) : sl_err(e, -ENOMEM, "out of memory");
	if (!r)
		*stats = j.stats;
	if (j.dead)
		pcap_close(j.dead);
	capture_close(j.c);
	free(j.frame);
	free(j.record);
	explicit_bzero(&j, sizeof(j));
	return r;
}
