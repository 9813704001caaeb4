// Every function, once failing and once not. The first argument says which call of the list fails.
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(const char *name, void *block) {
    dprintf(1, "%s %s\n", name, block != NULL ? "block" : errno == ENOMEM ? "ENOMEM" : "other");
    errno = 0;
}

int main(void) {
    errno = 0;
    void *one = malloc(11);
    say("malloc", one);
    void *two = calloc(3, 4);
    say("calloc", two);
    void *three = realloc(NULL, 13);
    say("realloc-null", three);
    void *four = reallocarray(NULL, 2, 7);
    say("reallocarray", four);
    void *five = memalign(64, 15);
    say("memalign", five);
    void *six = aligned_alloc(64, 64);
    say("aligned_alloc", six);
    void *seven = valloc(17);
    say("valloc", seven);
    void *eight = pvalloc(18);
    say("pvalloc", eight);
    void *nine = (void *)9;
    errno = 99;
    int result = posix_memalign(&nine, 64, 19);
    dprintf(1, "posix_memalign %s, errno %d, pointer %s\n", result == ENOMEM ? "ENOMEM" : result == 0 ? "0" : "other",
            errno, nine == (void *)9 ? "kept" : "set");
    if (nine == (void *)9) {
        nine = NULL;
    }
    errno = 0;
    void *ten = strdup("a string");
    say("strdup", ten);
    char *eleven = malloc(21);
    if (eleven != NULL) {
        strcpy(eleven, "kept");
        void *bigger = realloc(eleven, 22);
        say("realloc", bigger);
        dprintf(1, "content %s\n", bigger != NULL ? (char *)bigger : eleven);
        eleven = bigger != NULL ? bigger : eleven;
    }
    free(one), free(two), free(three), free(four), free(five), free(six), free(seven), free(eight), free(nine), free(ten);
    // The last block stays.
    return eleven == NULL;
}
