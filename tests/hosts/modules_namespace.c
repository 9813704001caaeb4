// case: dlmopen loads a second libc, whose heap is not ours to see
// planted: yes

#include "parts/host.h"
int main(void) { void *m = dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW | RTLD_LOCAL); CHECK(m); void *(*f)(size_t) = (void *(*)(size_t))dlsym(m, "malloc"); void (*g)(void *) = (void (*)(void *))dlsym(m, "free"); CHECK(f && g); for (int i = 0; i < 100; i++) g(f(i)); planted(); return ok(); }
