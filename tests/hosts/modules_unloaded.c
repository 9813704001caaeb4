// case: a module is loaded and unloaded in a loop; one of its lives leaks
// planted: yes
// library: leaky.so parts/leaky.c -DNAME=planted

#include "parts/host.h"
int main(void) { for (int i = 0; i < 200; i++) { void *m = dlopen("./leaky.so", RTLD_NOW); CHECK(m); void (*f)(int) = (void (*)(int))dlsym(m, "leak"); CHECK(f); f(i == 100 ? 7 : 0); dlclose(m); } return ok(); }
