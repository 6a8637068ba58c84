// SPDX-License-Identifier: GPL-2.0
/*
 * Answers what a kernel computes with include/sluice/tree.h and aqm.h, so that a test can compare
 * it with user space on kernels that have no KUnit. See sluice_eval.h.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "sluice_eval.h"

struct eval {
	struct mutex lock;
	struct sluice_eval_request request;
	struct sluice_eval_answer answer;
};

static struct dentry *eval_file;

static int eval_open(struct inode *inode, struct file *file)
{
	struct eval *e = kvzalloc(sizeof(*e), GFP_KERNEL);

	if (!e)
		return -ENOMEM;
	mutex_init(&e->lock);
	file->private_data = e;
	return 0;
}

static int eval_release(struct inode *inode, struct file *file)
{
	kvfree(file->private_data);
	return 0;
}

static ssize_t eval_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)
{
	struct eval *e = file->private_data;
	ssize_t ret = count;

	if (count < SLUICE_EVAL_REQUEST_SIZE(0) || count > sizeof(e->request))
		return -EINVAL;
	mutex_lock(&e->lock);
	if (copy_from_user(&e->request, buf, count))
		ret = -EFAULT;
	else if (e->request.n_states > SLUICE_EVAL_STATES ||
		 count != SLUICE_EVAL_REQUEST_SIZE(e->request.n_states))
		ret = -EINVAL;
	else
		sluice_eval(&e->request, &e->answer);
	mutex_unlock(&e->lock);
	return ret;
}

static ssize_t eval_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	struct eval *e = file->private_data;
	ssize_t ret;

	mutex_lock(&e->lock);
	ret = simple_read_from_buffer(buf, count, pos, &e->answer,
				      SLUICE_EVAL_ANSWER_SIZE(e->answer.n_states));
	mutex_unlock(&e->lock);
	return ret;
}

static const struct file_operations eval_fops = {
	.owner = THIS_MODULE,
	.open = eval_open,
	.release = eval_release,
	.write = eval_write,
	.read = eval_read,
};

static int __init eval_init(void)
{
	eval_file = debugfs_create_file(SLUICE_EVAL_FILE, 0600, NULL, NULL, &eval_fops);
	return PTR_ERR_OR_ZERO(eval_file);
}
module_init(eval_init);

static void __exit eval_exit(void)
{
	debugfs_remove(eval_file);
}
module_exit(eval_exit);

MODULE_DESCRIPTION("Test module: evaluates sluice's decision trees");
MODULE_LICENSE("GPL");
