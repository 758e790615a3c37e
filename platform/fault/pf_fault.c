/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_fault.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned calls_left; /* 0: no fault is set */
static int error;
static bool fired;

int
pf_fault(void)
{
	int err = 0;

	pthread_mutex_lock(&lock);
	if (calls_left > 0 && --calls_left == 0) {
		fired = true;
		err = error;
	}
	pthread_mutex_unlock(&lock);
	return err;
}

void
pf_fault_set(unsigned call, int err)
{
	pthread_mutex_lock(&lock);
	calls_left = call;
	error = err;
	fired = false;
	pthread_mutex_unlock(&lock);
}

bool
pf_fault_clear(void)
{
	bool did;

	pthread_mutex_lock(&lock);
	did = fired;
	calls_left = 0;
	fired = false;
	pthread_mutex_unlock(&lock);
	return did;
}
