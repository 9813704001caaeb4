// It ends as programs with GLib do.
// expect: designed-abort
#include <signal.h>
#include <stdio.h>
#include "parts/say.h"

static APART void *g_malloc(size_t size) {
    void *block = malloc(size);
    if (block == NULL) {
        char text[160];
        snprintf(text, sizeof text,
            "\n(process:%d): GLib-ERROR **: 12:00:00.000: ../../../glib/gmem.c:106: failed to allocate %zu bytes\n",
            (int)getpid(), size);
        say(2, text);
        raise(SIGTRAP);
    }
    return block;
}

int main(void) {
    free(g_malloc(100));
    say(1, "done\n");
    return 0;
}
