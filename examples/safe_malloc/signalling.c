// The connection to the signalling server, which is never there.
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "session.h"

enum { ATTEMPTS = 5, BUFFER_BYTES = 512 };

typedef struct {
    char *host;
    char *buffer;
    int socket;
} signalling_t;

static void signalling_close(signalling_t *signalling) {
    close(signalling->socket);
    SAFE_FREE(signalling->buffer);
    SAFE_FREE(signalling->host);
    SAFE_FREE(signalling);
}

static result_t signalling_open(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    signalling_t *signalling = SAFE_CALLOC(1, sizeof *signalling, signalling_t *);
    if (!signalling) {
        return SET_ERRNO(ERROR_MEMORY, "no connection");
    }
    SAFE_STRDUP(signalling->host, path);
    for (size_t i = 0; signalling->host[i] != '\0' && i < sizeof address.sun_path - 1; i++) {
        address.sun_path[i] = signalling->host[i];
    }
    signalling->buffer = SAFE_MALLOC(BUFFER_BYTES, char *);
    if (!signalling->buffer) {
        SAFE_FREE(signalling);
        return SET_ERRNO(ERROR_MEMORY, "no buffer");
    }
    signalling->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int status = connect(signalling->socket, (struct sockaddr *)&address, sizeof address);
    signalling_close(signalling);
    return status == 0 ? RESULT_OK : ERROR_NETWORK;
}

result_t signalling_connect(const char *path) {
    for (int attempt = 1; attempt <= ATTEMPTS; attempt++) {
        if (signalling_open(path) == RESULT_OK) {
            return RESULT_OK;
        }
    }
    printf("signalling: gave up after %d attempts\n", ATTEMPTS);
    return ERROR_NETWORK;
}
