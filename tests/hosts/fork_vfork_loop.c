// case: vfork in a loop, with execs that work and that fail
// planted: yes

#include "parts/host.h"
int main(void) {
    for (int i = 0; i < 200; i++) { void *p = malloc(i); pid_t c = vfork(); if (!c) { execl(i % 2 ? "/bin/true" : "/no/such", "x", (char *)0); _exit(9); } CHECK(c > 0 && ended(c) == (i % 2 ? 0 : 9)); free(p); }
    planted(); return ok();
}
