// Ten allocations in a row, each with something of its own. Prints a digit for each: 1 it succeeded, 0 it failed.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char line[100];
static int length;

static void keep(void *block) {
    line[length++] = block != NULL ? '1' : errno == ENOMEM ? '0' : '?';
    errno = 0;
}
static void print(void) {
    line[length++] = '\n';
    (void)!write(1, line, length);
    length = 0;
}

// 0: 10 bytes by malloc.
static void alpha(void) { void *block = malloc(10); keep(block); free(block); }
// 1: 2,000 by calloc.
static void beta(void) { void *block = calloc(2, 1000); keep(block); free(block); }
// 2: 30 below gamma and delta, 3: the same below delta alone.
static void delta(void) { void *block = malloc(30); keep(block); free(block); }
static void gamma(void) { delta(); }
// 5: 50 by realloc.
static void grow(void) {
    static char *kept;
    if (kept == NULL) kept = malloc(45), keep(kept);
    void *block = realloc(kept, 50);
    keep(block);
    if (block != NULL) kept = block;
    free(kept);
    kept = NULL;
}
// 7: 64 by posix_memalign.
static void aligned(void) {
    void *block = NULL;
    errno = posix_memalign(&block, 64, 64);
    keep(block);
    free(block);
}

static void *worker(void *name) {
    prctl(PR_SET_NAME, name);
    for (int call = 0; call < 5; call++) alpha();
    return NULL;
}
static void thread(const char *name) {
    pthread_t other;
    pthread_create(&other, NULL, worker, (void *)name);
    pthread_join(other, NULL);
}

static void all(void) {
    void (*plugged)(void (*)(void *)) = NULL;
    alpha();
    beta();
    gamma();
    delta();
    // 4: 40 in a library that is loaded for it.
    void *plugin = dlopen("./plugin.so", RTLD_NOW);
    *(void **)&plugged = plugin ? dlsym(plugin, "plugged") : NULL;
    if (plugged) plugged(keep);
    if (plugin) dlclose(plugin);
    grow();
    aligned();
    alpha();
}

static volatile int traps;
static void trapped(int signal) { traps += signal == SIGTRAP; }

__attribute__((constructor)) static void before(void) { free(malloc(7)); }

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    if (strcmp(mode, "threads") == 0) {
        for (int call = 0; call < 5; call++) alpha();
        thread("first");
        thread("second");
    } else if (strcmp(mode, "stops") == 0) {
        int status;
        pid_t child = fork();
        if (child == 0) alpha(), print(), _exit(0);
        waitpid(child, &status, WUNTRACED);
        line[length++] = WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP ? 's' : '-';
        kill(child, SIGCONT);
        waitpid(child, &status, 0);
    } else if (strcmp(mode, "traps") == 0) {
        signal(SIGTRAP, trapped);
        alpha();
        line[length++] = '0' + traps;
    } else if (strcmp(mode, "many") == 0) {
        for (int call = 0; call < 50; call++) alpha();
    } else if (strcmp(mode, "bytes") == 0) {
        // 60 live, 120 in sum; a realloc moves what it has; then 60 again.
        char *block = malloc(60);
        keep(block);
        free(malloc(60));
        char *moved = realloc(block, 80);
        keep(moved);
        block = moved ? moved : block;
        moved = realloc(block, 110);
        keep(moved);
        free(moved ? moved : block);
        block = malloc(60);
        keep(block);
        free(block);
    } else {
        all();
        if (strcmp(mode, "twice") == 0) all();
    }
    print();
    return 0;
}
