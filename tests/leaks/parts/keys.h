// Thread-specific data: the first 32 keys lie in the thread's control block, more in blocks of libc's.
#ifndef MEMTRACE_LEAKS_KEYS_H
#define MEMTRACE_LEAKS_KEYS_H
#include "threads.h"

enum { KEYS = 200 };

static pthread_key_t keys[KEYS];

static UNUSED void make_keys(void) {
    for (int i = 0; i < KEYS; i++) {
        CHECK(pthread_key_create(&keys[i], NULL) == 0);
    }
}

static APART void set(int number, hidden address) {
    CHECK(pthread_setspecific(keys[number], reveal(address)) == 0);
    clobber();
}

#endif
