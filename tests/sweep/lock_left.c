// A mutex that only success unlocks, and one that is held in any case; main returns.
// flags: -pthread
// forms: lock-left
#include <pthread.h>
#include "parts/form.h"

static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t always = PTHREAD_MUTEX_INITIALIZER;

static APART int work(void) {
    pthread_mutex_lock(&table);
    void *block = attempt(100);
    if (block == NULL) {
        return sorry();
    }
    free(block);
    pthread_mutex_unlock(&table);
    return 0;
}

int main(void) {
    pthread_mutex_lock(&always);
    return work();
}
