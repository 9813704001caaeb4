// Starts a target and says what it took. The benchmark starts everything through this small program, because a
// process is charged with the peak RSS of the memory image that it was forked and exec'ed from: here that is this one,
// linked statically, of less than 1 MB.
// usage: step SECONDS_MAX TIMES ERRORS PROGRAM [ARGUMENT...]; ERRORS is the file for the target's stderr
//
// One line on stdout: state (an exit status, a negative signal, or `late`), user+system time in microseconds of all
// runs and of everything that they waited for, peak RSS in KiB of the largest process, wall time in microseconds, the
// last target's pid.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Enough for a wrapper script to take its own files away.
#define GRACE_SECONDS 2

static volatile pid_t target;
static volatile int is_late;

static void stop(int signal_number) {
    if (target > 0)
        kill(-target, is_late ? SIGKILL : SIGTERM);
    is_late = 1;
    alarm(GRACE_SECONDS);
    (void)signal_number;
}

static long microseconds(struct timeval time) {
    return time.tv_sec * 1000000l + time.tv_usec;
}

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000l + time.tv_nsec / 1000;
}

static void become(char **words, const char *errors) {
    setpgid(0, 0);
    int nothing = open("/dev/null", O_RDWR), file = open(errors, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (nothing < 0 || file < 0)
        _exit(127);
    dup2(nothing, 0);
    dup2(nothing, 1);
    dup2(file, 2);
    close(nothing);
    close(file);
    execvp(words[0], words);
    perror(words[0]);
    _exit(127);
}

int main(int count, char **words) {
    if (count < 5)
        return 2;
    struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART};
    int signals[] = {SIGALRM, SIGTERM, SIGINT, SIGHUP};
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
    // The benchmark's death ends the target too.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    alarm(atoi(words[1]));
    long cpu = 0, peak = 0, begin = now();
    int status = 0;
    for (int i = atoi(words[2]); i > 0 && status == 0 && !is_late; i--) {
        pid_t pid = fork();
        if (pid == 0)
            become(words + 4, words[3]);
        if (pid < 0)
            return 3;
        // From both sides, so that it is done whoever comes first.
        setpgid(pid, pid);
        target = pid;
        struct rusage usage;
        if (wait4(pid, &status, 0, &usage) != pid)
            return 3;
        cpu += microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
        if (usage.ru_maxrss > peak)
            peak = usage.ru_maxrss;
    }
    long end = now();
    kill(-target, SIGKILL);
    if (is_late)
        printf("late");
    else
        printf("%d", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
    printf(" %ld %ld %ld %d\n", cpu, peak, end - begin, target);
    return 0;
}
