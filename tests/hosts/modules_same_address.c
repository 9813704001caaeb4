// case: two modules take the same address, one after the other, and both leak
// planted: yes
// library: first.so parts/leaky.c -DNAME=planted
// library: second.so parts/leaky.c -DNAME=innocent

#include "parts/host.h"
int main(void) {
    void *a = dlopen("./first.so", RTLD_NOW); CHECK(a); void (*f)(int) = (void (*)(int))dlsym(a, "leak"); uintptr_t was = (uintptr_t)f; f(7); dlclose(a);
    a = dlopen("./second.so", RTLD_NOW); CHECK(a); f = (void (*)(int))dlsym(a, "leak"); f(3); dprintf(1, "%s\n", was == (uintptr_t)f ? "same" : "other"); dlclose(a); return ok();
}
