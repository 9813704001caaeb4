// case: 120 modules are open at once, and each allocates; they go in another order than they came
// planted: yes
// held: the loader has words left that lead to what it has freed
// possible: as above
// library: leaky.so parts/leaky.c -DNAME=planted

#include "parts/host.h"
static int copy(const char *to) { char text[65536]; int from = open("./leaky.so", O_RDONLY), fd = open(to, O_CREAT | O_WRONLY | O_TRUNC, 0755); ssize_t n; while ((n = read(from, text, sizeof text)) > 0) CHECK(write(fd, text, n) == n); close(from); return close(fd); }
int main(void) {
    void *m[120]; char name[64];
    for (int i = 0; i < 120; i++) { sprintf(name, "./copy-%d.so", i); CHECK(!copy(name)); m[i] = dlopen(name, RTLD_NOW); CHECK(m[i] && !unlink(name)); void (*leak)(int) = (void (*)(int))dlsym(m[i], "leak"); CHECK(leak); leak(0); }
    for (int i = 0; i < 120; i++) CHECK(!dlclose(m[i * 7 % 120]));
    // The handles would point into what stands there now.
    for (int i = 0; i < 120; i++) ((void *volatile *)m)[i] = 0;
    planted(); return ok();
}
