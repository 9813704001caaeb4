// Four threads at once, each with a stack of its own kind; one of them does not look at what it gets.
// expect: null-dereference
// expect: tolerated
// expect site: careless
// flags: -pthread
#include <pthread.h>
#include "parts/dereference.h"

static void *careful(void *unused) {
    for (int i = 0; i < 50; i++) {
        free(malloc(60));
    }
    return unused;
}

static void *body(void *unused) {
    careless();
    return unused;
}

int main(void) {
    pthread_t workers[4];
    for (int i = 0; i < 4; i++) {
        if (pthread_create(&workers[i], NULL, i == 2 ? body : careful, NULL) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(workers[i], NULL);
    }
    say(1, "done\n");
    return 0;
}
