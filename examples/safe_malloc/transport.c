// Sends frames and reads lists of servers.
#include <string.h>
#include <unistd.h>

#include "session.h"

result_t transport_send(int socket, const char *data, size_t size) {
    char *frame = SAFE_MALLOC(size + 4, char *);
    if (!frame) {
        return SET_ERRNO(ERROR_MEMORY, "no frame");
    }
    memcpy(frame, "DATA", 4);
    memcpy(frame + 4, data, size);
    ssize_t sent = write(socket, frame, size + 4);
    SAFE_FREE(frame);
    return sent == (ssize_t)size + 4 ? RESULT_OK : SET_ERRNO(ERROR_NETWORK, "not sent");
}

size_t servers_count(const char *list) {
    size_t count = *list != '\0';
    for (; *list != '\0'; list++) {
        count += *list == ',';
    }
    return count;
}

void servers_parse(const char *list, server_t *servers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(list, ",");
        size_t taken = length < sizeof servers[i].name ? length : sizeof servers[i].name - 1;
        memcpy(servers[i].name, list, taken);
        servers[i].name[taken] = '\0';
        list += length + (list[length] == ',');
    }
}
