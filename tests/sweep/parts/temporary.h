// A file in the directory for temporary files.
#ifndef MEMTRACE_SWEEP_TEMPORARY_H
#define MEMTRACE_SWEEP_TEMPORARY_H
#include <fcntl.h>
#include <stdio.h>
#include "say.h"

static char temporary[4096];

// Makes it, or ends where it is there already; its path is in `temporary`.
static APART int make_temporary(const char *name) {
    const char *directory = getenv("TMPDIR");
    snprintf(temporary, sizeof temporary, "%s/%s", directory != NULL ? directory : "/tmp", name);
    int file = open(temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (file < 0) {
        say(2, "it is there already\n");
        exit(4);
    }
    return file;
}

#endif
