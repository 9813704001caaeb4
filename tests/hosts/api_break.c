// case: it moves the program break itself, between the allocator's own moves
// planted: yes

#include "parts/host.h"
int main(void) { char *mine[50]; for (int i = 0; i < 50; i++) { mine[i] = (char *)sbrk(8192); CHECK(mine[i] != (void *)-1); memset(mine[i], i, 8192); churn(300); void *p = malloc(100000); CHECK(p); free(p); } for (int i = 0; i < 50; i++) CHECK(mine[i][0] == i && mine[i][8191] == i); planted(); return ok(); }
