// A session with its servers, and a manager with its peers.
#ifndef SESSION_H
#define SESSION_H
#include <pthread.h>

#include "safe_malloc.h"

typedef struct {
    char name[32];
} server_t;

typedef struct {
    int number;
    char room[60];
} connection_t;

typedef struct {
    char label[24];
} channel_t;

typedef struct {
    void (*on_open)(void);
    void (*on_message)(const char *);
    void (*on_close)(void);
} callbacks_t;

typedef struct peer {
    char name[16];
    connection_t *connection;
    channel_t *channel;
    callbacks_t *callbacks;
    struct peer *next;
} peer_t;

typedef struct {
    pthread_mutex_t *lock;
    peer_t *peers;
} manager_t;

typedef struct {
    server_t *stun_servers;
    size_t stun_count;
    server_t *turn_servers;
    size_t turn_count;
    manager_t *manager;
    int sockets[2];
} session_t;

// session.c. Lists of servers have commas between them.
result_t session_create(session_t **session, const char *stun, const char *turn);
result_t session_offer(session_t *session);
result_t session_describe(const session_t *session);
void session_destroy(session_t *session);

// peers.c
manager_t *manager_create(void);
result_t manager_add_peer(manager_t *manager, const char *name);
void manager_destroy(manager_t *manager);

// signalling.c: tries five times to reach a server.
result_t signalling_connect(const char *path);

// transport.c
result_t transport_send(int socket, const char *data, size_t size);
size_t servers_count(const char *list);
void servers_parse(const char *list, server_t *servers, size_t count);

#endif
