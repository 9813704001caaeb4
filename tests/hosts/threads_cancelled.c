// case: threads are cancelled while they allocate, deferred and asynchronously
// planted: yes
// flags: -pthread

#include "parts/host.h"
static void clean(void *p) { free(p); }
static void *deferred(void *n) { void *p = malloc(100); pthread_cleanup_push(clean, p); for (;;) { churn(5); pthread_testcancel(); } pthread_cleanup_pop(1); return n; }
static void *asynchronous(void *n) { pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, 0); for (volatile long i = 0;; i++) {} return n; }
int main(void) { for (int i = 0; i < 100; i++) { pthread_t a, b; void *r; CHECK(!pthread_create(&a, 0, deferred, 0) && !pthread_create(&b, 0, asynchronous, 0)); if (i % 3 == 0) usleep(100); pthread_cancel(a); pthread_cancel(b); CHECK(!pthread_join(a, &r) && r == PTHREAD_CANCELED); CHECK(!pthread_join(b, &r) && r == PTHREAD_CANCELED); } planted(); return ok(); }
