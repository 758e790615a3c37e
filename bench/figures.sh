# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2016 # commands are expanded by the shell that is timed
# shellcheck disable=SC2154,SC2034 # bench/run sets what is used here, and uses what is set
#
# figures.sh - one function for each group of figures that bench/run can measure.
#
# Sourced by bench/run after measure.sh.  figure_NAME measures group NAME and
# adds its rows; README.md says what each row means.  Every group can run
# alone: what it needs it makes, and it leaves the scratch as it found it.

figures=(size pack unpack pack-base fanout-tmpfs fanout-ext4 fanout-xfs
	fanout-btrfs update memory memory-large emulated throughput
	link link-full link-chain link-memory)
not_quick=(pack-base update memory-large)	# they need the source corpus or minutes

# The commands compared, over SRC, IMAGE, TARBALL, TO and DPS.  Peers work on
# two destinations at a time, as the machine has two cores.
empty='rm -rf "$TO"; mkdir "$TO"'
dests='$(seq -f "$TO/%.0f" "$DPS")'
each='seq "$DPS" | xargs -P 2 -I {}'
fanout_tree='"$DESPOOL" fanout --quiet "$SRC" '$dests
fanout_image='"$DESPOOL" fanout --quiet "$IMAGE" '$dests
peer_cp=$each' cp -a "$SRC" "$TO/{}"'
peer_rsync=$each' rsync -a "$SRC/" "$TO/{}/"'
peer_tar=$each' sh -c '\''mkdir "$TO/{}" && tar -C "$SRC" -cf - . | tar -C "$TO/{}" -xf -'\'
peer_zstd=$each' sh -c '\''mkdir "$TO/{}" && zstd -dcq "$TARBALL" | tar -C "$TO/{}" -xf -'\'
peer_loop='"$LOOP" "$SRC" '$dests

export DESPOOL LOOP SRC IMAGE TARBALL TO DPS RUN PROGRAM ZSTD TAR

# Runs of a command over corpus $1: the big one is measured three times.
runs_for() {
	if [ "$1" = source ] && ((runs > 3)); then
		echo 3
	else
		echo "$runs"
	fi
}

# Compressed size at level 3 against one solid stream.
figure_size() {
	local corpus ours solid

	for corpus in "${used_corpora[@]}"; do
		IMAGE=$(image_of "$corpus" 2) || return 0
		TARBALL=$(tarball_of "$corpus" 2)
		ours=$(stat -c %s "$IMAGE")
		solid=$(stat -c %s "$TARBALL")
		row size "$corpus" x86_64 - "$(mb "$ours")" MB "$(mb "$solid")" 1.05 \
			"tar --sort=name | zstd -3 $(mb "$solid") MB"
	done
}

# Packing, which includes reading every block back, against both cores of zstd.
figure_pack() {
	local corpus

	TO=$ram/to
	for corpus in "${used_corpora[@]}"; do
		SRC=$(tree_of "$corpus" 2)
		warm "$SRC"
		measure "pack.$corpus" "$(runs_for "$corpus")" \
			despool "$empty" '"$DESPOOL" pack --quiet "$SRC" -o "$TO/a.pck"' \
			'tar | zstd -3 -T2' "$empty" 'tar -C "$SRC" -cf - . | zstd -3 -T2 -q -o "$TO/a.tar.zst"' ||
			continue
		versus "pack" "pack.$corpus" "$corpus" - despool 1.0 'tar | zstd -3 -T2'
	done
	rm -rf "$TO"
}

figure_unpack() {
	local corpus

	TO=$ram/to
	for corpus in "${used_corpora[@]}"; do
		IMAGE=$(image_of "$corpus" 2) || continue
		TARBALL=$(tarball_of "$corpus" 2)
		measure "unpack.$corpus" "$(runs_for "$corpus")" \
			despool "$empty" '"$DESPOOL" unpack --quiet "$IMAGE" "$TO/a"' \
			'zstd -dc | tar -x' "$empty" 'mkdir "$TO/a" && zstd -dcq "$TARBALL" | tar -C "$TO/a" -xf -' ||
			continue
		versus "unpack" "unpack.$corpus" "$corpus" - despool 0.5 'zstd -dc | tar -x'
	done
	rm -rf "$TO"
}

# Packing 78,000 files of which none changed since --base was packed.
figure_pack-base() {
	TO=$ram/to
	SRC=$(tree_of source 2)
	mkdir -p "$TO"
	IMAGE=$TO/base.pck
	"$DESPOOL" pack --quiet "$SRC" -o "$IMAGE" >&2 || return 0
	measure pack-base.source "$(runs_for source)" \
		despool 'rm -f "$TO"/a.pck*' '"$DESPOOL" pack --quiet "$SRC" --base "$IMAGE" --version 2 -o "$TO/a.pck"' &&
		row pack-base source x86_64 - "$(median pack-base.source despool)" s 1.0 1 "goal 1 s"
	rm -rf "$TO"
}

# measure_fanout PLACE CORPUS SYNC: the tree and the image of CORPUS to 8 DPs in
# $TO, each peer followed by SYNC; kept under the key fanout.PLACE.CORPUS.
measure_fanout() {
	local corpus=$2 sync=$3 key=fanout.$1.$2 prepare=$empty$3

	DPS=8
	SRC=$(tree_of "$corpus" 2)
	IMAGE=$(image_of "$corpus" 2) || return 1
	TARBALL=$(tarball_of "$corpus" 2)
	warm "$SRC"
	measure "$key" "$(runs_for "$corpus")" \
		'despool tree' "$prepare" "$fanout_tree" \
		'cp -a' "$prepare" "$peer_cp$sync" \
		'rsync -a' "$prepare" "$peer_rsync$sync" \
		'tar | tar' "$prepare" "$peer_tar$sync" \
		'loop' "$prepare" "$peer_loop$sync" \
		'despool image' "$prepare" "$fanout_image" \
		'zstd -dc | tar' "$prepare" "$peer_zstd$sync"
	local failed=$?
	rm -rf "$TO"
	return $failed
}

figure_fanout-tmpfs() {
	local corpus key

	TO=$ram/to
	for corpus in "${used_corpora[@]}"; do
		need_ram "fanout-tmpfs $corpus" $((gib_of["$corpus"] * 8 + 4)) || continue
		measure_fanout tmpfs "$corpus" "" || continue
		key=fanout.tmpfs.$corpus
		versus tree-tmpfs "$key" "$corpus" 8 'despool tree' 1.0 'cp -a' 'rsync -a' 'tar | tar'
		versus tree-tmpfs-loop "$key" "$corpus" 8 'despool tree' 1.25 loop
		versus image-tmpfs "$key" "$corpus" 8 'despool image' 0.4 'zstd -dc | tar'
	done
}

# As on tmpfs, but everybody ends with the data on the disk.
figure_fanout-ext4() {
	local corpus key

	need_root fanout-ext4 || return 0
	need_ram fanout-ext4 12 || return 0
	mount_loop ext4 6 "$ram"
	TO=$mounted/to
	for corpus in "${loop_corpora[@]}"; do
		measure_fanout ext4 "$corpus" '; sync -f "$TO"' || continue
		key=fanout.ext4.$corpus
		versus tree-ext4 "$key" "$corpus" 8 'despool tree' 0.7 'cp -a' 'rsync -a' 'tar | tar'
		versus image-ext4 "$key" "$corpus" 8 'despool image' 0.7 'zstd -dc | tar'
	done
	unmount_loop
}

# Where cp makes reflinks: from a tree on the same file system, and from another.
measure_reflink() {
	local fs=$1 corpus key sync='; sync -f "$TO"'

	need_root "fanout-$fs" || return 0
	need_ram "fanout-$fs" 12 || return 0
	mount_loop "$fs" 6 "$ram"
	TO=$mounted/to
	DPS=8
	for corpus in "${loop_corpora[@]}"; do
		for from in same other; do
			SRC=$(tree_of "$corpus" 2)
			warm "$SRC"
			if [ $from = same ]; then
				cp -a "$SRC" "$mounted/from"
				SRC=$mounted/from
			fi
			key=fanout.$fs-$from.$corpus
			measure "$key" "$runs" \
				despool "$empty$sync" "$fanout_tree" \
				'cp -a' "$empty$sync" "$peer_cp$sync" \
				'cp -a, no sync' "$empty$sync" "$peer_cp" &&
				versus "tree-$fs-$from" "$key" "$corpus" 8 despool \
					"$([ $from = same ] && echo 1.2 || echo 0.45)" 'cp -a'
			rm -rf "$TO" "$mounted/from"
		done
	done
	unmount_loop
}

figure_fanout-xfs() {
	measure_reflink xfs
}

figure_fanout-btrfs() {
	measure_reflink btrfs
}

# The source corpus from version 1 to 2 (a new tree beside the old one), from 2
# to 3 (the tree of version 1 recycled) and to 3 again (nothing changed) at 8 DPs
# on ext4, on the disk: two versions at 8 DPs would fill the memory.
figure_update() {
	local sync='; sync -f "$TO"' key=update.source label

	need_root update || return 0
	if [ "$(df --output=avail -k "$disk" | tail -n 1)" -lt 33554432 ]; then
		skip update "needs 32 GiB below $disk"
		return 0
	fi
	DPS=8
	SRC1=$(tree_of source 1) SRC2=$(tree_of source 2) SRC3=$(tree_of source 3)
	export SRC1 SRC2 SRC3
	IMAGE=$(image_of source 3) || return 0
	warm "$SRC2"
	warm "$SRC3"
	mount_loop ext4 30 "$disk"
	TO=$mounted/to
	# Each command finds what the one before it has left; only the first of
	# despool and the first of rsync start afresh.
	measure $key $((runs > 2 ? 2 : runs)) \
		'despool 2' "$empty; ${fanout_tree/SRC/SRC1}$sync" "${fanout_tree/SRC/SRC2}" \
		'despool 3' '' "${fanout_tree/SRC/SRC3}" \
		'despool tree' '' "${fanout_tree/SRC/SRC3}" \
		'despool image' '' "$fanout_image" \
		'rsync -a 2' "$empty; ${peer_cp/SRC/SRC1}$sync" "${peer_rsync/SRC/SRC2}$sync" \
		'rsync -a 3' '' "${peer_rsync/SRC/SRC3}$sync" \
		'rsync -a' '' "${peer_rsync/SRC/SRC3}$sync" && {
		row update source x86_64 8 "$(median $key 'despool 2')" s "$(median $key 'rsync -a 2')" 0.6 \
			"$(peers $key 'rsync -a 2')"
		row recycle source x86_64 8 "$(median $key 'despool 3')" s "$(median $key 'rsync -a 3')" 0.2 \
			"$(peers $key 'rsync -a 3')"
		for label in image tree; do
			row "unchanged-$label" source x86_64 8 \
				"$(median $key "despool $label" | per_dp)" s/DP 0.05 1 \
				"goal 0.05 s/DP; rsync -a $(median $key 'rsync -a' | per_dp) s/DP"
		done
	}
	unmount_loop
}

# memory_row TARGET CORPUS FIRST SECOND: the peak of every command over two
# trees (SECOND may be "") with the workers that the goal allows.
memory_row() {
	local target=$1 corpus=$2 first=$3 second=$4 to=$ram/to dps=8
	local run limit base=0 workers=1 worst=0 text='' name

	case $target in
	x86_64) limit=64 workers=2 ;;
	*) limit=32 ;;
	esac
	read -ra run <<<"$(runner_of "$target") $(program_of "$target" despool)"
	if [ "$target" = alpha ]; then
		peak "${run[@]}" --version || return 0
		base=$peak_kib
	fi
	say "memory $corpus $target"
	rm -rf "$to"
	mkdir "$to"
	[ -n "$second" ] || dps=1

	# note NAME COMMAND ARGUMENT...: the peak of one command.
	note() {
		local name=$1 words

		shift
		read -ra words <<<"$1 $(jobs_option "$1" $workers)"
		shift
		if ! peak "${run[@]}" "${words[@]}" --json "$@"; then
			text+="${text:+, }$name failed"
			return 0
		fi
		peak_kib=$((peak_kib - base))
		text+="${text:+, }$name $(((peak_kib + 512) / 1024))"
		((peak_kib <= worst)) || worst=$peak_kib
	}

	note pack pack "$first" -o "$to/1.pck"
	note 'pack --base' pack "${second:-$first}" --base "$to/1.pck" --version 2 -o "$to/2.pck"
	note verify verify "$to/1.pck"
	note ls ls "$to/1.pck"
	note info info "$to/1.pck"
	note diff diff "$to/1.pck" "$to/2.pck"
	note unpack unpack "$to/1.pck" "$to/tree"
	note 'verify DIR' verify "$to/1.pck" "$to/tree"
	rm -rf "$to/tree"
	# shellcheck disable=SC2046 # one word a destination
	{
		note 'fanout tree' fanout "$first" $(seq -f "$to/dp%.0f" $dps)
		[ -z "$second" ] ||
			note 'fanout image over it' fanout "$to/2.pck" $(seq -f "$to/dp%.0f" $dps)
		note 'fanout again' fanout "${second:-$first}" $(seq -f "$to/dp%.0f" $dps)
	}
	rm -rf "$to"
	row memory "$corpus" "$target" - \
		"$(awk -v kib=$worst 'BEGIN { printf "%.1f", kib / 1024 }')" MiB $limit 1 \
		"goal $limit MiB; $text"
}

figure_memory() {
	local target corpus list=(jdk kernel)

	# Two versions of the source at 8 DPs are too much for the memory file
	# system; its 78,000 files are dwarfed by memory-large anyway.
	for target in x86_64 i386 alpha; do
		need_program memory "$target" despool || continue
		for corpus in "${list[@]}"; do
			need_ram "memory $corpus" 10 || continue
			memory_row "$target" "$corpus" "$(tree_of "$corpus" 1)" "$(tree_of "$corpus" 2)"
		done
	done
}

# A million files, and one file of 20 GiB that is nearly all hole.
figure_memory-large() {
	local target offset_mib

	need_ram memory-large 12 || return 0
	say "making a million files"
	"$make_tree" "$ram/million" 1000000
	mkdir "$ram/sparse"
	truncate -s 20G "$ram/sparse/disk.img"
	for offset_mib in 0 1 2000 4095 4096 9999 20479; do
		head -c 1M /dev/urandom |
			dd of="$ram/sparse/disk.img" bs=1M seek=$offset_mib conv=notrunc status=none
	done
	for target in x86_64 i386 alpha; do
		need_program memory-large "$target" despool || continue
		memory_row "$target" million "$ram/million" ""
		memory_row "$target" sparse-20GiB "$ram/sparse" ""
	done
	rm -rf "$ram/million" "$ram/sparse"
}

# Each target against zstd alone, compiled for it: 0.7 times the speed is 1/0.7
# times the time.  Both programs are called with their defaults: zstd works on one
# core, we on all.  For jdk, what we take on one stands beside it.
figure_emulated() {
	local target corpus key list=(jdk kernel) targets=(i386 i386-qemu alpha) count pack_alone unpack_alone

	! $quick || list=(jdk) targets=(i386 alpha)
	count=$((runs > 3 ? 3 : runs))
	TO=$ram/to
	for corpus in "${list[@]}"; do
		SRC=$(tree_of "$corpus" 2)
		IMAGE=$(image_of "$corpus" 2) || continue
		TARBALL=$(tarball_of "$corpus" 2)
		TAR=$ram/peer.tar
		tar --sort=name -C "$SRC" -cf "$TAR" .
		warm "$SRC"
		pack_alone=() unpack_alone=()
		if [ "$corpus" = jdk ] && ! $quick; then
			pack_alone=('we with --jobs 1' "$empty" '$RUN "$PROGRAM" pack --quiet --jobs 1 "$SRC" -o "$TO/a.pck"')
			unpack_alone=('we with --jobs 1' "$empty" '$RUN "$PROGRAM" unpack --quiet --jobs 1 "$IMAGE" "$TO/a"')
		fi
		for target in "${targets[@]}"; do
			need_program emulated "$target" despool || continue
			need_program emulated "$target" zstd || continue
			RUN=$(runner_of "$target")
			PROGRAM=$(program_of "$target" despool)
			ZSTD=$(program_of "$target" zstd)
			key=emulated-pack.$target.$corpus
			measure "$key" "$count" \
				despool "$empty" '$RUN "$PROGRAM" pack --quiet "$SRC" -o "$TO/a.pck"' \
				'zstd -3' "$empty" '$RUN "$ZSTD" -3 -q "$TAR" -o "$TO/a.tar.zst"' \
				"${pack_alone[@]}" &&
				row pack-zstd "$corpus" "$target" - "$(median "$key" despool)" s \
					"$(median "$key" 'zstd -3')" 1.43 \
					"$(peers "$key" 'zstd -3' "${pack_alone[@]:0:1}")"
			key=emulated-unpack.$target.$corpus
			measure "$key" "$count" \
				despool "$empty" '$RUN "$PROGRAM" unpack --quiet "$IMAGE" "$TO/a"' \
				'zstd -d' "$empty" '$RUN "$ZSTD" -d -q "$TARBALL" -o "$TO/a.tar"' \
				"${unpack_alone[@]}" &&
				row unpack-zstd "$corpus" "$target" - "$(median "$key" despool)" s \
					"$(median "$key" 'zstd -d')" 1.43 \
					"$(peers "$key" 'zstd -d' "${unpack_alone[@]:0:1}")"
		done
		rm -rf "$TAR" "$TO"
	done
}

# What all destinations together receive, from an image on tmpfs to tmpfs.
figure_throughput() {
	local target key count

	TO=$ram/to
	IMAGE=$(image_of jdk 2) || return 0
	for target in x86_64 i386 alpha; do
		need_program throughput $target despool || continue
		RUN=$(runner_of $target)
		PROGRAM=$(program_of $target despool)
		for DPS in 1 8 64; do
			count=$runs
			if ((DPS == 64)); then
				need_ram "throughput to 64 DPs" 14 || continue
				count=$((runs > 3 ? 3 : 1))
			fi
			key=throughput.$target.$DPS
			measure "$key" "$count" \
				despool "$empty" '$RUN "$PROGRAM" fanout --quiet "$IMAGE" '"$dests" || continue
			row throughput jdk $target $DPS \
				"$(awk -v bytes="$(bytes_of jdk 2)" -v dps=$DPS -v seconds="$(median "$key" despool)" \
					'BEGIN { printf "%.1f", bytes * dps / seconds / 1e6 }')" MB/s - - ""
		done
	done
	rm -rf "$TO"
}
