// The error path returns with the lock held, and the next one waits for it.
// forms: hang-deadlocked
// flags: -pthread
#include <pthread.h>
#include "parts/form.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static APART int put(void) {
    pthread_mutex_lock(&lock);
    void *block = attempt(100);
    if (block == NULL) {
        return -1;
    }
    free(block);
    pthread_mutex_unlock(&lock);
    return 0;
}

int main(void) {
    if (put() != 0) {
        say(2, "not put\n");
    }
    pthread_mutex_lock(&lock);
    say(1, "done\n");
    pthread_mutex_unlock(&lock);
    return 0;
}
