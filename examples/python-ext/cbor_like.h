// An encoder and a decoder for a format like CBOR, over an allocator of their own.
#ifndef CBOR_LIKE_H
#define CBOR_LIKE_H
#include <stddef.h>

// Aborts where there is no memory under OOM_ABORTS, and gives NULL under OOM_RETURNS_NULL.
void *cbor_mem_acquire(size_t size);
void cbor_mem_release(void *block);

// All writes: 0, or -1 without memory, and then nothing was written.
struct cbor_encoder;
struct cbor_encoder *cbor_encoder_new(void);
void cbor_encoder_destroy(struct cbor_encoder *encoder);
int cbor_encoder_write_int(struct cbor_encoder *encoder, long long number);
int cbor_encoder_write_text(struct cbor_encoder *encoder, const char *text, size_t length);
// Begin and end of a list or a dict: one of `[]{}`.
int cbor_encoder_write_mark(struct cbor_encoder *encoder, char mark);
const char *cbor_encoder_data(const struct cbor_encoder *encoder, size_t *length);

// Reads from memory that outlives it.
struct cbor_decoder;
struct cbor_decoder *cbor_decoder_new(const char *data, size_t length);
void cbor_decoder_destroy(struct cbor_decoder *decoder);
// What comes next: `i`, `s`, a mark, or 0 at the end.
char cbor_decoder_peek(const struct cbor_decoder *decoder);
void cbor_decoder_skip_mark(struct cbor_decoder *decoder);
long long cbor_decoder_read_int(struct cbor_decoder *decoder);
const char *cbor_decoder_read_text(struct cbor_decoder *decoder, size_t *length);

#endif
