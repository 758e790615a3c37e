# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2016 # commands are expanded by the shell that is timed
# shellcheck disable=SC2154,SC2034 # bench/run sets what is used here, and uses what is set
#
# link_figures.sh - what an update over a link costs; sourced like figures.sh.

# rsync talks to itself through a pipe, as it would through ssh.
make_rsh() {
	printf '#!/bin/sh\nshift\nexec "$@"\n' >"$ram/rsh"
	chmod +x "$ram/rsh"
}

# Bytes that rsync sends and receives to bring version 1 to 2 of corpus $1.
rsync_bytes() {
	rm -rf "$ram/rsync"
	cp -a "$(tree_of "$1" 1)" "$ram/rsync"
	rsync -az --delete --stats -e "$ram/rsh" "$(tree_of "$1" 2)/" "host:$ram/rsync/" |
		tr -d , | awk '/^Total bytes (sent|received):/ { total += $4 } END { print total }'
	rm -rf "$ram/rsync"
}

# Bytes of a delta between the tars of both versions, made by xdelta3 and zstd.
tar_deltas() {
	local corpus=$1 version size

	for version in 1 2; do
		tar --sort=name -C "$(tree_of "$corpus" $version)" -cf "$ram/$version.tar" .
	done
	size=$(stat -c %s "$ram/1.tar")
	xdelta3 -e -9 -f -B "$size" -s "$ram/1.tar" "$ram/2.tar" "$ram/xdelta" >&2
	zstd -3 -q -f --long=31 --patch-from="$ram/1.tar" "$ram/2.tar" -o "$ram/patch" >&2
	xdelta_bytes=$(stat -c %s "$ram/xdelta")
	patch_bytes=$(stat -c %s "$ram/patch")
	rm -f "$ram"/[12].tar "$ram/xdelta" "$ram/patch"
}

# A store at $1 that holds version 1 of corpus $2.
store_with() {
	rm -rf "$1"
	"$DESPOOL" store init "$1" --quiet &&
		"$DESPOOL" push --quiet "$(image_of "$2" 1)" "$1"
}

# push_field FIELD ARGUMENT...: of the summary of a push.
push_field() {
	local field=$1

	shift
	"$DESPOOL" push --json "$@" 2>/dev/null | jq -r "select(.type == \"summary\") | $field"
}

both_ways='.bytes_sent + .bytes_received'

figure_link() {
	local corpus ours theirs goal key
	declare -A byte_goal=([jdk]=0.33 [kernel]=0.30 [source]=0.05)
	declare -A time_goal=([jdk]=1.2 [kernel]=1.2 [source]=0.25)

	make_rsh
	TO=$ram/to
	export RSH=$ram/rsh BASE FAR
	for corpus in "${used_corpora[@]}"; do
		need_ram "link $corpus" 8 || continue
		BASE=$(image_of "$corpus" 1) || continue
		IMAGE=$(image_of "$corpus" 2) || continue
		store_with "$TO" "$corpus"
		ours=$(push_field "$both_ways" "$IMAGE" --base "$BASE" "exec:$DESPOOL link $TO")
		theirs=$(rsync_bytes "$corpus")
		tar_deltas "$corpus"
		row link-bytes "$corpus" x86_64 - "$(mb "$ours")" MB "$(mb "$theirs")" "${byte_goal[$corpus]}" \
			"rsync -az $(mb "$theirs") MB, zstd --patch-from $(mb "$patch_bytes") MB"
		row link-xdelta "$corpus" x86_64 - "$(mb "$ours")" MB "$(mb "$xdelta_bytes")" 1.0 \
			"xdelta3 -9 $(mb "$xdelta_bytes") MB"
		if [ "$corpus" = jdk ]; then
			theirs=$ours
			store_with "$TO" "$corpus"
			ours=$(push_field "$both_ways" "$IMAGE" --base "$BASE" --delta-level 9 "exec:$DESPOOL link $TO")
			row link-level9 "$corpus" x86_64 - "$(mb "$ours")" MB "$(mb "$theirs")" 0.92 \
				"level 4 $(mb "$theirs") MB"
		fi
		ours=$(push_field '[.bytes_sent, .bytes_received] | max' "$IMAGE" "exec:$DESPOOL link $TO")
		row link-none "$corpus" x86_64 - "$ours" B 256 1 "goal 256 B each way"

		SRC1=$(tree_of "$corpus" 1)
		SRC2=$(tree_of "$corpus" 2)
		export SRC1 SRC2
		warm "$SRC2"
		key=link.$corpus
		FAR=$ram/dp
		measure "$key" "$(runs_for "$corpus")" \
			despool 'rm -f "$TO"/*.2.pck "$TO"/*.known' \
			'"$DESPOOL" push --quiet "$IMAGE" --base "$BASE" "exec:$DESPOOL link $TO"' \
			'despool, a tree' 'rm -rf "$FAR"; "$DESPOOL" fanout --quiet "$BASE" "$FAR"' \
			'"$DESPOOL" push --quiet "$IMAGE" --base "$BASE" "exec:$DESPOOL link $TO --expand $FAR"' \
			'rsync -az' 'rm -rf "$FAR"; cp -a "$SRC1" "$FAR"' \
			'rsync -az --delete -e "$RSH" "$SRC2/" "host:$FAR/"' &&
			row link-time "$corpus" x86_64 - "$(median "$key" despool)" s \
				"$(median "$key" 'rsync -az')" "${time_goal[$corpus]}" \
				"$(peers "$key" 'rsync -az' 'despool, a tree')"
		rm -rf "$TO" "$FAR"
	done
}

# A first copy, and one over something quite different.
figure_link-full() {
	local corpus ours

	TO=$ram/to
	for corpus in "${used_corpora[@]}"; do
		IMAGE=$(image_of "$corpus" 2) || continue
		TARBALL=$(tarball_of "$corpus" 2)
		rm -rf "$TO"
		"$DESPOOL" store init "$TO" --quiet
		ours=$(push_field "$both_ways" "$IMAGE" "exec:$DESPOOL link $TO")
		row link-first "$corpus" x86_64 - "$(mb "$ours")" MB "$(mb "$(stat -c %s "$TARBALL")")" 1.05 \
			"tar --sort=name | zstd -3 $(mb "$(stat -c %s "$TARBALL")") MB"
	done
	IMAGE=$(image_of jdk 2)
	store_with "$TO" kernel
	ours=$(push_field "$both_ways" "$IMAGE" --base "$(image_of kernel 1)" "exec:$DESPOOL link $TO")
	row link-major jdk x86_64 - "$(mb "$ours")" MB "$(mb "$(stat -c %s "$IMAGE")")" 1.001 \
		"the image $(mb "$(stat -c %s "$IMAGE")") MB"
	rm -rf "$TO"
}

# Four stores in a row, each link as fast as 20 MB a second.
figure_link-chain() {
	TO=$ram/to
	IMAGE=$(image_of jdk 2) || return 0
	cat >"$ram/chain" <<-'EOF'
		#!/bin/sh
		# chain STORE...: the far end of a link that passes on to the next store
		store=$1
		shift
		[ $# -gt 0 ] || exec "$DESPOOL" link "$store"
		exec "$DESPOOL" link "$store" --rate-limit 20M --forward "exec:$CHAIN $*"
	EOF
	chmod +x "$ram/chain"
	export CHAIN=$ram/chain
	measure link-chain "$runs" \
		'4 stores' 'rm -rf "$TO"; mkdir "$TO"; for i in 1 2 3 4; do "$DESPOOL" store init "$TO/$i" --quiet; done' \
		'"$DESPOOL" push --quiet --rate-limit 20M "$IMAGE" "exec:$CHAIN $TO/1 $TO/2 $TO/3 $TO/4"; test -e "$TO"/4/*.pck' \
		'one hop' 'rm -rf "$TO"; "$DESPOOL" store init "$TO" --quiet' \
		'"$DESPOOL" push --quiet --rate-limit 20M "$IMAGE" "exec:$CHAIN $TO"' &&
		versus link-chain link-chain jdk 4 '4 stores' 1.15 'one hop'
	rm -rf "$TO"
}

# The larger peak of the two ends of an update.
figure_link-memory() {
	local target corpus limit workers base program

	TO=$ram/to
	for target in x86_64 i386 alpha; do
		need_program link-memory "$target" despool || continue
		case $target in
		x86_64) limit=64 workers=2 ;;
		*) limit=32 workers=1 ;;
		esac
		program="$(runner_of "$target") $(program_of "$target" despool)"
		base=0
		if [ "$target" = alpha ]; then
			# shellcheck disable=SC2086 # a command with its runner
			peak $program --version || continue
			base=$peak_kib
		fi
		for corpus in "${used_corpora[@]}"; do
			store_with "$TO" "$corpus"
			# shellcheck disable=SC2086
			peak $program push --quiet --jobs $workers "$(image_of "$corpus" 2)" --base "$(image_of "$corpus" 1)" \
				"exec:/usr/bin/time -f %M -o $ram/far $program link $TO" || continue
			row link-memory "$corpus" "$target" - "$(awk -v near="$peak_kib" -v far="$(tail -n 1 "$ram/far")" -v base="$base" \
				'BEGIN { printf "%.1f", ((near > far ? near : far) - base) / 1024 }')" MiB $limit 1 \
				"goal $limit MiB; near end $(((peak_kib - base + 512) / 1024)), far end $((($(tail -n 1 "$ram/far") - base + 512) / 1024))"
		done
	done
	rm -rf "$TO" "$ram/far"
}
