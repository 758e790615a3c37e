/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/owners.h"

#include <pthread.h>
#include <string.h>

#include "tests/unit/support.h"

/* Ids and names that no machine has. */
#define NO_ID	3123456789u
#define NO_NAME "no-such-name-here"

static void
owners_name_counts_where_the_machine_knows_it(void **state)
{
	struct owners *owners = owners_new();
	uint32_t uid, gid;

	(void)state;
	assert_non_null(owners);
	assert_int_equal(
		owners_to_ids(owners, "root", 777, "root", 888, &uid, &gid), 0);
	assert_int_equal(uid, 0);
	assert_int_equal(gid, 0);
	assert_int_equal(owners_to_ids(owners, NO_NAME, 777, NO_NAME, 888, &uid,
				       &gid),
			 0);
	assert_int_equal(uid, 777);
	assert_int_equal(gid, 888);
	assert_int_equal(
		owners_to_ids(owners, "", NO_ID, "", NO_ID, &uid, &gid), 0);
	assert_int_equal(uid, NO_ID);
	assert_int_equal(gid, NO_ID);
	owners_free(owners);
	owners_free(NULL);
}

/* Asked again, and with other numbers, the answer is remembered rightly. */
static void
owners_remember_each_name_by_itself(void **state)
{
	struct owners *owners = owners_new();
	uint32_t uid, gid;

	(void)state;
	for (uint32_t i = 0; i < 50; i++) {
		assert_int_equal(owners_to_ids(owners, NO_NAME, i, "root", i,
					       &uid, &gid),
				 0);
		assert_int_equal(uid, i);
		assert_int_equal(gid, 0);
		assert_int_equal(owners_to_ids(owners, "root", i, NO_NAME, i,
					       &uid, &gid),
				 0);
		assert_int_equal(uid, 0);
		assert_int_equal(gid, i);
	}
	owners_free(owners);
}

static void
owners_names_are_empty_for_ids_without(void **state)
{
	struct owners *owners = owners_new();
	const char *user, *group, *again;

	(void)state;
	assert_int_equal(owners_to_names(owners, 0, 0, &user, &group), 0);
	assert_string_equal(user, "root");
	assert_string_equal(group, "root");
	again = user;
	assert_int_equal(owners_to_names(owners, NO_ID, NO_ID, &user, &group),
			 0);
	assert_string_equal(user, "");
	assert_string_equal(group, "");

	/* Lent until the end: others were asked for meanwhile. */
	for (uint32_t id = 1; id < 100; id++)
		assert_int_equal(owners_to_names(owners, id, id, &user, &group),
				 0);
	assert_string_equal(again, "root");
	owners_free(owners);
}

static void *
ask(void *context)
{
	struct owners *owners = context;

	for (uint32_t i = 0; i < 300; i++) {
		const char *user, *group;
		uint32_t uid, gid;

		assert_int_equal(owners_to_names(owners, i % 7, i % 5, &user,
						 &group),
				 0);
		assert_int_equal(owners_to_ids(owners, user, 1, group, 2, &uid,
					       &gid),
				 0);
	}
	return NULL;
}

/* ThreadSanitizer tells. */
static void
owners_may_be_asked_by_any_thread(void **state)
{
	struct owners *owners = owners_new();
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask, owners),
				 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	owners_free(owners);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owners_name_counts_where_the_machine_knows_it),
		cmocka_unit_test(owners_remember_each_name_by_itself),
		cmocka_unit_test(owners_names_are_empty_for_ids_without),
		cmocka_unit_test(owners_may_be_asked_by_any_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
