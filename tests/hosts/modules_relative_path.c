// case: a module is opened by a relative path, and the working directory changes before it allocates
// planted: yes
// library: leaky.so parts/leaky.c -DNAME=planted

#include "parts/host.h"

int main(void)
{
    void *m = dlopen("./leaky.so", RTLD_NOW);
    CHECK(m && !chdir("/"));
    ((void (*)(int))dlsym(m, "leak"))(7);
    return ok();
}
