// What a program may tell memtrace; each is NULL where there is no memtrace.
#ifndef MEMTRACE_LEAKS_ANNOUNCED_H
#define MEMTRACE_LEAKS_ANNOUNCED_H
#include "../leaks.h"

#define WEAK __attribute__((weak))
#ifdef __cplusplus
extern "C" {
#endif
void memtrace_root(const void *start, size_t bytes) WEAK;
void __lsan_register_root_region(const void *start, size_t bytes) WEAK;
void __lsan_unregister_root_region(const void *start, size_t bytes) WEAK;
void __lsan_ignore_object(const void *block) WEAK;
void __lsan_disable(void) WEAK;
void __lsan_enable(void) WEAK;
#ifdef __cplusplus
}
#endif

#define TELL(function, ...) \
    do { \
        if (function != NULL) { \
            function(__VA_ARGS__); \
        } \
    } while (0)

#endif
