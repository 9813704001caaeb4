// case: each of 30 children forks the next one, and allocates; the last one plants
// planted: yes

#include "parts/host.h"
int main(void) { for (int depth = 0; depth < 30; depth++) { void *p = malloc(100 + depth); pid_t child = fork(); CHECK(child >= 0); if (child) { free(p); int status = ended(child); if (depth) exit(status); CHECK(status == 7); return ok(); } churn(20); free(p); } planted(); exit(7); }
