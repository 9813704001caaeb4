// Five attempts to connect, each with a buffer that only the attempt that succeeds gives back.
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t size;

static int try_once(void) {
    char *buffer = malloc(32);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (buffer && fd >= 0 && connect(fd, (struct sockaddr *)&address, size) == 0) {
        free(buffer);
        return fd;
    }
    perror("connect");
    close(fd);
    return -1;
}

int main(void) {
    int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "memtrace-retries-%d", (int)getpid());
    size = offsetof(struct sockaddr_un, sun_path) + 1 + length;
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    if (server < 0 || bind(server, (struct sockaddr *)&address, size) || listen(server, 1)) {
        perror("server");
        return 2;
    }
    for (int attempt = 0; attempt < 5; attempt++) {
        if (try_once() >= 0) {
            return 0;
        }
    }
    return 1;
}
