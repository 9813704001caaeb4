// case: the program has operators new and delete of its own
// planted: yes

#include "parts/host.h"
#include <new>
static int news, deletes;
void *operator new(size_t n) { news++; return malloc(n + 16); }
void operator delete(void *p) noexcept { deletes++; free(p); }
void operator delete(void *p, size_t) noexcept { deletes++; free(p); }
int main() { int *volatile p = new int(3); delete p; CHECK(news == 1 && deletes == 1); planted(); return ok(); }
