/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAMPLE_KEY_H
#define SAMPLE_KEY_H

/*
 * sample_key - keys that everybody knows, and what was signed with them.
 *
 * SAMPLE_SEED and SAMPLE_ID make a key of ours.  The rest was made by minisign
 * 0.11: a pair of keys with -G -W, signatures over SAMPLE_MESSAGE with -S and
 * with -S -l, and a secret key with the password "x".
 */

#include "core/trust/key.h"

#define SAMPLE_ID UINT64_C(0x0123456789ABCDEF)

#define SAMPLE_MESSAGE "the message that was signed\n"

#define SAMPLE_PUBLIC_COMMENT "untrusted comment: minisign public key"
#define SAMPLE_PUBLIC_LINE \
	"RWSavTtL+MOxJsj/JvFrWrrl03832hQXR7IVNY6t0u6zF66tCETP7L39"
#define SAMPLE_PUBLIC \
	SAMPLE_PUBLIC_COMMENT " 26B1C3F84B3BBD9A\n" SAMPLE_PUBLIC_LINE "\n"

#define SAMPLE_SECRET_COMMENT "untrusted comment: minisign encrypted secret key"
#define SAMPLE_SECRET_LINE                                             \
	"RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAmr07S/jDsSYjd7SsaCSTCFIC+7KEYDzZBtVLcYnxJz3wSueD" \
	"JG4eC8j/JvFrWrrl03832hQXR7IVNY6t0u6zF66tCETP7L39AAAAAAAAAAAA" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define SAMPLE_SECRET SAMPLE_SECRET_COMMENT "\n" SAMPLE_SECRET_LINE "\n"

#define SAMPLE_ENCRYPTED                                              \
	SAMPLE_SECRET_COMMENT                                         \
	"\n"                                                          \
	"RWRTY0IyKzwC0VZWO8x2BI2WyWDJ4uwZZkXfbuoXOb9vH4SP7U4AAAACAAA" \
	"AAAAAAEAAAAAAd9eSqTtUppjDr09iLNfgEfiMz1fzInqT9Sqlb14AwzARIu" \
	"bbUwTdehKOD6SYaFz56OhHuDl2eWVexo2CKaCuZll83tIpS3vEJSCpdGuXe" \
	"4uztBI+ROZHI2guuf7zTeMz0qHqHLtol+I=\n"

#define SAMPLE_SIGNATURE                                                   \
	"untrusted comment: signature from minisign secret key\n"          \
	"RUSavTtL+MOxJpvQwrA9GlzvWFzPfBkhNLte2iRNZ03Pb7j5Z+pkBuDjIWkzft4t" \
	"b2bCPdzOopFQW2/xf2SOeeEnLlWPLgMjVwA=\n"                           \
	"trusted comment: made by minisign\n"                              \
	"nsthna8kZ/UjqKh9V4GZ92q8iHvio/rqp7RXELzDc6iRtUSTRXOwVHPuoU4hj9l0" \
	"e3WJ1iFOgWaLJjwD0iBYAw==\n"

#define SAMPLE_SIGNATURE_LEGACY                                            \
	"untrusted comment: signature from minisign secret key\n"          \
	"RWSavTtL+MOxJlc3qB997c4UtvOoRf0M5Pmcxvn7ktRJrJQwhocym6zO/G8ocz3A" \
	"tY4FR2y6lF5rpjCxidSNhRILDR/5F0wq3g0=\n"                           \
	"trusted comment: made by minisign\n"                              \
	"qiJQ8KXh1WXmtzVU+2erADcY/fRfdkEs8bzqkO5iCM1kB2pqnNh3mO3KzMNQqcWr" \
	"4014/KAyrM2ntzi1epevAQ==\n"

/* The key of ours. */
static inline struct secret_key
sample_key(void)
{
	struct secret_key key;
	uint8_t seed[KEY_SEED_SIZE];

	for (uint8_t i = 0; i < KEY_SEED_SIZE; i++)
		seed[i] = i;
	secret_key_of_seed(SAMPLE_ID, seed, &key);
	return key;
}

#endif
