// Threads that wait in system calls: none may notice that it was stopped.
//
// `waits threads`: each call in a thread of its own. `waits main CALL`: the first thread in one of them. What has no
// time of its own is fed when stdin says so. Says of each call whether it went as without a stop.
#include "waits_timed.h"

static const struct call calls[] = {
    {"read", prepare_pipe, wait_read, feed_pipe},
    {"write", prepare_full, wait_write, feed_full},
    {"recv", prepare_sockets, wait_recv, feed_pipe},
    {"accept", prepare_listener, wait_accept, feed_listener},
    {"epoll_wait", prepare_epoll, wait_epoll, feed_pipe},
    {"epoll_pwait", prepare_epoll, wait_epoll_pwait, feed_pipe},
    {"poll", prepare_pipe, wait_poll, feed_pipe},
    {"ppoll", prepare_pipe, wait_ppoll, feed_pipe},
    {"select", prepare_pipe, wait_select, feed_pipe},
    {"futex", prepare_nothing, wait_futex, feed_futex},
    {"sem_wait", prepare_semaphore, wait_semaphore, feed_semaphore},
    {"msgrcv", prepare_messages, wait_msgrcv, feed_messages},
    {"semop", prepare_semop, wait_semop, feed_semop},
    {"flock", prepare_lock, wait_flock, feed_lock},
    {"waitpid", prepare_child, wait_waitpid, feed_pipe},
    {"sigwaitinfo", prepare_signal, wait_sigwaitinfo, feed_signal},
    {"sigsuspend", prepare_handler, wait_sigsuspend, feed_signal},
    // Those below have a time.
    {"nanosleep", prepare_nothing, wait_nanosleep, NULL},
    {"clock_nanosleep", prepare_nothing, wait_clock_nanosleep, NULL},
    {"poll_timed", prepare_nothing, wait_poll_timed, NULL},
    {"ppoll_timed", prepare_nothing, wait_ppoll_timed, NULL},
    {"select_timed", prepare_nothing, wait_select_timed, NULL},
    {"futex_timed", prepare_nothing, wait_futex_timed, NULL},
    {"cond_timedwait", prepare_nothing, wait_cond_timed, NULL},
    {"sem_timedwait", prepare_semaphore, wait_semaphore_timed, NULL},
    {"timerfd", prepare_timer, wait_timerfd, NULL},
    {"mq_timedreceive", prepare_queue, wait_queue_timed, NULL},
    // Those below begin anew when they were stopped (design.md, 8.10), so their time may be longer.
    {"epoll_wait_timed", prepare_epoll, wait_epoll_timed, NULL},
    {"sigtimedwait", prepare_signal, wait_sigtimedwait, NULL},
    {"recv_timed", prepare_timed_socket, wait_recv_timed, NULL},
    {"semtimedop", prepare_semop, wait_semtimedop, NULL},
};
enum { CALLS = sizeof calls / sizeof *calls };

static int begins_anew(const struct call *call) {
    return !strcmp(call->name, "epoll_wait_timed") || !strcmp(call->name, "sigtimedwait") ||
           !strcmp(call->name, "recv_timed") || !strcmp(call->name, "semtimedop");
}

static void *body(void *argument) {
    struct wait *it = argument;
    double begin = now();
    errno = 0;
    int is_right = it->call->wait(it);
    double took = now() - begin;
    if (is_right && it->call->feed == NULL && (took < SECONDS - 0.02 || (took > SECONDS + SLACK && !begins_anew(it->call)))) {
        snprintf(it->said, sizeof it->said, "took %.3f s, not %.0f", took, SECONDS);
    } else if (is_right) {
        snprintf(it->said, sizeof it->said, "ok");
    }
    return NULL;
}

static void finish(struct wait *it) {
    if (it->call->prepare == prepare_messages) {
        msgctl(it->id, IPC_RMID, NULL);
    } else if (it->call->prepare == prepare_semop) {
        semctl(it->id, 0, IPC_RMID);
    }
    SAY("%s: %s\n", it->call->name, it->said);
}

static struct wait waits[CALLS];
static void *volatile *volatile chain;

// Blocks that take a check some time to list.
static void build_chain(void) {
    for (int i = 0; i < 100000; i++) {
        void *volatile *block = malloc(28);
        CHECK(block != NULL);
        *block = (void *)chain;
        chain = block;
    }
}

static void *feeder(void *argument) {
    struct wait *it = argument;
    CHECK(hear() == 'f');
    it->call->feed(it);
    return NULL;
}

int main(int argc, char **argv) {
    // Queues go with the process where that is allowed.
    (void)!unshare(CLONE_NEWIPC);
    build_chain();
    if (argc == 3) {
        struct wait *it = waits;
        for (it->call = calls; strcmp(it->call->name, argv[2]) != 0; it->call++) {
            CHECK(it->call < calls + CALLS - 1);
        }
        it->thread = pthread_self();
        it->call->prepare(it);
        if (it->call->feed != NULL) {
            start_thread(feeder, it);
        }
        ready();
        body(it);
        finish(it);
        return 0;
    }
    for (int i = 0; i < CALLS; i++) {
        waits[i].call = &calls[i];
        calls[i].prepare(&waits[i]);
    }
    for (int i = 0; i < CALLS; i++) {
        waits[i].thread = start_thread(body, &waits[i]);
    }
    ready();
    CHECK(hear() == 'f');
    for (int i = 0; i < CALLS; i++) {
        if (calls[i].feed != NULL) {
            calls[i].feed(&waits[i]);
        }
    }
    for (int i = 0; i < CALLS; i++) {
        pthread_join(waits[i].thread, NULL);
    }
    for (int i = 0; i < CALLS; i++) {
        finish(&waits[i]);
    }
    return 0;
}
