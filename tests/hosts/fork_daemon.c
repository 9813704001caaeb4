// case: it becomes a daemon; its starter waits for a word of the daemon's
// planted: yes

#include "parts/host.h"
int main(void) {
    int ends[2]; CHECK(!pipe(ends)); pid_t c = fork();
    if (!c) { close(ends[0]); CHECK(!daemon(1, 0)); churn(100); planted(); CHECK(write(ends[1], "up", 2) == 2); exit(0); }
    close(ends[1]); char word[8]; CHECK(read(ends[0], word, 8) == 2 && read(ends[0], word, 8) == 0); CHECK(ended(c) == 0); usleep(300000); return ok();
}
