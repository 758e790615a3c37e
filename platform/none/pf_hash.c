/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_hash.h"

void
pf_hash_tune(void)
{
}
