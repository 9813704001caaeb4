// case: four threads open and close a module while others allocate
// planted: yes
// flags: -pthread
// library: leaky.so parts/leaky.c -DNAME=planted

#include "parts/host.h"
static volatile int done;
static void *opens(void *unused) { for (int i = 0; i < 100; i++) { void *m = dlopen("./leaky.so", RTLD_NOW); CHECK(m); void (*leak)(int) = (void (*)(int))dlsym(m, "leak"); CHECK(leak); leak(0); CHECK(!dlclose(m)); } return unused; }
static void *work(void *unused) { while (!done) churn(50); return unused; }
int main(void) { pthread_t t[6]; for (int i = 0; i < 6; i++) CHECK(!pthread_create(&t[i], 0, i < 4 ? opens : work, 0)); for (int i = 0; i < 4; i++) pthread_join(t[i], 0); done = 1; for (int i = 4; i < 6; i++) pthread_join(t[i], 0); planted(); return ok(); }
