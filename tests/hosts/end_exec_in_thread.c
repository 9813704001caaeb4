// case: a thread execs the program itself while others allocate; it plants in its second life
// planted: yes
// flags: -pthread

#include "parts/host.h"
static void *work(void *unused) { for (;;) churn(100); return unused; }
static void *replace(void *name) { usleep(3000); char *arguments[] = {(char *)name, (char *)"again", 0}; execv("/proc/self/exe", arguments); _exit(9); }
int main(int argc, char **argv) { if (argc > 1) { planted(); return ok(); } pthread_t t[3]; for (int i = 0; i < 2; i++) CHECK(!pthread_create(&t[i], 0, work, 0)); CHECK(!pthread_create(&t[2], 0, replace, argv[0])); pthread_join(t[2], 0); return 9; }
