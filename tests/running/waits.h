// Calls that wait until they are fed.
#ifndef MEMTRACE_WAITS_H
#define MEMTRACE_WAITS_H
#include "running.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

struct wait {
    const struct call *call;
    pthread_t thread;
    int fds[2];
    int id;
    int word;
    int signal;
    sem_t semaphore;
    char said[200];
};

struct call {
    const char *name;
    void (*prepare)(struct wait *);
    // Whether the call did what it should.
    int (*wait)(struct wait *);
    void (*feed)(struct wait *);
};

#define EXPECT(condition) \
    do { \
        if (!(condition)) { \
            snprintf(it->said, sizeof it->said, "not %s, errno %d", #condition, errno); \
            return 0; \
        } \
    } while (0)

static void prepare_nothing(struct wait *it) { (void)it; }
static void prepare_pipe(struct wait *it) { CHECK(pipe(it->fds) == 0); }
static void feed_pipe(struct wait *it) { CHECK(write(it->fds[1], "x", 1) == 1); }

static int wait_read(struct wait *it) {
    char byte;
    EXPECT(read(it->fds[0], &byte, 1) == 1);
    return 1;
}

static void prepare_full(struct wait *it) {
    static char zeroes[4096];
    CHECK(pipe2(it->fds, O_NONBLOCK) == 0);
    while (write(it->fds[1], zeroes, sizeof zeroes) > 0) {
    }
    CHECK(fcntl(it->fds[1], F_SETFL, 0) == 0);
}
static int wait_write(struct wait *it) {
    EXPECT(write(it->fds[1], "x", 1) == 1);
    return 1;
}
static void feed_full(struct wait *it) {
    static char bytes[65536];
    CHECK(read(it->fds[0], bytes, sizeof bytes) > 0);
}

static void prepare_sockets(struct wait *it) { CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, it->fds) == 0); }
static int wait_recv(struct wait *it) {
    char byte;
    EXPECT(recv(it->fds[0], &byte, 1, 0) == 1);
    return 1;
}

static void prepare_listener(struct wait *it) {
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    CHECK((it->fds[0] = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0);
    CHECK(bind(it->fds[0], (struct sockaddr *)&any, sizeof any.sun_family) == 0 && listen(it->fds[0], 1) == 0);
}
static int wait_accept(struct wait *it) {
    EXPECT(accept(it->fds[0], NULL, NULL) >= 0);
    return 1;
}
static void feed_listener(struct wait *it) {
    struct sockaddr_un name;
    socklen_t length = sizeof name;
    CHECK(getsockname(it->fds[0], (struct sockaddr *)&name, &length) == 0);
    CHECK((it->fds[1] = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0);
    CHECK(connect(it->fds[1], (struct sockaddr *)&name, length) == 0);
}

static void prepare_epoll(struct wait *it) {
    struct epoll_event event = {.events = EPOLLIN};
    prepare_pipe(it);
    CHECK((it->id = epoll_create1(0)) >= 0 && epoll_ctl(it->id, EPOLL_CTL_ADD, it->fds[0], &event) == 0);
}
static int wait_epoll(struct wait *it) {
    struct epoll_event event;
    EXPECT(epoll_wait(it->id, &event, 1, -1) == 1);
    return 1;
}
static int wait_epoll_pwait(struct wait *it) {
    struct epoll_event event;
    sigset_t none;
    sigemptyset(&none);
    EXPECT(epoll_pwait(it->id, &event, 1, -1, &none) == 1);
    return 1;
}
static int wait_poll(struct wait *it) {
    struct pollfd fd = {it->fds[0], POLLIN, 0};
    EXPECT(poll(&fd, 1, -1) == 1);
    return 1;
}
static int wait_ppoll(struct wait *it) {
    struct pollfd fd = {it->fds[0], POLLIN, 0};
    sigset_t none;
    sigemptyset(&none);
    EXPECT(ppoll(&fd, 1, NULL, &none) == 1);
    return 1;
}
static int wait_select(struct wait *it) {
    fd_set fds;
    FD_ZERO(&fds);
    FD_SET(it->fds[0], &fds);
    EXPECT(select(it->fds[0] + 1, &fds, NULL, NULL, NULL) == 1);
    return 1;
}

static int wait_futex(struct wait *it) {
    EXPECT(syscall(SYS_futex, &it->word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) == 0);
    return 1;
}
static void feed_futex(struct wait *it) {
    it->word = 1;
    CHECK(syscall(SYS_futex, &it->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 1);
}

static void prepare_semaphore(struct wait *it) { CHECK(sem_init(&it->semaphore, 0, 0) == 0); }
static int wait_semaphore(struct wait *it) {
    EXPECT(sem_wait(&it->semaphore) == 0);
    return 1;
}
static void feed_semaphore(struct wait *it) { CHECK(sem_post(&it->semaphore) == 0); }

static void prepare_messages(struct wait *it) { CHECK((it->id = msgget(IPC_PRIVATE, 0600)) >= 0); }
static int wait_msgrcv(struct wait *it) {
    struct { long type; char text; } message;
    ssize_t length = msgrcv(it->id, &message, 1, 0, 0);
    EXPECT(length == 1);
    return 1;
}
static void feed_messages(struct wait *it) {
    struct { long type; char text; } message = {1, 'x'};
    CHECK(msgsnd(it->id, &message, 1, 0) == 0);
}

static void prepare_semop(struct wait *it) { CHECK((it->id = semget(IPC_PRIVATE, 1, 0600)) >= 0); }
static int wait_semop(struct wait *it) {
    struct sembuf take = {0, -1, 0};
    EXPECT(semop(it->id, &take, 1) == 0);
    return 1;
}
static void feed_semop(struct wait *it) {
    struct sembuf give = {0, 1, 0};
    CHECK(semop(it->id, &give, 1) == 0);
}

static void prepare_lock(struct wait *it) {
    char name[] = "lock-in-waits";
    CHECK((it->fds[0] = open(name, O_RDWR | O_CREAT, 0600)) >= 0 && (it->fds[1] = open(name, O_RDWR)) >= 0);
    CHECK(unlink(name) == 0 && flock(it->fds[0], LOCK_EX) == 0);
}
static int wait_flock(struct wait *it) {
    EXPECT(flock(it->fds[1], LOCK_EX) == 0);
    return 1;
}
static void feed_lock(struct wait *it) { CHECK(flock(it->fds[0], LOCK_UN) == 0); }

static void prepare_child(struct wait *it) {
    prepare_pipe(it);
    CHECK((it->id = fork()) >= 0);
    if (it->id == 0) {
        char byte;
        close(it->fds[1]);
        syscall(SYS_read, it->fds[0], &byte, 1);
        syscall(SYS_exit_group, 5);
    }
}
static int wait_waitpid(struct wait *it) {
    int status;
    EXPECT(waitpid(-1, &status, 0) == it->id);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    return 1;
}

static void on_signal(int number) { (void)number; }
static void prepare_signal(struct wait *it) {
    static int used;
    it->signal = SIGRTMIN + 2 + used++;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, it->signal);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
}
static int wait_sigwaitinfo(struct wait *it) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, it->signal);
    EXPECT(sigwaitinfo(&set, NULL) == it->signal);
    return 1;
}
static void prepare_handler(struct wait *it) {
    prepare_signal(it);
    CHECK(signal(it->signal, on_signal) != SIG_ERR);
}
static int wait_sigsuspend(struct wait *it) {
    sigset_t none;
    sigemptyset(&none);
    double begin = now();
    EXPECT(sigsuspend(&none) == -1 && errno == EINTR);
    // The only signal comes when stdin says so.
    EXPECT(now() - begin > 0.5 && it->word == 1);
    return 1;
}
static void feed_signal(struct wait *it) {
    it->word = 1;
    CHECK(pthread_kill(it->thread, it->signal) == 0);
}

#endif
