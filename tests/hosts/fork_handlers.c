// case: handlers of pthread_atfork allocate and free, in the parent and in the child, while threads do
// planted: yes
// flags: -pthread

#include "parts/host.h"
static void *kept; static volatile int done;
static void before(void) { free(kept); kept = malloc(200); }
static void after(void) { CHECK(kept); kept = realloc(kept, 300); churn(20); }
static void *work(void *unused) { while (!done) churn(50); return unused; }
int main(void) { pthread_t t[3]; CHECK(!pthread_atfork(before, after, after)); for (int i = 0; i < 3; i++) CHECK(!pthread_create(&t[i], 0, work, 0)); for (int i = 0; i < 12; i++) { pid_t child = fork(); CHECK(child >= 0); if (!child) { churn(50); _exit(5); } CHECK(ended(child) == 5); } done = 1; for (int i = 0; i < 3; i++) pthread_join(t[i], 0); free(kept); planted(); return ok(); }
