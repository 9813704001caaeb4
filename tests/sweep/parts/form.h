// One allocation and the three ways to its error path; FORM says which of them a build has.
//
// 1, once: one failure is enough.
// 2, for ever: the same call is tried again, so that one failure does nothing, and opens no new stack.
// 3, pair: another call stands in for the one that failed; where a third fails too, the program ends in good order.
#ifndef MEMTRACE_SWEEP_FORM_H
#define MEMTRACE_SWEEP_FORM_H
#include "say.h"

// What is to be put in order before that end.
#ifndef GIVE_UP
#define GIVE_UP()
#endif

// NULL: the error path is to be taken.
static APART void *attempt(size_t size) {
#if FORM == 1
    return malloc(size);
#elif FORM == 2
    void *block = NULL;
    for (int tries = 0; tries < 3 && block == NULL; tries++) {
        block = malloc(size);
    }
    return block;
#elif FORM == 3
    void *block = malloc(size);
    if (block == NULL) {
        block = malloc(size);
    }
    if (block == NULL) {
        void *reserve = malloc(1);
        if (reserve == NULL) {
            GIVE_UP();
            exit(sorry());
        }
        free(reserve);
    }
    return block;
#else
#error FORM is 1, 2 or 3
#endif
}

#endif
