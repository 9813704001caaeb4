// case: the last atexit handlers and destructors allocate
// planted: yes

#include "parts/host.h"
static void *late;
__attribute__((destructor(101))) static void last(void) { churn(100); free(late); planted(); }
static void handler(void) { late = malloc(100); churn(50); ok(); }
int main(void) { atexit(handler); return 0; }
