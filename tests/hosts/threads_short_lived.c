// case: 2,000 threads that live for a moment
// planted: yes
// flags: -pthread

#include "parts/host.h"
static void *work(void *n) { churn((int)(intptr_t)n % 10); return malloc(10); }
int main(void) { for (int i = 0; i < 2000; i++) { pthread_t t; void *p; CHECK(!pthread_create(&t, 0, work, (void *)(intptr_t)i)); CHECK(!pthread_join(t, &p)); free(p); } planted(); return ok(); }
