// A session: made step by step, and taken down again where a step fails.
#include "session.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SDP_BYTES = 128, TEXT_BYTES = 100 };

static server_t *stun_list(size_t count) {
    return SAFE_CALLOC(count, sizeof(server_t), server_t *);
}

static server_t *turn_list(size_t count) {
    return SAFE_CALLOC(count, sizeof(server_t), server_t *);
}

result_t session_create(session_t **session, const char *stun, const char *turn) {
    session_t *made = SAFE_CALLOC(1, sizeof *made, session_t *);
    if (!made) {
        return SET_ERRNO(ERROR_MEMORY, "no session");
    }
    made->stun_count = servers_count(stun);
    made->turn_count = servers_count(turn);
    server_t *stun_servers = stun_list(made->stun_count);
    if (!stun_servers) {
        SAFE_FREE(made);
        return SET_ERRNO(ERROR_MEMORY, "no stun servers");
    }
    server_t *turn_servers = turn_list(made->turn_count);
    if (!turn_servers) {
        SAFE_FREE(stun_servers);
        SAFE_FREE(made);
        return SET_ERRNO(ERROR_MEMORY, "no turn servers");
    }
    servers_parse(stun, stun_servers, made->stun_count);
    servers_parse(turn, turn_servers, made->turn_count);
    made->stun_servers = stun_servers;
    made->turn_servers = turn_servers;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made->sockets) != 0) {
        made->sockets[0] = made->sockets[1] = -1;
        goto failed;
    }
    made->manager = manager_create();
    if (!made->manager) {
        goto failed;
    }
    *session = made;
    return RESULT_OK;
failed:
    session_destroy(made);
    return SET_ERRNO(ERROR_GENERAL, "no manager");
}

static int sdp_lines(const char *text) {
    int lines = 0;
    for (; *text != '\0'; text++) {
        lines += *text == '\n';
    }
    return lines;
}

static char *offer_sdp(const session_t *session) {
    char *sdp_str = SAFE_MALLOC(SDP_BYTES, char *);
    if (sdp_str) {
        snprintf(sdp_str, SDP_BYTES, "v=0\ns=%s\na=%s\n", session->stun_servers[0].name, session->turn_servers[0].name);
    }
    return sdp_str;
}

static char *offer_packet(size_t size) {
    return SAFE_MALLOC(size, char *);
}

result_t session_offer(session_t *session) {
    char *sdp_str = offer_sdp(session);
    if (!sdp_str) {
        return SET_ERRNO(ERROR_MEMORY, "no offer");
    }
    size_t size = strlen(sdp_str) + 1;
    char *packet_data = offer_packet(size);
    if (!packet_data) {
        result_t result = SET_ERRNO(ERROR_MEMORY, sdp_lines(sdp_str) > 2 ? "no packet for a long offer" : "no packet");
        SAFE_FREE(sdp_str);
        return result;
    }
    memcpy(packet_data, sdp_str, size);
    SAFE_FREE(sdp_str);
    result_t result = transport_send(session->sockets[0], packet_data, size);
    SAFE_FREE(packet_data);
    return result;
}

result_t session_describe(const session_t *session) {
    char *text = SAFE_MALLOC(TEXT_BYTES, char *);
    if (!text) {
        return SET_ERRNO(ERROR_MEMORY, "no description");
    }
    snprintf(text, TEXT_BYTES, "session: %zu stun, %zu turn", session->stun_count, session->turn_count);
    puts(text);
    SAFE_FREE(text);
    return RESULT_OK;
}

void session_destroy(session_t *session) {
    manager_destroy(session->manager);
    close(session->sockets[0]);
    close(session->sockets[1]);
    SAFE_FREE(session->turn_servers);
    SAFE_FREE(session->stun_servers);
    SAFE_FREE(session);
}
