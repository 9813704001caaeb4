/* One function for each shape over time, for 1.5 seconds or more. At the end: the most memory that was resident, in bytes,
 * and how long a block of the churner lived on average, in nanoseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LEAK_BYTES = 1000, CACHE_BYTES = 4096, CACHE_BLOCKS = 40, STARTUP_BYTES = 1 << 20, ROUNDS = 150 };

static void *kept[ROUNDS], *cache[CACHE_BLOCKS];

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* Of this image alone: what wait and getrusage tell counts the one before exec, too. */
static long long most_resident(void)
{
    char line[256];
    long long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %lld", &kib) == 1)
            break;
    fclose(status);
    return kib * 1024;
}

/* A loop must not become two calls. */
__attribute__((noinline, noclone)) static void *take(size_t bytes)
{
    return memset(malloc(bytes), 1, bytes);
}

__attribute__((noinline, noclone)) static void *startup(void)
{
    void *block = take(STARTUP_BYTES);
    __asm__ volatile("");
    return block;
}

__attribute__((noinline, noclone)) static void *leaker(void)
{
    void *block = take(LEAK_BYTES);
    __asm__ volatile("");
    return block;
}

__attribute__((noinline, noclone)) static void *cached(void)
{
    void *block = take(CACHE_BYTES);
    __asm__ volatile("");
    return block;
}

__attribute__((noinline, noclone)) static void *churner(void)
{
    void *block = take(50000);
    __asm__ volatile("");
    return block;
}

int main(void)
{
    long long lived = 0;
    // A block of the library's own would be in a class of sizes.
    setvbuf(stdout, NULL, _IONBF, 0);
    void *start = startup();
    for (int round = 0; round < ROUNDS; round++) {
        kept[round] = leaker();
        if (round < CACHE_BLOCKS)
            cache[round] = cached();
        void *passing = churner();
        long long begin = now();
        usleep(5000);
        free(passing);
        lived += now() - begin;
        usleep(5000);
    }
    printf("%lld %lld\n", most_resident(), lived / ROUNDS);
    return start == 0;
}
