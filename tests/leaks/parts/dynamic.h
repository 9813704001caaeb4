// A library that is loaded while the program runs.
#ifndef MEMTRACE_LEAKS_DYNAMIC_H
#define MEMTRACE_LEAKS_DYNAMIC_H
#include "../leaks.h"
#include <dlfcn.h>

static UNUSED void *load(const char *path) {
    void *library = dlopen(path, RTLD_NOW);
    CHECK(library != NULL);
    return library;
}

// Has a function of the library hold a block.
static APART void hold(void *library, const char *function, hidden address) {
    void (*call)(hidden) = (void (*)(hidden))dlsym(library, function);
    CHECK(call != NULL);
    call(address);
    clobber();
}

#endif
