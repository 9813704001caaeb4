/* Memory of each kind, all of it touched, while somebody may look: 64 MiB that the program maps itself, 24 MiB in one block,
 * 8 MiB in small ones, 16 MiB of shared memory, a file of 4 MiB, and 3 MiB of a thread's stack. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MIB = 1 << 20, SMALL = 1000 };

static void *small[8 * MIB / SMALL];

static char *touched(char *found, size_t bytes)
{
    for (volatile char *at = found; at < found + bytes; at += 4096)
        *at = 1;
    return found;
}

static void *map(size_t bytes, int flags, int file)
{
    char *found = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, file, 0);
    if (found == MAP_FAILED)
        _exit(3);
    return touched(found, bytes);
}

static void *deep(void *unused)
{
    volatile char stack[3 * MIB];
    for (size_t at = 0; at < sizeof stack; at += 4096)
        stack[at] = 1;
    usleep(700000);
    return unused;
}

int main(int count, char **words)
{
    int file = open(words[count - 1], O_RDWR);
    pthread_t thread;
    if (file < 0 || ftruncate(file, 4 * MIB) != 0)
        return 2;
    map(64 * MIB, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    // Beside it, so that the kernel makes one mapping of them.
    void *volatile large = touched(malloc(24 * MIB), 24 * MIB);
    map(16 * MIB, MAP_SHARED | MAP_ANONYMOUS, -1);
    map(4 * MIB, MAP_SHARED, file);
    for (size_t at = 0; at < sizeof small / sizeof *small; at++)
        small[at] = touched(malloc(SMALL), SMALL);
    pthread_create(&thread, NULL, deep, NULL);
    pthread_join(thread, NULL);
    return large == NULL;
}
