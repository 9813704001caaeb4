/* Says on stdout what the functions of memtrace.h do; without the library the same, and nothing fails. */
#define _GNU_SOURCE
#include "memtrace.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static int one(void) {
    void *volatile block = malloc(10);
    int failed = block == NULL;
    free(block);
    return failed;
}

/* Digits for five allocations: 1 it succeeded, 0 it failed. */
static const char *five(void) {
    static char line[6];
    int call;
    for (call = 0; call < 5; call++) line[call] = one() ? '0' : '1';
    return line;
}

static void *run_five(void *unused) {
    (void)unused;
    return (void *)five();
}

/* What a thread gives that begins with `run`. */
static void *result(void *(*run)(void *), void *argument) {
    pthread_t thread;
    void *given = NULL;
    memtrace_fault_pause();
    if (pthread_create(&thread, NULL, run, argument) != 0) abort();
    memtrace_fault_resume();
    pthread_join(thread, &given);
    return given;
}

static const char *elsewhere(void) { return result(run_five, NULL); }

static int copies(void) {
    char text[] = "text";
    char *copy = result((void *(*)(void *))strdup, text);
    int is_there = copy != NULL;
    free(copy);
    return is_there;
}

static char longest[257];

struct pair {
    char *left, *right;
};

/* Three allocations, each of which is checked. */
static int correct(void *calls) {
    struct pair *pair = malloc(sizeof *pair);
    ++*(int *)calls;
    if (pair == NULL) return 0;
    pair->left = malloc(20);
    pair->right = pair->left ? malloc(30) : NULL;
    free(pair->right);
    free(pair->left);
    free(pair);
    return 0;
}

/* The second is taken for granted; a program would crash there. */
static int wrong(void *unused) {
    char *left = malloc(20), *right = malloc(30);
    int is_wrong = left != NULL && right == NULL;
    (void)unused;
    free(left);
    free(right);
    return is_wrong;
}

static int broken(void *unused) {
    (void)unused;
    return 1;
}

int main(int argc, char **argv) {
    char name[17] = "x";
    int calls = 0;
    uint64_t point;
    const char *mode = argc > 1 ? argv[1] : "";
    printf("start\n");
    if (strcmp(mode, "fork") == 0) {
        /* The first that the child does is to give a marker. */
        fflush(stdout);
        if (fork() == 0) {
            memtrace_marker("begin");
            printf("child %s\n", five());
            fflush(stdout);
            _exit(0);
        }
        wait(NULL);
        printf("parent %s\n", five());
        return 0;
    }
    if (strcmp(mode, "marker") == 0) {
        printf("%s", five());
        memtrace_marker("begin");
        printf(" %s", five());
        memtrace_marker("end");
        printf(" %s", five());
        memtrace_marker("begin");
        printf(" %s\n", five());
        return 0;
    }
    printf("last %lu", (unsigned long)memtrace_fault_last(name, sizeof name));
    printf(" '%s'\n", name);
    memtrace_fault_arm(1, 2);
    printf("armed %s", five());
    printf(" %lu of %lu\n", (unsigned long)memtrace_fault_fired(), (unsigned long)memtrace_fault_seen());
    memtrace_fault_disarm();
    printf("disarmed %s", five());
    printf(" %lu of %lu\n", (unsigned long)memtrace_fault_fired(), (unsigned long)memtrace_fault_seen());
    printf("last %lu", (unsigned long)memtrace_fault_last(name, sizeof name));
    printf(" %d", (int)strlen(name));
    printf(" %lu", (unsigned long)memtrace_fault_last(name, 16));
    printf(" '%s'\n", name);
    memtrace_fault_arm(0, 0);
    memtrace_fault_pause();
    memtrace_fault_pause();
    memtrace_fault_resume();
    printf("paused %s", five());
    memtrace_fault_resume();
    memtrace_fault_benign_begin();
    printf(" resumed %s\n", five());
    memtrace_fault_benign_end();
    memtrace_fault_disarm();
    MEMTRACE_FAILING(4, 1) { printf("failing %s", five()); }
    printf(" then %s\n", five());
    printf("each");
    MEMTRACE_FAIL_EACH(point) { printf(" %s", five()); }
    printf(" then %s\n", five());
    printf("sweep %ld", (long)memtrace_fail_sweep(correct, &calls));
    printf(" in %d calls", calls);
    printf(", for ever %ld", (long)memtrace_fail_sweep_count(correct, &calls, 0));
    printf(", wrong %ld", (long)memtrace_fail_sweep(wrong, NULL));
    printf(", broken %d\n", memtrace_fail_sweep(broken, NULL) == MEMTRACE_SWEEP_BROKEN);
    printf("modules %d", memtrace_fault_arm_for(0, 0, "nowhere*,lib?.so", 0));
    printf(" %s", five());
    /* The program by its name; none of its code is on the stack of a thread that only copies. */
    printf(" %d", memtrace_fault_arm_for(1, 2, "nowhere,profile-*,faults", 0));
    printf(" %s copied %d", five(), copies());
    printf(" %lu", (unsigned long)memtrace_fault_fired());
    printf(" of %lu\n", (unsigned long)memtrace_fault_seen());
    memtrace_fault_arm_for(0, 0, NULL, MEMTRACE_THIS_THREAD);
    printf("here %s", five());
    printf(" there %s", elsewhere());
    memtrace_fault_arm_for(0, 0, "nowhere,profile-*,faults", MEMTRACE_THIS_THREAD);
    printf(" here %s", five());
    printf(" there %s\n", elsewhere());
    memtrace_fault_disarm();
    memset(longest, 'x', sizeof longest - 1);
    printf("long %d", memtrace_fault_arm_for(0, 0, longest, 0));
    printf(" %d", memtrace_fault_arm_for(0, 0, longest + 1, 0));
    memtrace_fault_disarm();
    printf(" then %s\n", five());
    printf("here %d, leaks %ld\n", memtrace_is_here(), (long)memtrace_check_leaks());
    memtrace_root(&calls, sizeof calls);
    memtrace_unroot(&calls, sizeof calls);
    return 0;
}
