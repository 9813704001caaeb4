// A request is lost where it cannot be sent.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int request(int fd) {
    char *message = malloc(64);
    if (!message) {
        return -1;
    }
    strcpy(message, "hello");
    if (send(fd, message, 5, 0) < 0) {
        fprintf(stderr, "cannot send: %s\n", strerror(errno));
        return -1;
    }
    free(message);
    return 0;
}

int main(void) {
    int fds[2];
    char answer[5];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) {
        perror("socketpair");
        return 1;
    }
    if (request(fds[0])) {
        fputs("no request\n", stderr);
        return 1;
    }
    if (recv(fds[1], answer, 5, 0) != 5) {
        perror("recv");
        return 1;
    }
    return 0;
}
