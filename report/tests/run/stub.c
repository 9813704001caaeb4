// The smallest shim: claims a root in the launcher's recording for each image and each fork child.
// Offsets of the recording's layout come as macros from the test.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static char *root;
#define FIELD(type, base, at) (*(_Atomic type *)((base) + (at)))

static void claim(int forked) {
    unsigned keeper, fd;
    unsigned long long cookie;
    char path[64];
    const char *address = getenv("MEMTRACE_RUN");
    root = NULL;
    if (!address || sscanf(address, "%u:%u:%llx", &keeper, &fd, &cookie) != 3) return;
    snprintf(path, sizeof path, "/proc/%u/fd/%u", keeper, fd);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    char *header = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (header != MAP_FAILED && FIELD(uint64_t, header, COOKIE) == cookie) {
        uint64_t at = atomic_fetch_add(&FIELD(uint64_t, header, NEXT_OFFSET), ROOT_BYTES);
        root = mmap(NULL, ROOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, at);
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        FIELD(uint32_t, root, PID) = getpid();
        FIELD(uint32_t, root, PPID) = getppid();
        FIELD(uint32_t, root, FORKED) = forked;
        FIELD(uint64_t, root, START_NS) = now.tv_sec * 1000000000ull + now.tv_nsec;
        FIELD(uint64_t, root, 0) = PROCESS_MAGIC;
        uint64_t first = FIELD(uint64_t, header, FIRST_PROCESS);
        do FIELD(uint64_t, root, NEXT_PROCESS) = first;
        while (!atomic_compare_exchange_strong(&FIELD(uint64_t, header, FIRST_PROCESS), &first, at));
        FIELD(uint32_t, header, PROCESS_COUNT)++;
    }
    close(file);
}

static void forks(void) { if (root) FIELD(uint64_t, root, FORKS)++; }
static void in_child(void) { claim(1); }

__attribute__((constructor)) static void begin(void) {
    if (getenv("STUB_IS_SILENT")) return;
    claim(0);
    pthread_atfork(forks, NULL, in_child);
}

__attribute__((destructor)) static void end(void) { if (root) FIELD(uint32_t, root, END) = 1; }
