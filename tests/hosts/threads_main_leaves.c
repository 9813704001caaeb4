// case: the main thread leaves first, and the last thread ends the process
// planted: yes
// flags: -pthread

#include "parts/host.h"
static void *work(void *main_thread) { pthread_join((pthread_t)main_thread, 0); churn(100); planted(); ok(); return 0; }
int main(void) { pthread_t t; CHECK(!pthread_create(&t, 0, work, (void *)pthread_self())); pthread_detach(t); churn(10); pthread_exit(0); }
