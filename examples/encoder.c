// An encoder of 40 bytes with a buffer of 256, lost: the program's own macros name the site, though it is stripped.
// flags: -O2 -s
// expect: 296 (40 direct, 256 indirect) bytes in 1 blocks are definitely lost
// expect: at encoder_new (encoder.c:24, encoder_t *)
// expect: by ??? (encoder+0x
// expect: allocations: 2 (296 bytes)
// expect: live at the end: 296 bytes in 2 blocks from 2 stacks
// expect: losses: none
// expect-site: malloc, 256 bytes in 1 block
#include "../shim/include/memtrace.h"

typedef struct encoder {
    unsigned char *buffer;
    size_t length, capacity, depth, limit;
} encoder_t;

static void encoder_free(encoder_t *encoder) {
    if (encoder) SAFE_FREE(encoder->buffer);
    SAFE_FREE(encoder);
}

// Each failure is checked, as where SAFE_MALLOC gives NULL.
static __attribute__((noinline)) encoder_t *encoder_new(size_t capacity) {
    encoder_t *encoder = SAFE_MALLOC(sizeof(encoder_t), encoder_t *);
    if (!encoder) return NULL;
    encoder->buffer = SAFE_MALLOC(capacity, unsigned char *);
    if (!encoder->buffer) {
        encoder_free(encoder);
        return NULL;
    }
    encoder->capacity = capacity;
    return encoder;
}

int main(void) {
    encoder_t *volatile encoder = encoder_new(256);
    encoder = NULL;
    return encoder != NULL;
}
