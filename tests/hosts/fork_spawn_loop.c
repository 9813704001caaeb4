// case: posix_spawn in a loop, with file actions
// planted: yes
// flags: -pthread

#include "parts/host.h"
#include <spawn.h>
extern char **environ;
static volatile int stop;
static void *work(void *n) { while (!stop) churn(20); return n; }
int main(void) {
    pthread_t t; CHECK(!pthread_create(&t, 0, work, 0));
    for (int i = 0; i < 100; i++) {
        posix_spawn_file_actions_t a; posix_spawn_file_actions_init(&a); posix_spawn_file_actions_addopen(&a, 1, "/dev/null", O_WRONLY, 0);
        char *args[] = {"sh", "-c", "echo x; exit 3", 0}; pid_t c;
        CHECK(!posix_spawnp(&c, "sh", &a, 0, args, environ) && ended(c) == 3); CHECK(posix_spawn(&c, "/no/such", 0, 0, args, environ) == ENOENT); posix_spawn_file_actions_destroy(&a);
    }
    CHECK(system("exit 4") == 4 << 8); stop = 1; pthread_join(t, 0); planted(); return ok();
}
