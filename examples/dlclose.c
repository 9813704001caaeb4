// A plug-in leaks and is unloaded, and another is loaded at its address: each leak has its own plug-in's name.
// library: first.so parts/plugin.c -DNAME=first_leak -DBYTES=111
// library: other.so parts/plugin.c -DNAME=other_leak -DBYTES=222
// flags: -O1 -ldl
// expect: 222 bytes in 1 blocks are definitely lost
// expect: at other_leak (plugin.c:5)
// expect: by use (dlclose.c:
// expect: 111 bytes in 1 blocks are definitely lost
// expect: at first_leak (plugin.c:5)
// expect: by use (dlclose.c:
// exit: 0
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

static __attribute__((noinline)) void *use(const char *path, const char *name) {
    void *plugin = dlopen(path, RTLD_NOW);
    void *(*leak)(void) = (void *(*)(void))dlsym(plugin, name);
    void *volatile block = leak();
    (void)block;
    dlclose(plugin);
    return (void *)leak;
}

int main(void) {
    void *first = use("./first.so", "first_leak");
    void *other = use("./other.so", "other_leak");
    // The two have the same size, so the loader puts the second where the first was: else nothing is shown here.
    return first == other ? 0 : 1;
}
