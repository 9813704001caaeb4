// The format: `i` and eight bytes; `s`, a length of four bytes, and the text; marks.
#include "cbor_like.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_FIRST = 16, INT_BYTES = 9, TEXT_HEAD_BYTES = 5 };

struct cbor_encoder {
    char *buffer;
    size_t length;
    size_t capacity;
};

struct cbor_decoder {
    const char *data;
    size_t length;
    size_t place;
};

void *cbor_mem_acquire(size_t size) {
    void *block = malloc(size);
#ifdef OOM_ABORTS
    if (!block) {
        fputs("malloc failed to allocate memory", stderr);
        abort();
    }
#endif
    return block;
}

void cbor_mem_release(void *block) {
    free(block);
}

struct cbor_encoder *cbor_encoder_new(void) {
    struct cbor_encoder *encoder = cbor_mem_acquire(sizeof *encoder);
    if (!encoder) {
        return NULL;
    }
    encoder->buffer = cbor_mem_acquire(CAPACITY_FIRST);
    if (!encoder->buffer) {
        cbor_mem_release(encoder);
        return NULL;
    }
    encoder->length = 0;
    encoder->capacity = CAPACITY_FIRST;
    return encoder;
}

void cbor_encoder_destroy(struct cbor_encoder *encoder) {
    cbor_mem_release(encoder->buffer);
    cbor_mem_release(encoder);
}

// The place for so many more bytes, or NULL.
static char *reserve(struct cbor_encoder *encoder, size_t bytes) {
    size_t needed = encoder->length + bytes;
    if (needed > encoder->capacity) {
        size_t capacity = needed * 2;
        char *buffer = cbor_mem_acquire(capacity);
        if (!buffer) {
            return NULL;
        }
        memcpy(buffer, encoder->buffer, encoder->length);
        cbor_mem_release(encoder->buffer);
        encoder->buffer = buffer;
        encoder->capacity = capacity;
    }
    char *place = encoder->buffer + encoder->length;
    encoder->length = needed;
    return place;
}

int cbor_encoder_write_int(struct cbor_encoder *encoder, long long number) {
    char *place = reserve(encoder, INT_BYTES);
    if (!place) {
        return -1;
    }
    place[0] = 'i';
    memcpy(place + 1, &number, sizeof number);
    return 0;
}

int cbor_encoder_write_text(struct cbor_encoder *encoder, const char *text, size_t length) {
    unsigned head = (unsigned)length;
    char *place = reserve(encoder, TEXT_HEAD_BYTES + length);
    if (!place) {
        return -1;
    }
    place[0] = 's';
    memcpy(place + 1, &head, sizeof head);
    memcpy(place + TEXT_HEAD_BYTES, text, length);
    return 0;
}

int cbor_encoder_write_mark(struct cbor_encoder *encoder, char mark) {
    char *place = reserve(encoder, 1);
    if (!place) {
        return -1;
    }
    *place = mark;
    return 0;
}

const char *cbor_encoder_data(const struct cbor_encoder *encoder, size_t *length) {
    *length = encoder->length;
    return encoder->buffer;
}

struct cbor_decoder *cbor_decoder_new(const char *data, size_t length) {
    struct cbor_decoder *decoder = cbor_mem_acquire(sizeof *decoder);
    if (decoder) {
        *decoder = (struct cbor_decoder){.data = data, .length = length};
    }
    return decoder;
}

void cbor_decoder_destroy(struct cbor_decoder *decoder) {
    // What is left of the data is nobody's any more.
    decoder->place = decoder->length;
    cbor_mem_release(decoder);
}

char cbor_decoder_peek(const struct cbor_decoder *decoder) {
    return decoder->place < decoder->length ? decoder->data[decoder->place] : '\0';
}

void cbor_decoder_skip_mark(struct cbor_decoder *decoder) {
    decoder->place++;
}

long long cbor_decoder_read_int(struct cbor_decoder *decoder) {
    long long number;
    memcpy(&number, decoder->data + decoder->place + 1, sizeof number);
    decoder->place += INT_BYTES;
    return number;
}

const char *cbor_decoder_read_text(struct cbor_decoder *decoder, size_t *length) {
    unsigned head;
    memcpy(&head, decoder->data + decoder->place + 1, sizeof head);
    const char *text = decoder->data + decoder->place + TEXT_HEAD_BYTES;
    decoder->place += TEXT_HEAD_BYTES + head;
    *length = head;
    return text;
}
