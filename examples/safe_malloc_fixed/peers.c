// Peers in a list, under a lock.
#include <string.h>

#include "session.h"

manager_t *manager_create(void) {
    manager_t *manager = SAFE_CALLOC(1, sizeof *manager, manager_t *);
    if (!manager) {
        return NULL;
    }
    manager->lock = SAFE_MALLOC(sizeof *manager->lock, pthread_mutex_t *);
    if (!manager->lock) {
        SAFE_FREE(manager);
        return NULL;
    }
    pthread_mutex_init(manager->lock, NULL);
    return manager;
}

static peer_t *peer_entry(const char *name) {
    peer_t *peer = SAFE_CALLOC(1, sizeof *peer, peer_t *);
    if (peer) {
        strncpy(peer->name, name, sizeof peer->name - 1);
    }
    return peer;
}

static connection_t *peer_connection(void) {
    return SAFE_CALLOC(1, sizeof(connection_t), connection_t *);
}

static channel_t *peer_channel(void) {
    return SAFE_CALLOC(1, sizeof(channel_t), channel_t *);
}

static callbacks_t *peer_callbacks(void) {
    return SAFE_CALLOC(1, sizeof(callbacks_t), callbacks_t *);
}

result_t manager_add_peer(manager_t *manager, const char *name) {
    pthread_mutex_lock(manager->lock);
    peer_t *peer = peer_entry(name);
    if (!peer) {
        pthread_mutex_unlock(manager->lock);
        return SET_ERRNO(ERROR_MEMORY, "no peer");
    }
    connection_t *connection = peer_connection();
    if (!connection) {
        SAFE_FREE(peer);
        pthread_mutex_unlock(manager->lock);
        return SET_ERRNO(ERROR_MEMORY, "no connection");
    }
    peer->connection = connection;
    channel_t *channel = peer_channel();
    if (!channel) {
        SAFE_FREE(connection);
        SAFE_FREE(peer);
        pthread_mutex_unlock(manager->lock);
        return SET_ERRNO(ERROR_MEMORY, "no channel");
    }
    peer->channel = channel;
    callbacks_t *callbacks = peer_callbacks();
    if (!callbacks) {
        SAFE_FREE(channel);
        SAFE_FREE(connection);
        SAFE_FREE(peer);
        pthread_mutex_unlock(manager->lock);
        return SET_ERRNO(ERROR_MEMORY, "no callbacks");
    }
    peer->callbacks = callbacks;
    peer->next = manager->peers;
    manager->peers = peer;
    pthread_mutex_unlock(manager->lock);
    return RESULT_OK;
}

void manager_destroy(manager_t *manager) {
    if (!manager) {
        return;
    }
    pthread_mutex_lock(manager->lock);
    for (peer_t *peer = manager->peers; peer != NULL; peer = manager->peers) {
        manager->peers = peer->next;
        SAFE_FREE(peer->callbacks);
        SAFE_FREE(peer->channel);
        SAFE_FREE(peer->connection);
        SAFE_FREE(peer);
    }
    pthread_mutex_unlock(manager->lock);
    pthread_mutex_destroy(manager->lock);
    SAFE_FREE(manager->lock);
    SAFE_FREE(manager);
}
