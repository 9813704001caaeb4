// Makes each call that can fail once; the first that fails is told, with its error, and ends it.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static void fails(const char *name, int error) {
    fprintf(stderr, "%s %d errno %d\n", name, error, errno);
    exit(1);
}

// Those that give -1, NULL, or the error; what they give goes into the variable.
#define NUMBER(name, into, ...) do { errno = 0; into = __VA_ARGS__; if (into == -1) fails(name, errno); } while (0)
#define POINTER(name, into, ...) do { errno = 0; into = __VA_ARGS__; if (into == NULL) fails(name, errno); } while (0)
#define STATUS(name, ...) do { errno = 0; int error = __VA_ARGS__; if (error) fails(name, error); } while (0)

static void *nothing(void *argument) { return argument; }

static void files(void) {
    int fd, other;
    FILE *stream;
    DIR *directory;
    char file[] = "/tmp/memtrace-members-XXXXXX", folder[] = "/tmp/memtrace-members-XXXXXX", *name;
    NUMBER("open", fd, open("/dev/null", O_RDWR));
    NUMBER("dup", other, dup(fd));
    NUMBER("dup2", other, dup2(fd, other));
    NUMBER("dup3", other, dup3(fd, other, O_CLOEXEC));
    POINTER("fdopen", stream, fdopen(other, "r"));
    fclose(stream);
    close(fd);
    NUMBER("openat", fd, openat(AT_FDCWD, "/dev/null", O_RDONLY));
    close(fd);
    NUMBER("creat", fd, creat("/dev/null", 0600));
    close(fd);
    POINTER("fopen", stream, fopen("/dev/null", "r"));
    POINTER("freopen", stream, freopen("/dev/null", "r", stream));
    fclose(stream);
    POINTER("opendir", directory, opendir("/"));
    closedir(directory);
    POINTER("mkdtemp", name, mkdtemp(folder));
    rmdir(name);
    POINTER("tmpfile", stream, tmpfile());
    fclose(stream);
    NUMBER("mkstemp", fd, mkstemp(file));
    unlink(file);
    ssize_t bytes;
    char text[8] = "text";
    struct iovec part = {text, 4};
    NUMBER("write", bytes, write(fd, text, 4));
    NUMBER("pwrite", bytes, pwrite(fd, text, 4, 4));
    NUMBER("writev", bytes, writev(fd, &part, 1));
    NUMBER("fsync", bytes, fsync(fd));
    NUMBER("fdatasync", bytes, fdatasync(fd));
    NUMBER("ftruncate", bytes, ftruncate(fd, 8));
    lseek(fd, 0, SEEK_SET);
    NUMBER("read", bytes, read(fd, text, 4));
    NUMBER("pread", bytes, pread(fd, text, 4, 4));
    NUMBER("readv", bytes, readv(fd, &part, 1));
    close(fd);
}

static void sockets(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    // An abstract name: no file.
    int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "memtrace-members-%d", (int)getpid());
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + 1 + length;
    int fds[2], status, server;
    // Two sockets, one place: the loop stays one.
    for (volatile int number = 0; number < 2; number++) {
        NUMBER("socket", fds[number], socket(AF_UNIX, SOCK_STREAM, 0));
    }
    NUMBER("bind", status, bind(fds[0], (struct sockaddr *)&address, size));
    NUMBER("listen", status, listen(fds[0], 1));
    NUMBER("connect", status, connect(fds[1], (struct sockaddr *)&address, size));
    NUMBER("accept", server, accept(fds[0], NULL, NULL));
    ssize_t bytes;
    char text[8] = "text";
    struct iovec part = {text, 4};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    NUMBER("send", bytes, send(fds[1], text, 4, 0));
    NUMBER("sendto", bytes, sendto(fds[1], text, 4, 0, NULL, 0));
    NUMBER("sendmsg", bytes, sendmsg(fds[1], &message, 0));
    NUMBER("recv", bytes, recv(server, text, 4, 0));
    NUMBER("recvfrom", bytes, recvfrom(server, text, 4, 0, NULL, NULL));
    NUMBER("recvmsg", bytes, recvmsg(server, &message, 0));
    close(server), close(fds[0]), close(fds[1]);
}

static void pipes(void) {
    int fds[2], status;
    FILE *stream;
    NUMBER("pipe", status, pipe(fds));
    close(fds[0]), close(fds[1]);
    NUMBER("pipe2", status, pipe2(fds, O_CLOEXEC));
    close(fds[0]), close(fds[1]);
    NUMBER("socketpair", status, socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    close(fds[0]), close(fds[1]);
    NUMBER("eventfd", status, eventfd(0, 0));
    close(status);
    NUMBER("epoll_create", status, epoll_create(1));
    close(status);
    POINTER("popen", stream, popen("true", "r"));
    pclose(stream);
}

static void threads(void) {
    pthread_t thread;
    pthread_key_t key;
    pthread_attr_t attributes;
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    pthread_rwlock_t lock;
    sem_t semaphore, *named;
    char name[64];
    int status;
    STATUS("pthread_attr_init", pthread_attr_init(&attributes));
    STATUS("pthread_create", pthread_create(&thread, &attributes, nothing, NULL));
    pthread_join(thread, NULL);
    STATUS("pthread_key_create", pthread_key_create(&key, NULL));
    STATUS("pthread_mutex_init", pthread_mutex_init(&mutex, NULL));
    STATUS("pthread_cond_init", pthread_cond_init(&condition, NULL));
    STATUS("pthread_rwlock_init", pthread_rwlock_init(&lock, NULL));
    NUMBER("sem_init", status, sem_init(&semaphore, 0, 1));
    snprintf(name, sizeof name, "/memtrace-members-%d", (int)getpid());
    POINTER("sem_open", named, sem_open(name, O_CREAT | O_EXCL, 0600, 1));
    sem_unlink(name);
    sem_close(named);
}

static void memory(void) {
    char name[64];
    int fd, status;
    void *block;
    NUMBER("mmap", *(intptr_t *)&block, (intptr_t)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    NUMBER("mremap", *(intptr_t *)&block, (intptr_t)mremap(block, 4096, 8192, MREMAP_MAYMOVE));
    NUMBER("mprotect", status, mprotect(block, 8192, PROT_NONE));
    munmap(block, 8192);
    snprintf(name, sizeof name, "/memtrace-members-%d", (int)getpid());
    NUMBER("shm_open", fd, shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600));
    shm_unlink(name);
    close(fd);
}

int main(void) {
    files();
    sockets();
    pipes();
    threads();
    memory();
    puts("done");
    return 0;
}
