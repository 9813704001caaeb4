// case: a child stops itself and is continued; its parent hears of both
// planted: yes

#include "parts/host.h"

int main(void) {
    int gate[2], status;
    char word = 0;
    CHECK(pipe(gate) == 0);
    pid_t child = fork();
    if (!child) {
        churn(50);
        raise(SIGSTOP);
        churn(50);
        // Not before its parent has heard: its end would be the only news.
        _exit(read(gate[0], &word, 1) == 1 ? 6 : 7);
    }
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    kill(child, SIGCONT);
    CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    CHECK(write(gate[1], &word, 1) == 1);
    CHECK(ended(child) == 6);
    planted();
    return ok();
}
