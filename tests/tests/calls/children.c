// Opens a file in a vfork child, in a fork child, and itself: says which of them could.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int vforked = -1;

int main(int count, char **arguments) {
    (void)count;
    int status;
    pid_t child = vfork();
    if (child == 0) {
        vforked = open("/dev/null", O_RDONLY);
        _exit(0);
    }
    waitpid(child, &status, 0);
    child = fork();
    if (child == 0) {
        _exit(open("/dev/null", O_RDONLY) < 0);
    }
    waitpid(child, &status, 0);
    struct stat about = {0};
    int own = open(arguments[1], O_CREAT | O_WRONLY, 0640);
    fstat(own, &about);
    // A mode is an argument that not every open has.
    printf("vforked %d forked %d own %d mode %o\n", vforked >= 0, status == 0, own >= 0, about.st_mode & 0777);
    return write(2, "said\n", 5) != 5;
}
