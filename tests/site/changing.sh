# SPDX-License-Identifier: Apache-2.0
#
# A source that changes while it is read is an error that names what changed;
# it never becomes a torn image.

# shellcheck source=tests/lib.sh
. "$TOP/tests/lib.sh"

# Large enough that the change is sure to be seen before the end.

need mkdir t
need tool tree_make data t/steady 2000000 1
size=$(full 60000000 20000000)

for how in append overwrite shrink; do
	rm -f t/moving
	need tool tree_make data t/moving "$size" 2
	in_background rewrite tool_process file_rewrite $how t/moving
	despool pack t -o t.pck
	stop_background
	claim "${how}_is_an_error_that_names_the_file" ended 1 t/moving "changed while it was read"
	claim "${how}_leaves_no_image" both absent t.pck ++ nothing_left .
done

# An image that is there already stays.

rm -f t/moving
need $DESPOOL pack t -o t.pck -q
need cp t.pck before.pck
need tool tree_make data t/moving "$size" 2
in_background rewrite tool_process file_rewrite overwrite t/moving
despool pack t -o t.pck --force
stop_background
claim an_older_image_survives both ended 1 t/moving ++ cmp before.pck t.pck ++ nothing_left .

# A directory whose entries come and go while it is read.

rm -f t/moving
need mkdir t/busy
need tool tree_make many t/busy/many 100 10 1
need tool tree_make data t/busy/large "$size" 2
(while :; do
	: >t/busy/new
	rm -f t/busy/new
done) &
churn=$!
despool pack t -o busy.pck
kill $churn
wait $churn 2>/dev/null
claim a_directory_that_changes_is_an_error ended 1 t/busy "changed while it was read"
claim it_leaves_no_image both absent busy.pck ++ nothing_left .

# At distribution points nothing is published.

rm -rf t/busy
need tool tree_make data t/moving "$size" 2
in_background rewrite tool_process file_rewrite append t/moving
despool fanout t dp1 dp2
stop_background
claim fanout_names_the_file ended 1 t/moving "changed while it was read"
claim and_publishes_nothing both absent dp1/LOC00000/current dp1/LOC00000/1 ++ \
	absent dp2/LOC00000/current dp2/LOC00000/1 ++ \
	equal "$(find dp1/.despool/staging dp2/.despool/staging -mindepth 1)" ""
rm t/moving
despool fanout t dp1 dp2
claim afterwards_it_publishes ended 0

# The image itself, streamed into the source.

rm -rf t/busy
status=0
$DESPOOL pack t -o - >t/self.pck 2>err || status=$?
despool_last="despool pack t -o - >t/self.pck"
claim an_image_streamed_into_its_source_is_an_error failed self.pck
rm t/self.pck
despool pack t -o again.pck
claim afterwards_everything_is_well ended 0
