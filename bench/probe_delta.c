/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe_delta - bring an image from one process to another as deltas.
 *
 * usage: probe_delta [-b KIB] [-l LEVEL] NEW.pck OLD.pck RECEIVED.pck
 *        probe_delta [-b KIB] [-l LEVEL] send NEW.pck OLD.pck >STREAM
 *        probe_delta receive OLD.pck RECEIVED.pck <STREAM
 *
 *   -b  the most base that a delta may use, KiB (2048)
 *   -l  zstd level of deltas (4)
 *
 * The measurement of docs/why/001.  The sender holds both images, the receiver
 * the old one only.  The first form forks and joins the two by a pipe.  The
 * stream goes one way:
 *
 *     sender                             receiver
 *     ROOT       raw root           -->  begin the image
 *     PAGE       base, frame        -->  decode, compare with the root
 *     of each block of the page:
 *       NEXT                        -->  copy the old block behind the last
 *       HAVE     index [digest]     -->  copy this old block
 *       PLAIN    frame              -->  decode to verify, write
 *       DELTA    digest, base,      -->  build the base, decode, verify,
 *                frame                   re-encode as the publisher did, write
 *
 * A message is u8 type, u32 size, payload; NEXT is its type alone.  `digest`
 * is that of the publisher's frame, to which the root commits.
 *
 * All data of an image are one string: its blocks, one after another.  A base
 * is a list of ranges (u64 offset, u32 size) of that string of the old image;
 * of a page, the raw pages from one index (u32) on, so many (u32).  The
 * receiver needs to know nothing of paths or records of the old image.
 *
 * Memory, of each side: 128 bytes a block of the old image, 8 bytes a page of
 * it, and what does not grow: OLD_CACHE_SIZE of decoded blocks, a few buffers
 * of a block, the base, the encoders.  The sender holds 32 bytes more for each
 * file of the old version whose path the new one does not have.
 *
 * Prints one line of figures on stdout; `send` on stderr.  Exits 1 at the
 * first error, among them a root that is not the sender's.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/probe_send.h"
#include "core/image/image_writer.h"
#include "platform/pf_process.h"

/* ----------------------------------------------------- the receiver --- */

struct receiver {
	int fd;
	struct old old;
	size_t next_index;
	struct root root;
	struct digest root_digest;
	struct image_writer *writer;
	struct steps steps;
	struct frame_encoder *encoder; /* as the publisher's; NULL: no root */
	struct frame_decoder *decoder;
	enum message type; /* of the message read last */
	struct buffer message, base, raw, frame, page_raw;

	uint64_t encoded_count, equal_count; /* frames */
};

static int
read_exactly(struct receiver *receiver, void *data, size_t size)
{
	size_t got;
	int err = pf_read(receiver->fd, data, size, &got);

	if (err == 0 && got != size)
		err = DSP_ETRUNCATED;
	return err < 0 ? fail(err, "reading the stream") : 0;
}

static int
read_message(struct receiver *receiver)
{
	uint8_t header[HEADER_SIZE];
	uint32_t size;
	int err = read_exactly(receiver, header, 1);

	receiver->message.size = 0;
	receiver->type = header[0];
	if (err < 0 || receiver->type == MESSAGE_NEXT)
		return err;
	err = read_exactly(receiver, header + 1, HEADER_SIZE - 1);
	if (err < 0)
		return err;
	size = le32_get(header + 1);
	if (size > MESSAGE_SIZE_MAX)
		return fail(DSP_ELIMIT, "a message");
	need_buffer(&receiver->message, size);
	return read_exactly(receiver, receiver->message.data, size);
}

static int
receive_root(struct receiver *receiver, int out_fd)
{
	struct root *root = &receiver->root;
	struct image_params params = { 0 };
	int err = read_message(receiver);

	if (err < 0)
		return err;
	if (receiver->type != MESSAGE_ROOT)
		return fail(DSP_ECORRUPT, "no root comes first");
	digest_of(receiver->message.data, receiver->message.size,
		  &receiver->root_digest);
	err = root_decode(receiver->message.data, receiver->message.size, root);
	if (err < 0)
		return fail(err, "reading the root");
	receiver->encoder = frame_encoder_new(root->level);
	receiver->decoder = frame_decoder_new();
	if (receiver->encoder == NULL || receiver->decoder == NULL)
		return fail(DSP_ENOMEM, "starting");
	params.package_id = root->package_id;
	params.version = root->version;
	params.level = root->level;
	params.rule = root->rule;
	err = image_writer_new(out_fd, IMAGE_WITH_BLOCKS, &params,
			       &receiver->writer);
	return err < 0 ? fail(err, "writing the image") : 0;
}

static int
receive_page(struct receiver *receiver, uint32_t page_index,
	     struct page *ret_page)
{
	const struct root_page *expected = &receiver->root.pages[page_index];
	const uint8_t *message;
	struct digest digest;
	int err = read_message(receiver);

	if (err < 0)
		return err;
	if (receiver->type != MESSAGE_PAGE ||
	    receiver->message.size < PAGE_BASE_SIZE)
		return fail(DSP_ECORRUPT, "no page comes");
	message = receiver->message.data;
	if (le32_get(message + 4) > PAGE_BASE_COUNT_MAX)
		return fail(DSP_ELIMIT, "a page's base");
	err = old_read_pages(&receiver->old, le32_get(message),
			     le32_get(message + 4), &receiver->base);
	if (err < 0)
		return err;
	need_buffer(&receiver->page_raw, expected->raw_size);
	err = frame_decode(receiver->decoder, message + PAGE_BASE_SIZE,
			   receiver->message.size - PAGE_BASE_SIZE,
			   receiver->base.data, receiver->base.size,
			   receiver->page_raw.data, expected->raw_size);
	if (err < 0)
		return fail(err, "decoding a page");
	digest_of(receiver->page_raw.data, expected->raw_size, &digest);
	if (!digest_equal(&digest, &expected->digest))
		return fail(DSP_ECORRUPT, "a page is not the root's");
	err = page_parse(receiver->page_raw.data, expected->raw_size, ret_page);
	return err < 0 ? fail(err, "reading a page") : 0;
}

/* Copy an old block's frame as it is. */
static int
receive_have(struct receiver *receiver, struct image_block *block)
{
	const uint8_t *message = receiver->message.data;
	size_t size = receiver->message.size;
	const struct old_block *old;
	int err;

	if (receiver->type == MESSAGE_HAVE && size >= 4)
		receiver->next_index = le32_get(message);
	if (receiver->next_index >= receiver->old.block_count)
		return fail(DSP_ECORRUPT, "a block that we do not have");
	old = &receiver->old.blocks[receiver->next_index++];
	if (!digest_equal(&old->name, &block->block.name))
		return fail(DSP_ECORRUPT, "another block than the page's");
	err = old_read_frame(&receiver->old, old);
	block->frame = receiver->old.frame.data;
	block->frame_size = old->frame.size;
	block->frame_digest = old->frame.publisher;
	block->local_digest = old->frame.stored;
	if (size == 4 + DIGEST_SIZE)
		memcpy(block->frame_digest.bytes, message + 4, DIGEST_SIZE);
	block->is_local =
		!digest_equal(&block->frame_digest, &block->local_digest);
	return err;
}

/* Decode what came into receiver->raw, which must have the block's name. */
static int
decode(struct receiver *receiver, const uint8_t *frame, size_t frame_size,
       const struct block_ref *block)
{
	struct digest name;
	int err;

	if (block->raw_size > receiver->root.rule.max)
		return fail(DSP_ELIMIT, "a block");
	need_buffer(&receiver->raw, block->raw_size);
	err = frame_decode(receiver->decoder, frame, frame_size,
			   receiver->base.data, receiver->base.size,
			   receiver->raw.data, block->raw_size);
	if (err < 0)
		return fail(err, "decoding a block");
	digest_of(receiver->raw.data, block->raw_size, &name);
	return digest_equal(&name, &block->name)
		       ? 0
		       : fail(DSP_ECORRUPT, "a block's name");
}

static int
receive_plain(struct receiver *receiver, struct image_block *block)
{
	const struct buffer *message = &receiver->message;

	block->frame = message->data;
	block->frame_size = (uint32_t)message->size;
	digest_of(message->data, message->size, &block->frame_digest);
	receiver->base.size = 0;
	return decode(receiver, message->data, message->size, &block->block);
}

/* Make the frame that the publisher made, and compare. */
static int
encode_again(struct receiver *receiver, struct image_block *block)
{
	struct buffer *frame = &receiver->frame;
	size_t size;
	int err;

	need_buffer(frame, frame_size_max(block->block.raw_size));
	err = frame_encode(receiver->encoder, receiver->raw.data,
			   block->block.raw_size, NULL, 0, frame->data,
			   frame->size, &size);
	if (err < 0)
		return fail(err, "encoding a block");
	block->frame = frame->data;
	block->frame_size = (uint32_t)size;
	digest_of(frame->data, size, &block->local_digest);
	block->is_local =
		!digest_equal(&block->local_digest, &block->frame_digest);
	receiver->encoded_count++;
	receiver->equal_count += !block->is_local;
	return 0;
}

static int
receive_delta(struct receiver *receiver, struct image_block *block)
{
	const uint8_t *message = receiver->message.data;
	size_t size = receiver->message.size;
	size_t head_size = DIGEST_SIZE + 4;
	uint32_t ranges_size;
	int err;

	if (size < head_size)
		return fail(DSP_ETRUNCATED, "a delta");
	memcpy(block->frame_digest.bytes, message, DIGEST_SIZE);
	ranges_size = le32_get(message + DIGEST_SIZE);
	if (ranges_size > size - head_size || ranges_size % RANGE_SIZE != 0)
		return fail(DSP_ECORRUPT, "a delta");
	err = old_read_base(&receiver->old, message + head_size, ranges_size,
			    &receiver->base);
	head_size += ranges_size;
	if (err == 0)
		err = decode(receiver, message + head_size, size - head_size,
			     &block->block);
	return err < 0 ? err : encode_again(receiver, block);
}

static int
receive_block(struct receiver *receiver)
{
	struct image_block block = { .block = receiver->steps.block };
	int err = read_message(receiver);

	if (err < 0)
		return err;
	switch (receiver->type) {
	case MESSAGE_NEXT:
	case MESSAGE_HAVE:
		err = receive_have(receiver, &block);
		break;
	case MESSAGE_PLAIN:
		err = receive_plain(receiver, &block);
		break;
	case MESSAGE_DELTA:
		err = receive_delta(receiver, &block);
		break;
	default:
		err = fail(DSP_ECORRUPT, "no block comes");
	}
	if (err < 0)
		return err;
	err = image_writer_add_block(receiver->writer, &block);
	return err < 0 ? fail(err, "writing the image") : 0;
}

static int
receive_stretch(struct receiver *receiver, uint32_t page_index)
{
	struct steps *steps = &receiver->steps;
	enum step step = STEP_RECORD;
	struct page page;
	int err = receive_page(receiver, page_index, &page);

	if (err == 0)
		err = steps_start(steps, &page, receiver->root.rule.average);
	while (err == 0) {
		err = steps_next(steps, &step);
		if (err < 0 || step == STEP_END)
			break;
		if (step == STEP_BLOCK) {
			err = receive_block(receiver);
		} else {
			err = image_writer_add_record(receiver->writer,
						      &steps->record);
			if (err < 0)
				fail(err, "writing the image");
		}
	}
	if (err < 0)
		return err;
	err = image_writer_end_page(receiver->writer);
	return err < 0 ? fail(err, "writing the image") : 0;
}

static int
receive_image(struct receiver *receiver, const char *old_path, int out_fd)
{
	struct digest digest;
	int err = old_open(&receiver->old, old_path);

	if (err == 0)
		err = receive_root(receiver, out_fd);
	for (uint32_t i = 0; err == 0 && i < receiver->root.page_count; i++)
		err = receive_stretch(receiver, i);
	if (err < 0)
		return err;
	err = image_writer_finish(receiver->writer, &digest, NULL);
	if (err < 0)
		return fail(err, "writing the image");
	return digest_equal(&digest, &receiver->root_digest)
		       ? 0
		       : fail(DSP_ECORRUPT, "the root is not the sender's");
}

static void
receiver_release(struct receiver *receiver)
{
	old_close(&receiver->old);
	root_release(&receiver->root);
	image_writer_free(receiver->writer);
	frame_encoder_free(receiver->encoder);
	frame_decoder_free(receiver->decoder);
	buffer_release(&receiver->message);
	buffer_release(&receiver->base);
	buffer_release(&receiver->raw);
	buffer_release(&receiver->frame);
	buffer_release(&receiver->page_raw);
	free(receiver->steps.path);
}

/* ------------------------------------------------------ the program --- */

static void
print_report(void *context, const struct report *report)
{
	(void)context;
	fprintf(stderr, "probe_delta: %s%s%s: %s\n",
		report->path != NULL ? report->path : "",
		report->path != NULL ? ": " : "", report->text,
		err_text(report->err));
}

/* What a process cost: " PREFIXwall_ms= PREFIXcpu_ms= PREFIXpeak_kib=". */
static void
print_cost(FILE *file, const char *prefix, int64_t start)
{
	struct rusage usage;
	long long cpu;

	getrusage(RUSAGE_SELF, &usage);
	cpu = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000LL +
	      (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
	fprintf(file, " %swall_ms=%lld %scpu_ms=%lld %speak_kib=%llu", prefix,
		(long long)((pf_now_monotonic() - start) / 1000000), prefix,
		cpu, prefix, (unsigned long long)pf_peak_memory() / 1024);
}

static int
run_sender(struct sender *sender, const char *new_path, const char *old_path,
	   FILE *figures)
{
	int64_t start = pf_now_monotonic();
	uint64_t wire;
	int err;

	report_set_sink(print_report, NULL);
	err = send_image(sender, new_path, old_path);
	if (close(sender->fd) < 0 && err == 0)
		err = DSP_EIO;
	wire = sender->plain_bytes + sender->delta_bytes + sender->base_bytes +
	       sender->page_bytes + sender->other_bytes;
	if (err == 0) {
		fprintf(figures,
			" wire=%llu plain=%llu delta=%llu base=%llu page=%llu "
			"other=%llu back=0",
			(unsigned long long)wire,
			(unsigned long long)sender->plain_bytes,
			(unsigned long long)sender->delta_bytes,
			(unsigned long long)sender->base_bytes,
			(unsigned long long)sender->page_bytes,
			(unsigned long long)sender->other_bytes);
		fprintf(figures,
			" page_raw=%llu blocks_reused=%llu blocks_delta=%llu "
			"blocks_plain=%llu gone=%zu send_decoded=%llu",
			(unsigned long long)sender->page_raw_bytes,
			(unsigned long long)sender->reused_count,
			(unsigned long long)sender->delta_count,
			(unsigned long long)sender->plain_count,
			sender->gone.count,
			(unsigned long long)sender->old.decoded_count);
		print_cost(figures, "send_", start);
		fputs("\n", figures);
	} else {
		fprintf(stderr, "probe_delta send: failed: %s\n",
			err_text(err));
	}
	sender_release(sender);
	return err < 0;
}

static int
run_receiver(int fd, const char *old_path, const char *out_path,
	     const char *end)
{
	struct receiver receiver = { .fd = fd };
	int64_t start = pf_now_monotonic();
	int out_fd, err;

	report_set_sink(print_report, NULL);
	out_fd = open(out_path, O_WRONLY | O_CREAT | O_EXCL, 0666);
	if (out_fd < 0) {
		perror(out_path);
		return 1;
	}
	err = receive_image(&receiver, old_path, out_fd);
	if (close(out_fd) < 0 && err == 0)
		err = fail(DSP_EIO, "writing the image");
	if (err == 0) {
		printf("encoded=%llu equal=%llu receive_decoded=%llu",
		       (unsigned long long)receiver.encoded_count,
		       (unsigned long long)receiver.equal_count,
		       (unsigned long long)receiver.old.decoded_count);
		print_cost(stdout, "receive_", start);
		fputs(end, stdout);
		fflush(stdout);
	} else {
		unlink(out_path);
	}
	receiver_release(&receiver);
	return err < 0;
}

/* Both, joined by a pipe; the receiver is a child, and prints first. */
static int
run_both(struct sender *sender, char **paths)
{
	int ends[2], status, failed;
	FILE *figures = tmpfile();
	pid_t child;
	int c;

	if (figures == NULL || pipe(ends) < 0) {
		perror("probe_delta");
		return 1;
	}
	child = fork();
	if (child < 0) {
		perror("probe_delta: fork");
		return 1;
	}
	if (child == 0) {
		close(ends[1]);
		_exit(run_receiver(ends[0], paths[1], paths[2], ""));
	}
	close(ends[0]);
	sender->fd = ends[1];
	failed = run_sender(sender, paths[0], paths[1], figures);
	if (waitpid(child, &status, 0) != child || status != 0)
		failed = 1;
	rewind(figures);
	while (!failed && (c = getc(figures)) != EOF)
		putchar(c);
	fclose(figures);
	return failed;
}

static int
usage(void)
{
	fputs("usage: probe_delta [-b KIB] [-l LEVEL] NEW OLD RECEIVED\n"
	      "       probe_delta [-b KIB] [-l LEVEL] send NEW OLD >STREAM\n"
	      "       probe_delta receive OLD RECEIVED <STREAM\n",
	      stderr);
	return 2;
}

int
main(int argc, char **argv)
{
	struct sender sender = { .delta_level = 4, .base_max = FRAME_BASE_MAX };
	int option;

	while ((option = getopt(argc, argv, "b:l:")) != -1) {
		if (option == 'b')
			sender.base_max = strtoul(optarg, NULL, 10) * 1024;
		else if (option == 'l')
			sender.delta_level = (int)strtol(optarg, NULL, 10);
		else
			return usage();
	}
	if (argc - optind != 3 || sender.base_max > BASE_SIZE_MAX ||
	    sender.delta_level < FRAME_LEVEL_MIN ||
	    sender.delta_level > FRAME_LEVEL_MAX)
		return usage();
	argv += optind;
	digest_start();
	if (strcmp(argv[0], "receive") == 0)
		return run_receiver(STDIN_FILENO, argv[1], argv[2], "\n");
	if (strcmp(argv[0], "send") != 0)
		return run_both(&sender, argv);
	sender.fd = STDOUT_FILENO;
	return run_sender(&sender, argv[1], argv[2], stderr);
}
