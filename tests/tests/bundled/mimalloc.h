// A model of mimalloc: its functions call one another, an aligned block lies inside another one, and a block that moves is
// taken and freed by the allocator itself.
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <pthread.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *next_free[40];
static char *top;
static size_t left;
#define API __attribute__((noinline, noclone))
struct head { size_t bytes, place; };
API void *mi_malloc(size_t bytes) {
    size_t place = 4;
    while (place < 40 && ((size_t)1 << place) < bytes + sizeof(struct head)) place++;
    if (place >= 32) return errno = ENOMEM, NULL;
    pthread_mutex_lock(&lock);
    char *block = next_free[place];
    if (block) memcpy(&next_free[place], block, sizeof(char *));
    else {
        size_t whole = (size_t)1 << place;
        if (left < whole) {
            left = whole > 1 << 20 ? whole : 1 << 20;
            top = mmap(NULL, left, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        }
        block = top + sizeof(struct head), top += whole, left -= whole;
    }
    ((struct head *)block)[-1] = (struct head){bytes, place};
    pthread_mutex_unlock(&lock);
    return block;
}
API void mi_free(void *block) {
    if (!block) return;
    struct head *head = (struct head *)block - 1;
    if (head->place >= 64) return mi_free((char *)block - head->place);
    pthread_mutex_lock(&lock);
    memcpy(block, &next_free[head->place], sizeof(char *));
    next_free[head->place] = block;
    pthread_mutex_unlock(&lock);
}
API void *mi_zalloc(size_t bytes) {
    void *block = mi_malloc(bytes);
    return block ? memset(block, 0, bytes) : NULL;
}
API void *mi_calloc(size_t count, size_t bytes) { return mi_zalloc(count * bytes); }
API void *mi_malloc_aligned(size_t bytes, size_t alignment) {
    char *block = mi_malloc(bytes + 2 * alignment);
    if (!block) return NULL;
    char *inside = (char *)(((uintptr_t)block + 2 * alignment) & -alignment);
    ((struct head *)inside)[-1] = (struct head){bytes, inside - block};
    return inside;
}
API void *mi_aligned_alloc(size_t alignment, size_t bytes) { return mi_malloc_aligned(bytes, alignment); }
API int mi_posix_memalign(void **into, size_t alignment, size_t bytes) {
    void *block = mi_malloc_aligned(bytes, alignment);
    if (!block) return ENOMEM;
    *into = block;
    return 0;
}
API void *mi_realloc(void *old, size_t bytes) {
    void *block = mi_malloc(bytes);
    if (!block || !old) return block;
    size_t before = ((struct head *)old)[-1].bytes;
    memcpy(block, old, before < bytes ? before : bytes);
    mi_free(old);
    return block;
}
