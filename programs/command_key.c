/* SPDX-License-Identifier: Apache-2.0 */

/* command_key - makes and shows the keys that images are signed with. */

#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/trust/trust.h"
#include "programs/command.h"
#include "programs/talk.h"

static json_t *
to_json(const struct public_key *key, bool is_secret)
{
	char hex[KEY_ID_HEX_SIZE], text[KEY_TEXT_SIZE];

	key_id_to_hex(key->id, hex);
	public_key_to_text(key, text);
	return json_pack("{s:s, s:s, s:s}", "key_id", hex, "public_key", text,
			 "kind", is_secret ? "secret" : "public");
}

static int
make(const char *name)
{
	struct public_key key;
	char hex[KEY_ID_HEX_SIZE];
	int err = key_make_files(name, &key);

	if (err < 0)
		return err;
	key_id_to_hex(key.id, hex);
	if (talk_is_json())
		talk_json("key", to_json(&key, true));
	talk_say("key %s: %s.key signs, keep it secret; %s.pub is to be "
		 "trusted",
		 hex, name, name);
	return 0;
}

/* As a .pub file, so that it can be added to a list of trusted keys. */
static int
tell(const struct public_key *key, bool is_secret)
{
	struct buffer file = { 0 };
	int err = 0;

	if (talk_is_json()) {
		talk_json("key", to_json(key, is_secret));
		return 0;
	}
	err = public_key_add_file(key, &file);
	if (err < 0)
		report_error(err, NULL, "showing the key");
	else
		fwrite(file.data, 1, file.size, stdout);
	buffer_release(&file);
	return err;
}

static int
show(const char *path)
{
	struct trust *trust = NULL;
	bool is_secret = false;
	int err = trust_read_any(path, &trust, &is_secret);

	if (err < 0)
		return err;
	for (size_t i = 0; err == 0 && i < trust_key_count(trust); i++)
		err = tell(trust_key(trust, i), is_secret);
	trust_free(trust);
	return err;
}

int
command_key(const struct options *options)
{
	const char *verb = options->arguments[0];
	const char *name = options->arguments[1];
	int err;

	talk_start(options, false);
	if (strcmp(verb, "new") == 0)
		err = make(name);
	else if (strcmp(verb, "show") == 0)
		err = show(name);
	else
		err = report_error(DSP_EINVAL, NULL,
				   "key takes new or show, not \"%s\"", verb);
	talk_summary("key", err_exit_code(err), NULL);
	return err_exit_code(err);
}
