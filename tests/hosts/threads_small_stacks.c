// case: threads with the smallest stack, 16 KiB
// planted: yes
// flags: -pthread

#include "parts/host.h"
static void *work(void *n) { churn(50); if (n) planted(); char *s; CHECK(asprintf(&s, "%d", 5) == 1); free(s); return 0; }
int main(void) { pthread_attr_t a; pthread_attr_init(&a); CHECK(!pthread_attr_setstacksize(&a, 16384)); for (int i = 0; i < 100; i++) { pthread_t t; CHECK(!pthread_create(&t, &a, work, (void *)(intptr_t)(i == 50))); pthread_join(t, 0); } return ok(); }
