// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/checkpoint.h"

static char dir[64], path[96];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/sluice-checkpoint.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/learned", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static const char ecn[] = "what the ECN agent knows", steer[] = "steering";

static void write_good(void)
{
	const struct checkpoint_part parts[] = {
		{ "ecn", ecn, sizeof(ecn) }, { "steer", steer, sizeof(steer) }, { "none", NULL, 0 },
	};
	struct sl_err e = { "" };

	assert_int_equal(checkpoint_write(path, parts, 3, &e), 0);
}

static size_t slurp(uint8_t *buf, size_t size)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	assert_non_null(f);
	n = fread(buf, 1, size, f);
	fclose(f);
	return n;
}

static void spill(const uint8_t *buf, size_t size)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(buf, 1, size, f), size);
	fclose(f);
}

/* Refused with this errno, a sentence that names the file, and *ret untouched. */
static void refused(int want)
{
	struct checkpoint *c = (struct checkpoint *)0x1;
	struct sl_err e = { "" };
	int r = checkpoint_read(path, &c, &e);

	if (r != want)
		fail_msg("%d instead of %d: %s", r, want, e.text);
	assert_ptr_equal(c, (void *)0x1);
	assert_non_null(strstr(e.text, path));
}

static void round_trip(void **state)
{
	struct checkpoint *c;
	struct sl_err e;
	struct stat st;
	size_t size = 99;

	(void)state;
	write_good();
	write_good();	/* over the first */
	assert_int_equal(checkpoint_read(path, &c, &e), 0);
	assert_memory_equal(checkpoint_section(c, "ecn", &size), ecn, sizeof(ecn));
	assert_int_equal(size, sizeof(ecn));
	assert_memory_equal(checkpoint_section(c, "steer", &size), steer, sizeof(steer));
	assert_int_equal(size, sizeof(steer));
	assert_non_null(checkpoint_section(c, "none", &size));
	assert_int_equal(size, 0);
	assert_null(checkpoint_section(c, "ec", &size));
	checkpoint_free(c);
	checkpoint_free(NULL);
	/* Nothing beside it is left over (the directory can be removed), and it is private. */
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void every_cut_is_refused(void **state)
{
	uint8_t buf[512];
	size_t n;

	(void)state;
	write_good();
	n = slurp(buf, sizeof(buf));
	for (size_t cut = 0; cut < n; cut++) {
		spill(buf, cut);
		refused(-EBADMSG);
	}
	buf[n] = 0;
	spill(buf, n + 1);
	refused(-EBADMSG);
}

static void every_changed_byte_is_refused(void **state)
{
	uint8_t buf[512];
	size_t n;

	(void)state;
	write_good();
	n = slurp(buf, sizeof(buf));
	for (size_t i = 0; i < n; i++) {
		buf[i] ^= 0x40;
		spill(buf, n);
		/* Bytes 8 to 11 are the version. */
		refused(i >= 8 && i < 12 ? -EPROTO : -EBADMSG);
		buf[i] ^= 0x40;
	}
}

static void not_a_checkpoint(void **state)
{
	static const uint8_t text[] = "[daemon]\nepoch_ms = 50\n# something else altogether\n";

	(void)state;
	unlink(path);
	refused(-ENOENT);
	spill(text, sizeof(text));
	refused(-EBADMSG);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	refused(-EBADMSG);
	assert_int_equal(rmdir(path), 0);
	/* Must not wait for a writer. */
	assert_int_equal(mkfifo(path, 0600), 0);
	refused(-EBADMSG);
}

static void failed_write_changes_nothing(void **state)
{
	const struct checkpoint_part too_long = { "a name of seventeen", "x", 1 };
	struct checkpoint_part many[CHECKPOINT_MAX_SECTIONS + 1];
	struct checkpoint *c;
	struct sl_err e = { "" };

	(void)state;
	unlink(path);
	write_good();
	assert_int_equal(checkpoint_write(path, &too_long, 1, &e), -EINVAL);
	for (int i = 0; i <= CHECKPOINT_MAX_SECTIONS; i++)
		many[i] = (struct checkpoint_part) { "x", "x", 1 };
	assert_int_equal(checkpoint_write(path, many, CHECKPOINT_MAX_SECTIONS + 1, &e), -EINVAL);
	assert_int_equal(checkpoint_read(path, &c, &e), 0);
	checkpoint_free(c);
	assert_int_equal(checkpoint_write("/nonexistent/learned", many, 1, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nonexistent/learned"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(every_changed_byte_is_refused),
		cmocka_unit_test(not_a_checkpoint),
		cmocka_unit_test(failed_write_changes_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
