/* SPDX-License-Identifier: Apache-2.0 */

/*
 * json_lines FILE                check that each line of FILE is one object
 *                                with "v":1 and a "type", that there is a line,
 *                                and that the last is the summary
 * json_lines FILE TYPE KEY...    of the last object of TYPE, print the values,
 *                                a line each; a KEY that is not there: exit 1
 * json_lines FILE TYPE           how many objects of TYPE there are
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
print(const json_t *value)
{
	if (json_is_string(value)) {
		fwrite(json_string_value(value), 1, json_string_length(value),
		       stdout);
		putchar('\n');
	} else {
		json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_COMPACT);
		putchar('\n');
	}
}

static json_t *
parse(const char *line, unsigned long number)
{
	json_error_t error;
	json_t *object = json_loads(line, 0, &error);
	const char *why = NULL;

	if (object == NULL)
		why = error.text;
	else if (!json_is_object(object))
		why = "not an object";
	else if (json_integer_value(json_object_get(object, "v")) != 1)
		why = "no \"v\":1";
	else if (!json_is_string(json_object_get(object, "type")))
		why = "no type";
	if (why == NULL)
		return object;
	printf("line %lu: %s: %s\n", number, why, line);
	exit(1);
}

int
main(int argc, char **argv)
{
	unsigned long lines = 0, count = 0;
	char *line = NULL;
	size_t capacity = 0;
	json_t *last = NULL, *found = NULL;
	FILE *file;

	if (argc < 2)
		return 2;
	file = fopen(argv[1], "r");
	if (file == NULL) {
		perror(argv[1]);
		return 1;
	}
	while (getline(&line, &capacity, file) > 0) {
		const char *type;

		json_decref(last);
		last = parse(line, ++lines);
		type = json_string_value(json_object_get(last, "type"));
		if (argc > 2 && strcmp(type, argv[2]) == 0) {
			json_decref(found);
			found = json_incref(last);
			count++;
		}
	}
	free(line);
	fclose(file);
	if (argc == 2) {
		const char *type =
			json_string_value(json_object_get(last, "type"));

		if (type == NULL || strcmp(type, "summary") != 0) {
			printf("the last of %lu lines is no summary\n", lines);
			return 1;
		}
	} else if (argc == 3) {
		printf("%lu\n", count);
	}
	for (int i = 3; i < argc; i++) {
		const json_t *value = json_object_get(found, argv[i]);

		if (value == NULL) {
			printf("no %s in the %s\n", argv[i], argv[2]);
			return 1;
		}
		print(value);
	}
	json_decref(last);
	json_decref(found);
	return 0;
}
