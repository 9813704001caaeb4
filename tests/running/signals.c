// Signals come all the time, from a thread and from a timer; each is handled once, in its order, and soon.
//
// `signals compute`, `signals read`: what the first thread, which handles them, does meanwhile.
#include "running.h"

enum { SENT_MAX = 1 << 16, TICK_MS = 2 };
static double sent_at[SENT_MAX];
static volatile int handled, ticks, is_over, is_wrong;
static volatile double latest;
static timer_t timer;

static void on_sent(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    if (info->si_value.sival_int != handled || info->si_code != SI_QUEUE) {
        is_wrong = 1;
    }
    double late = now() - sent_at[handled % SENT_MAX];
    latest = late > latest ? late : latest;
    handled++;
}

static void on_tick(int number) {
    (void)number;
    ticks += 1 + timer_getoverrun(timer);
}

// Sends about two signals a millisecond to the first thread, until stdin says so.
static void *send(void *main_thread) {
    int sent = 0;
    while (!is_over && sent < SENT_MAX) {
        sent_at[sent] = now();
        // The queue may be full.
        if (pthread_sigqueue(*(pthread_t *)main_thread, SIGRTMIN + 1, (union sigval){.sival_int = sent}) == 0) {
            sent++;
        }
        usleep(400);
    }
    double begin = now();
    while (handled < sent && now() - begin < 5) {
        usleep(1000);
    }
    SAY("%s: sent %d, handled %d, %s, the latest after %.3f s\n", handled == sent && !is_wrong && latest < 3 ? "ok" : "wrong", sent, handled, is_wrong ? "in disorder" : "in order", latest);
    syscall(SYS_exit_group, 3);
    return NULL;
}

static void *control(void *nothing) {
    double begin = now();
    struct itimerspec time = {{0, TICK_MS * 1000000}, {0, TICK_MS * 1000000}};
    CHECK(timer_settime(timer, 0, &time, NULL) == 0);
    CHECK(hear() == 'e');
    int expected = (int)((now() - begin) * 1000 / TICK_MS), counted = ticks;
    SAY("%s: %d ticks, expected %d\n", counted > expected / 2 && counted < expected + 10 ? "ok" : "wrong", counted, expected);
    is_over = 1;
    return nothing;
}

int main(int argc, char **argv) {
    static pthread_t self;
    struct sigaction action = {.sa_sigaction = on_sent, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction tick = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2};
    int never[2];
    CHECK(argc == 2 && pipe(never) == 0);
    // The first thread alone handles them.
    sigset_t set;
    sigfillset(&set);
    CHECK(sigaction(SIGRTMIN + 1, &action, NULL) == 0 && sigaction(SIGRTMIN + 2, &tick, NULL) == 0);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    self = pthread_self();
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    start_thread(send, &self);
    start_thread(control, NULL);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
    ready();
    if (!strcmp(argv[1], "compute")) {
        for (volatile unsigned long i = 0;; i++) {
        }
    }
    char byte;
    // SA_RESTART: it never comes back.
    CHECK(read(never[0], &byte, 1) == -2);
}
