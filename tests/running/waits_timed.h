// Calls that wait for a time of their own.
#ifndef MEMTRACE_WAITS_TIMED_H
#define MEMTRACE_WAITS_TIMED_H
#include "waits.h"

#define SECONDS 2.0
// What a busy machine may add.
#define SLACK 1.0

static int wait_nanosleep(struct wait *it) {
    struct timespec time = from_seconds(SECONDS);
    EXPECT(nanosleep(&time, NULL) == 0);
    return 1;
}
static int wait_clock_nanosleep(struct wait *it) {
    struct timespec time = from_seconds(now() + SECONDS);
    EXPECT(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == 0);
    return 1;
}
static int wait_poll_timed(struct wait *it) {
    EXPECT(poll(NULL, 0, (int)(SECONDS * 1000)) == 0);
    return 1;
}
static int wait_ppoll_timed(struct wait *it) {
    struct timespec time = from_seconds(SECONDS);
    EXPECT(ppoll(NULL, 0, &time, NULL) == 0);
    return 1;
}
static int wait_select_timed(struct wait *it) {
    struct timeval time = {(time_t)SECONDS, 0};
    EXPECT(select(0, NULL, NULL, NULL, &time) == 0);
    return 1;
}
static int wait_futex_timed(struct wait *it) {
    struct timespec time = from_seconds(SECONDS);
    EXPECT(syscall(SYS_futex, &it->word, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0) == -1 && errno == ETIMEDOUT);
    return 1;
}
static int wait_cond_timed(struct wait *it) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition;
    pthread_condattr_t attributes;
    struct timespec until = from_seconds(now() + SECONDS);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&condition, &attributes);
    pthread_mutex_lock(&mutex);
    int result;
    do {
        result = pthread_cond_timedwait(&condition, &mutex, &until);
    } while (result == 0);
    pthread_mutex_unlock(&mutex);
    EXPECT(result == ETIMEDOUT);
    return 1;
}
static int wait_semaphore_timed(struct wait *it) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)SECONDS;
    EXPECT(sem_timedwait(&it->semaphore, &until) == -1 && errno == ETIMEDOUT);
    return 1;
}
static void prepare_timer(struct wait *it) {
    CHECK((it->fds[0] = timerfd_create(CLOCK_MONOTONIC, 0)) >= 0);
}
static int wait_timerfd(struct wait *it) {
    struct itimerspec once = {{0, 0}, from_seconds(SECONDS)};
    uint64_t count;
    EXPECT(timerfd_settime(it->fds[0], 0, &once, NULL) == 0);
    EXPECT(read(it->fds[0], &count, sizeof count) == sizeof count && count == 1);
    return 1;
}
static void prepare_queue(struct wait *it) {
    char name[64];
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8};
    snprintf(name, sizeof name, "/memtrace-waits-%d", getpid());
    it->id = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    mq_unlink(name);
}
static int wait_queue_timed(struct wait *it) {
    char text[8];
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)SECONDS;
    if (it->id >= 0) {
        EXPECT(mq_timedreceive(it->id, text, sizeof text, NULL, &until) == -1 && errno == ETIMEDOUT);
    } else {
        // A machine without message queues.
        EXPECT(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) == 0);
    }
    return 1;
}
static int wait_epoll_timed(struct wait *it) {
    struct epoll_event event;
    EXPECT(epoll_wait(it->id, &event, 1, (int)(SECONDS * 1000)) == 0);
    return 1;
}
static int wait_sigtimedwait(struct wait *it) {
    struct timespec time = from_seconds(SECONDS);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, it->signal);
    EXPECT(sigtimedwait(&set, NULL, &time) == -1 && errno == EAGAIN);
    return 1;
}
static void prepare_timed_socket(struct wait *it) {
    struct timeval time = {(time_t)SECONDS, 0};
    prepare_sockets(it);
    CHECK(setsockopt(it->fds[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0);
}
static int wait_recv_timed(struct wait *it) {
    char byte;
    EXPECT(recv(it->fds[0], &byte, 1, 0) == -1 && errno == EAGAIN);
    return 1;
}
static int wait_semtimedop(struct wait *it) {
    struct sembuf take = {0, -1, 0};
    struct timespec time = from_seconds(SECONDS);
    EXPECT(semtimedop(it->id, &take, 1, &time) == -1 && errno == EAGAIN);
    return 1;
}

#endif
