// case: it allocates in .preinit_array, before any constructor
// planted: yes

#include "parts/host.h"
static void first(int argc, char **argv, char **env) { (void)argc; (void)argv; (void)env; planted(); churn(100); }
__attribute__((section(".preinit_array"), used)) static void (*const entry)(int, char **, char **) = first;
int main(void) { churn(100); return ok(); }
