// A session of several parts, each of which may not be to be had: what was there before is freed again, in the order of the
// steps. One allocation is made to fail, by its file and line, and one step of the cascade forgets the servers before it.
// flags: -O2 -s
// env: MALLOC_FAIL_FILE=session.c:61
// exit: 1
// expect: was made to fail: realloc of 320 bytes
// expect: at session_new (session.c:61, turn_server_t *)
// expect: 144 bytes in 1 blocks are definitely lost
// expect: at session_new (session.c:57, stun_server_t *)
// expect: suppress: leak:^session_new$
// expect: allocations: 4 (333 bytes)
// expect: frees: 3 (189 bytes)
// expect: live at the end: 144 bytes in 1 block from 1 stack
// expect: losses: none
// expect: definitely lost: 144 bytes in 1 blocks
// expect-site: calloc, 144 bytes in 1 block
#include "../shim/include/memtrace.h"

typedef struct stun_server {
    char host[46];
    unsigned short port;
} stun_server_t;

typedef struct turn_server {
    char host[46];
    unsigned short port;
    char user[32];
} turn_server_t;

typedef struct session {
    stun_server_t *stun_servers;
    turn_server_t *turn_servers;
    char *id;
    unsigned char *packet;
    size_t stun_count, turn_count;
    void *user;
} session_t;

_Static_assert(sizeof(stun_server_t) == 48 && sizeof(turn_server_t) == 80 && sizeof(session_t) == 56, "sizes");

static void session_free(session_t *session) {
    if (!session) return;
    SAFE_FREE(session->packet);
    SAFE_FREE(session->turn_servers);
    SAFE_FREE(session->stun_servers);
    SAFE_FREE(session->id);
    SAFE_FREE(session);
}

static __attribute__((noinline)) session_t *session_new(const char *id, size_t stun_count, size_t turn_count) {
    session_t *session = SAFE_CALLOC(1, sizeof(session_t), session_t *);
    if (!session) return NULL;
    SAFE_STRDUP(session->id, id);
    if (!session->id) goto without_id;
    session->packet = SAFE_MALLOC_ALIGNED(100, 64, unsigned char *);
    if (!session->packet) goto without_packet;
    session->stun_servers = SAFE_CALLOC(stun_count, sizeof(stun_server_t), stun_server_t *);
    if (!session->stun_servers) goto without_stun;
    session->stun_count = stun_count;
    session->turn_count = turn_count;
    session->turn_servers = SAFE_REALLOC(NULL, turn_count * sizeof(turn_server_t), turn_server_t *);
    if (!session->turn_servers) goto without_stun;  // Here `without_turn` would have to free them first.
    return session;
without_stun:
    SAFE_FREE(session->packet);
without_packet:
    SAFE_FREE(session->id);
without_id:
    SAFE_FREE(session);
    return NULL;
}

int main(void) {
    session_t *session = session_new("a-1f", 3, 4);
    if (!session) return 1;
    session_free(session);
    return 0;
}
