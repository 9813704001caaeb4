// A client of a session: what a review of a C program with SAFE_MALLOC found, as a program of its own.
//
// Each defect is named by the outcome of a failure and a function on the stack of the call that failed.
// Those of OOM_RETURNS_NULL cannot be reached under OOM_FATAL, where every lack of memory ends in `fatal`.
//
// sources: main.c fatal.c peers.c safe_malloc.c session.c signalling.c transport.c
// flags: -pthread
//
// build: -DOOM_RETURNS_NULL
// defect: null-dereference in safe_strdup: signalling_open does not look at what SAFE_STRDUP gave
// defect: leak in signalling_open: where there is no buffer, `host` is not freed, in each of five attempts
// defect: leak in turn_list: session_create frees the session, and not stun_servers
// defect: heap-corruption in manager_create: session_create frees stun_servers, and session_destroy does it again
// defect: null-dereference in manager_create: a lock without memory is initialised
// defect: hang-deadlocked in peer_connection: manager_add_peer returns with the lock held, which manager_destroy takes
// defect: leak in peer_channel: manager_add_peer frees the entry, and not its connection
// defect: heap-corruption in peer_callbacks: the entry is freed and stays in the list, so manager_destroy frees it again
// defect: null-dereference in offer_packet: session_offer reads sdp_str behind its SAFE_FREE
// defect: leak in transport_send: session_offer does not free packet_data where it cannot be sent
// defect: silent-wrong in session_describe: without memory it says that there are no servers
//
// build: -DOOM_FATAL
// defect forever: stack-overflow in fatal: its message is allocated by SAFE_MALLOC, which calls it again
#include <stdio.h>

#include "session.h"

int main(void) {
    session_t *session = NULL;
    signalling_connect("/nonexistent/signalling");
    result_t result = session_create(&session, "stun:one.example,stun:two.example", "turn:three.example");
    if (result != RESULT_OK) {
        return (int)result;
    }
    result = manager_add_peer(session->manager, "peer-1");
    if (result == RESULT_OK) {
        result = session_offer(session);
    }
    if (result == RESULT_OK) {
        result = session_describe(session);
    }
    session_destroy(session);
    return (int)result;
}
