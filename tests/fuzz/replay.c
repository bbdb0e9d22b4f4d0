/*
 * replay.c - run a fuzz target over every file of the directories named, without libFuzzer:
 * what CI does with the corpora.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/fs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_dir(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *d;
	int n = 0;

	if (!dir) {
		fprintf(stderr, "no corpus in %s\n", path);
		return -1;
	}
	while ((d = readdir(dir))) {
		_cleanup_free_ char *file = xasprintf("%s/%s", path, d->d_name);
		_cleanup_buf_ struct buf data = BUF_NULL;
		struct err e = ERR_NULL;

		if (d->d_name[0] == '.')
			continue;
		if (fs_read_file(file, 64 * 1024 * 1024, &data, &e) != 0) {
			fprintf(stderr, "%s: %s\n", file, e.text);
			return -1;
		}
		/* An exact copy: reading one byte too far is seen by the sanitizer. */
		{
			_cleanup_free_ uint8_t *copy = xmemdup(data.data, data.len);

			LLVMFuzzerTestOneInput(copy, data.len);
		}
		n++;
	}
	return n;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int n = replay_dir(argv[i]);

		if (n <= 0)
			return 1;
		printf("%s: %d inputs\n", argv[i], n);
	}
	return 0;
}
