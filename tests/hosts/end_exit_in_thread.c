// case: a thread calls exit while others allocate
// planted: yes
// status: 5
// flags: -pthread

#include "parts/host.h"
static void *work(void *n) { if (n) { usleep(20000); planted(); ok(); exit(5); } for (;;) churn(10); }
int main(void) { for (intptr_t i = 0; i < 4; i++) { pthread_t t; CHECK(!pthread_create(&t, 0, work, (void *)(intptr_t)(i == 2))); } for (;;) churn(10); }
