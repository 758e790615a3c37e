/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAMPLE_MESSAGES_H
#define SAMPLE_MESSAGES_H

/*
 * sample_messages - one message of each type, with something in every field.
 */

#include "core/link/message.h"

/* Pointers in it are to constants. */
struct message sample_message(enum message_type type);

/* All that the type says is equal; what is pointed to is compared. */
void assert_same_message(const struct message *a, const struct message *b);

#endif
