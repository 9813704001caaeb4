// case: a module with RTLD_DEEPBIND and a function pointer to libc's own malloc pass us by
// planted: yes
// library: deep.so parts/leaky.c -DNAME=other

#include "parts/host.h"
int main(void) { void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD); CHECK(libc); void *(*m)(size_t) = (void *(*)(size_t))dlsym(libc, "malloc"); void (*f)(void *) = (void (*)(void *))dlsym(libc, "free"); for (int i = 0; i < 100; i++) { free(m(i)); f(malloc(i)); void *p = malloc(i + 1); f(p); void *q = m(i + 1); q = realloc(q, 100); free(q); } void *d = dlopen("./deep.so", RTLD_NOW | RTLD_DEEPBIND); CHECK(d); ((void (*)(int))dlsym(d, "leak"))(0); dlclose(d); planted(); return ok(); }
