// case: it adopts orphans, as the first process of a container does, and counts its children
// planted: yes

#include "parts/host.h"

int main(void)
{
    CHECK(!prctl(PR_SET_CHILD_SUBREAPER, 1));
    pid_t child = fork();
    if (!child) {
        planted();
        exit(3);
    }
    int status, count = 0;
    usleep(300000);
    for (pid_t ended; (ended = wait(&status)) > 0; count++)
        CHECK(ended == child && WEXITSTATUS(status) == 3);
    CHECK(count == 1);
    return ok();
}
