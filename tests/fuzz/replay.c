/* SPDX-License-Identifier: Apache-2.0 */

/*
 * replay - run a fuzz target without a fuzzer: fuzz_NAME CORPUS-DIRECTORY.
 *
 * Every file of the corpus is given to LLVMFuzzerTestOneInput(), and then
 * mutations of them from a fixed seed, the same on every target.  An input that
 * makes the target misbehave ends the program; it is then in the file that
 * FUZZ_LAST names.  FUZZ_MUTATIONS says how many mutations (2,000, or what the
 * target says).
 *
 * A single file instead of a directory is run once: to see a failure again.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A target whose runs are slow has a smaller number of its own. */
__attribute__((weak)) long fuzz_mutation_count = 2000;

#define INPUT_SIZE_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	uint8_t *data;
	size_t size;
};

static uint64_t random_state = 0x9e3779b97f4a7c15;
static int last_fd = -1;

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift
 * generators, scrambled".  Below `limit`, which is not 0. */
static size_t
random_below(size_t limit)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (size_t)((random_state * 0x2545f4914f6cdd1d >> 32) % limit);
}

static void
load(const char *path, struct input *ret_input)
{
	uint8_t *data = malloc(INPUT_SIZE_MAX);
	FILE *file = fopen(path, "rb");

	if (data == NULL || file == NULL)
		err(1, "%s", path);
	ret_input->size = fread(data, 1, INPUT_SIZE_MAX, file);
	ret_input->data = data;
	fclose(file);
}

/* The target gets a buffer of exactly the input's size, so that a sanitizer
 * sees a read beyond it. */
static void
run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + (size == 0));

	if (copy == NULL)
		err(1, "malloc");
	if (size > 0)
		memcpy(copy, data, size);
	if (last_fd >= 0 && (ftruncate(last_fd, 0) < 0 ||
			     pwrite(last_fd, data, size, 0) != (ssize_t)size))
		err(1, "FUZZ_LAST");
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

/* Open or close a gap of `count` bytes at `at`. */
static size_t
resize(uint8_t *data, size_t size, size_t at, size_t count, int grow)
{
	if (grow) {
		if (size + count > INPUT_SIZE_MAX)
			return size;
		memmove(data + at + count, data + at, size - at);
		for (size_t i = 0; i < count; i++)
			data[at + i] = (uint8_t)random_below(256);
		return size + count;
	}
	if (count > size - at)
		count = size - at;
	memmove(data + at, data + at + count, size - at - count);
	return size - count;
}

/* One small change, of the kinds that decoders get wrong. */
static size_t
mutate(uint8_t *data, size_t size, const struct input *other)
{
	static const uint64_t values[] = {
		0,
		1,
		0x7f,
		0x80,
		0xff,
		0x7fff,
		0x8000,
		0xffff,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x100000000,
		0x7fffffffffffffff,
		0x8000000000000000,
		0xffffffffffffffff,
	};
	size_t at = size > 0 ? random_below(size) : 0;
	size_t count = 1 + random_below(16);
	uint64_t value = values[random_below(sizeof values / sizeof *values)];

	if (size == 0)
		return resize(data, 0, 0, count, 1);
	switch (random_below(8)) {
	case 0:
		data[at] ^= (uint8_t)(1u << random_below(8));
		return size;
	case 1:
		data[at] = (uint8_t)random_below(256);
		return size;
	case 2: /* a number at its edge, little-endian, of 1 to 8 bytes */
		count = (size_t)1 << random_below(4);
		for (size_t i = 0; i < count && at + i < size; i++)
			data[at + i] = (uint8_t)(value >> (8 * i));
		return size;
	case 3: /* a number a little off */
		data[at] = (uint8_t)(data[at] + random_below(9) - 4);
		return size;
	case 4:
		return resize(data, size, at, count, 1);
	case 5:
		return resize(data, size, at, count, 0);
	case 6: /* cut short */
		return at;
	default: /* a piece of another input */
		if (count > other->size)
			count = other->size;
		if (count > size - at)
			count = size - at;
		if (count > 0)
			memcpy(data + at,
			       other->data +
				       random_below(other->size - count + 1),
			       count);
		return size;
	}
}

static int
is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int
main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	const char *last = getenv("FUZZ_LAST");
	const char *wanted = getenv("FUZZ_MUTATIONS");
	long mutations = wanted != NULL ? strtol(wanted, NULL, 10)
					: fuzz_mutation_count;
	struct dirent **names = NULL;
	struct input *inputs;
	int count = 0;
	uint8_t *data = malloc(INPUT_SIZE_MAX);
	struct stat st;

	name = name != NULL ? name + 1 : argv[0];
	if (argc != 2)
		errx(2, "usage: %s CORPUS-DIRECTORY|FILE", name);
	if (last != NULL)
		last_fd = open(last, O_RDWR | O_CREAT | O_TRUNC, 0666);
	if (stat(argv[1], &st) == 0 && S_ISREG(st.st_mode)) {
		struct input one;

		load(argv[1], &one);
		run(one.data, one.size);
		printf("PASS %s/%s\n", name, argv[1]);
		return 0;
	}

	/* The corpus, in an order that does not depend on the directory. */
	if (stat(argv[1], &st) == 0)
		count = scandir(argv[1], &names, is_file, alphasort);
	if (count < 0 || data == NULL)
		err(1, "%s", argv[1]);
	inputs = calloc((size_t)count + 1, sizeof *inputs);
	if (inputs == NULL)
		err(1, "calloc");
	for (int i = 0; i < count; i++) {
		char path[4096];

		snprintf(path, sizeof path, "%s/%s", argv[1], names[i]->d_name);
		load(path, &inputs[i]);
		run(inputs[i].data, inputs[i].size);
	}
	run(NULL, 0);
	printf("PASS %s/corpus (%d files)\n", name, count);

	/* Mutations of each in turn; inputs[count] is the empty one. */
	for (long i = 0; i < mutations; i++) {
		const struct input *from = &inputs[i % (count + 1)];
		const struct input *other =
			&inputs[random_below((size_t)count + 1)];
		size_t size = from->size;
		size_t steps = 1 + random_below(4);

		if (size > 0)
			memcpy(data, from->data, size);
		while (steps-- > 0)
			size = mutate(data, size, other);
		run(data, size);
	}
	printf("PASS %s/mutations (%ld)\n", name, mutations);
	for (int i = 0; i < count; i++) {
		free(inputs[i].data);
		free(names[i]);
	}
	free(inputs);
	free(names);
	free(data);
	return 0;
}
