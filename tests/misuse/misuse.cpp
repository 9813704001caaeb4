// Programs that misuse their heap, each with a twin that does not: `misuse NAME bad` and `misuse NAME good`. `misuse`
// alone lists them, one a line: NAME KIND SETTING, where KIND is what must be reported, and SETTING what it takes.
#include <alloca.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <new>
#include <string>
#include <vector>

namespace {

// What the compiler must not see through.
template <class T> T opaque(T value) {
    __asm__ volatile("" : "+r"(value));
    return value;
}

enum family { MALLOC, NEW, NEW_ARRAY, NEW_ALIGNED, NEW_ARRAY_ALIGNED };
const std::align_val_t ALIGNMENT{64};

struct allocator {
    const char *name;
    family of;
    void *(*call)(size_t);
};

const std::vector<allocator> ALLOCATORS = {
    {"malloc", MALLOC, [](size_t n) { return malloc(n); }},
    {"calloc", MALLOC, [](size_t n) { return calloc(1, n); }},
    {"realloc", MALLOC, [](size_t n) { return realloc(malloc(8), n); }},
    {"reallocarray", MALLOC, [](size_t n) { return reallocarray(nullptr, 1, n); }},
    {"aligned_alloc", MALLOC, [](size_t n) { return aligned_alloc(64, (n + 63) & ~size_t{63}); }},
    {"memalign", MALLOC, [](size_t n) { return memalign(256, n); }},
    {"posix_memalign", MALLOC,
     [](size_t n) {
         void *block = nullptr;
         return posix_memalign(&block, 32, n) == 0 ? block : nullptr;
     }},
    {"new", NEW, [](size_t n) { return operator new(n); }},
    {"new_nothrow", NEW, [](size_t n) { return operator new(n, std::nothrow); }},
    {"new_array", NEW_ARRAY, [](size_t n) { return operator new[](n); }},
    {"new_aligned", NEW_ALIGNED, [](size_t n) { return operator new(n, ALIGNMENT); }},
    {"new_array_aligned", NEW_ARRAY_ALIGNED, [](size_t n) { return operator new[](n, ALIGNMENT); }},
};

void release(family of, void *block) {
    block = opaque(block);
    switch (of) {
    case MALLOC: free(block); break;
    case NEW: operator delete(block); break;
    case NEW_ARRAY: operator delete[](block); break;
    case NEW_ALIGNED: operator delete(block, ALIGNMENT); break;
    case NEW_ARRAY_ALIGNED: operator delete[](block, ALIGNMENT); break;
    }
}

struct releaser {
    const char *name;
    family of;
    void (*call)(void *);
};

const std::vector<releaser> RELEASERS = {
    {"free", MALLOC, [](void *p) { free(opaque(p)); }},
    {"realloc", MALLOC, [](void *p) { free(realloc(opaque(p), 4000)); }},
    {"delete", NEW, [](void *p) { operator delete(opaque(p)); }},
    {"delete_nothrow", NEW, [](void *p) { operator delete(opaque(p), std::nothrow); }},
    {"delete_array", NEW_ARRAY, [](void *p) { operator delete[](opaque(p)); }},
};

struct program {
    std::string name, kind, setting;
    std::function<void(bool)> run;
};

std::vector<program> programs;

void add(std::string name, std::string kind, std::function<void(bool)> run, std::string setting = "-") {
    programs.push_back({std::move(name), std::move(kind), std::move(setting), std::move(run)});
}

// A block that keeps the next from being joined to what is freed.
void *volatile between;

void double_frees() {
    // In a thread's cache; too large for one; with a mapping of its own.
    for (size_t bytes : {size_t{8}, size_t{24}, size_t{100}, size_t{1000}, size_t{3000}, size_t{300000}}) {
        for (const allocator &from : ALLOCATORS) {
            add("double/" + std::string(from.name) + "/" + std::to_string(bytes), "double-free", [=](bool bad) {
                void *block = opaque(from.call(bytes));
                between = malloc(40);
                release(from.of, block);
                if (bad) release(from.of, block);
            });
        }
    }
    for (size_t bytes : {size_t{24}, size_t{3000}}) {
        std::string size = std::to_string(bytes);
        add("double/joined/" + size, "double-free", [=](bool bad) {
            void *first = opaque(malloc(bytes)), *second = opaque(malloc(bytes));
            free(first);
            free(second);
            if (bad) free(opaque(second));
        });
        add("double/full_cache/" + size, "double-free", [=](bool bad) {
            void *blocks[9];
            for (void *&block : blocks) block = opaque(malloc(bytes));
            between = malloc(40);
            for (void *block : blocks) free(block);
            if (bad) free(opaque(blocks[7]));
        });
        add("double/other_thread/" + size, "double-free", [=](bool bad) {
            void *block = opaque(malloc(bytes));
            pthread_t thread;
            pthread_create(&thread, nullptr, [](void *p) -> void * { return free(p), nullptr; }, block);
            pthread_join(thread, nullptr);
            if (bad) free(opaque(block));
        });
        add("double/in_a_child/" + size, "double-free", [=](bool bad) {
            pid_t child = fork();
            if (child == 0) {
                void *block = opaque(malloc(bytes));
                free(block);
                if (bad) free(opaque(block));
                exit(0);
            }
            waitpid(child, nullptr, 0);
        });
        add("double/realloc_of_freed/" + size, "double-free", [=](bool bad) {
            void *block = opaque(malloc(bytes));
            if (!bad) return free(realloc(opaque(block), bytes * 2));
            free(block);
            between = realloc(opaque(block), bytes * 2);
        });
        add("double/at_exit/" + size, "double-free", [=](bool bad) {
            static void *block, *again;
            block = opaque(malloc(bytes));
            again = bad ? block : nullptr;
            atexit([] { free(opaque(again)); });
            atexit([] { free(opaque(block)); });
        });
    }
}

void interior_frees() {
    for (const allocator &from : ALLOCATORS) {
        for (size_t offset : {size_t{1}, size_t{16}, size_t{64}, size_t{199}}) {
            add("interior/" + std::string(from.name) + "/" + std::to_string(offset), "interior-free", [=](bool bad) {
                char *block = static_cast<char *>(opaque(from.call(200)));
                memset(block, 0x11, 200);
                release(from.of, bad ? block + offset : block);
            });
        }
    }
    add("interior/large", "interior-free", [](bool bad) {
        char *block = static_cast<char *>(opaque(malloc(40 << 20)));
        free(bad ? opaque(block) + (30 << 20) : block);
    });
}

void mismatches() {
    for (const allocator &from : ALLOCATORS) {
        for (const releaser &to : RELEASERS) {
            const bool is_aligned = from.of == NEW_ALIGNED || from.of == NEW_ARRAY_ALIGNED;
            if (from.of == to.of || is_aligned) continue;
            add("mismatch/" + std::string(from.name) + "/" + to.name, "mismatched-free", [=](bool bad) {
                void *block = opaque(from.call(48));
                bad ? to.call(block) : release(from.of, block);
            });
        }
    }
    // The same once the operators delete are left by a jump.
    for (const releaser &to : RELEASERS) {
        if (to.of == NEW) continue;
        add("mismatch/warm/" + std::string(to.name), "mismatched-free", [=](bool bad) {
            for (int i = 0; i < 10; i++) delete opaque(new int), delete[] opaque(new int[3]);
            void *block = opaque(operator new(48));
            bad ? to.call(block) : release(NEW, block);
        });
    }
    for (size_t wrong : {size_t{0}, size_t{8}, size_t{47}, size_t{49}, size_t{4096}}) {
        add("size/delete/" + std::to_string(wrong), "mismatched-size", [=](bool bad) {
            operator delete(opaque(operator new(48)), bad ? wrong : 48);
        });
        add("size/delete_array/" + std::to_string(wrong), "mismatched-size", [=](bool bad) {
            operator delete[](opaque(operator new[](48)), bad ? wrong : 48);
        });
        add("size/warm/" + std::to_string(wrong), "mismatched-size", [=](bool bad) {
            for (int i = 0; i < 10; i++) delete opaque(new int);
            operator delete(opaque(operator new(48)), bad ? wrong : 48);
        });
    }
    add("size/base_without_virtual_destructor", "mismatched-size", [](bool bad) {
        struct base { int number; };
        struct derived : base { int more[20]; };
        derived *made = opaque(new derived);
        if (bad) delete opaque(static_cast<base *>(made));
        else delete made;
    });
    for (size_t bytes : {size_t{16}, size_t{100}}) {
        std::string size = std::to_string(bytes);
        add("alignment/forgotten/" + size, "mismatched-alignment", [=](bool bad) {
            release(bad ? NEW : NEW_ALIGNED, opaque(operator new(bytes, ALIGNMENT)));
        });
        add("alignment/forgotten_array/" + size, "mismatched-alignment", [=](bool bad) {
            release(bad ? NEW_ARRAY : NEW_ARRAY_ALIGNED, opaque(operator new[](bytes, ALIGNMENT)));
        });
        add("alignment/invented/" + size, "mismatched-alignment", [=](bool bad) {
            release(bad ? NEW_ALIGNED : NEW, opaque(operator new(bytes)));
        });
    }
}

struct { char text[256]; } global_data = {"initialised"};
char global_bss[256];

void frees_of_no_block() {
    for (const releaser &to : RELEASERS) {
        auto named = [&](const char *name) { return std::string(name) + "/" + to.name; };
        auto wrong = [to](bool bad, void *where) {
            void *block = to.of == MALLOC ? malloc(64) : to.of == NEW ? operator new(64) : operator new[](64);
            if (bad) to.call(where);
            to.call(opaque(block));
        };
        for (size_t offset : {size_t{0}, size_t{16}, size_t{8}}) {
            std::string at = "/" + std::to_string(offset);
            add(named("stack/array") + at, "stack-free", [=](bool bad) {
                alignas(16) char array[256] = {1};
                wrong(bad, opaque(array + offset));
            });
            add(named("global/data") + at, "global-free", [=](bool bad) { wrong(bad, global_data.text + 16 + offset); });
        }
        add(named("stack/alloca"), "stack-free", [=](bool bad) {
            wrong(bad, memset(opaque(alloca(100)), 0, 100));
        });
        add(named("stack/in_a_thread"), "stack-free", [=](bool bad) {
            std::function<void()> run = [=] {
                alignas(16) char array[256] = {1};
                wrong(bad, opaque(array + 16));
            };
            pthread_t thread;
            auto start = [](void *p) -> void * { return (*static_cast<std::function<void()> *>(p))(), nullptr; };
            pthread_create(&thread, nullptr, start, &run);
            pthread_join(thread, nullptr);
        });
        add(named("global/bss"), "global-free", [=](bool bad) { wrong(bad, global_bss + 32); });
        add(named("global/literal"), "global-free", [=](bool bad) { wrong(bad, const_cast<char *>("a literal")); });
        add(named("unmapped/small"), "unmapped-free", [=](bool bad) { wrong(bad, reinterpret_cast<void *>(16)); });
        add(named("unmapped/kernel"), "unmapped-free",
            [=](bool bad) { wrong(bad, reinterpret_cast<void *>(0xffffffff81000000)); });
        add(named("unmapped/gone"), "unmapped-free", [=](bool bad) {
            char *gone = static_cast<char *>(
                mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
            munmap(gone, 8192);
            wrong(bad, gone + 4096);
        });
    }
}

void writes() {
    for (size_t bytes : {size_t{1}, size_t{13}, size_t{100}, size_t{1001}, size_t{70001}}) {
        for (const allocator &from : ALLOCATORS) {
            if (from.of == NEW_ALIGNED || from.of == NEW_ARRAY_ALIGNED || from.name == std::string("aligned_alloc")) continue;
            std::string which = "/" + std::string(from.name) + "/" + std::to_string(bytes);
            add("past_end" + which, "write-past-end", [=](bool bad) {
                char *block = static_cast<char *>(opaque(from.call(bytes)));
                block[bad ? bytes : 0] = 'x';
                release(from.of, block);
            }, "MEMTRACE_CANARY=1");
            add("after_free" + which, "write-after-free", [=](bool bad) {
                char *volatile block = static_cast<char *>(opaque(from.call(bytes)));
                char *kept = block;
                release(from.of, block);
                if (bad) opaque(kept)[bytes / 2] = 'x';
            }, "MEMTRACE_QUARANTINE=1M");
        }
    }
    add("past_end/realloc", "write-past-end", [](bool bad) {
        char *block = static_cast<char *>(opaque(malloc(13)));
        block[bad ? 13 : 12] = 'x';
        free(realloc(opaque(block), 500));
    }, "MEMTRACE_CANARY=1");
    add("after_free/pushed_out", "write-after-free", [](bool bad) {
        char *block = static_cast<char *>(opaque(malloc(1000)));
        free(block);
        if (bad) opaque(block)[7] = 'x';
        for (int i = 0; i < 2000; i++) free(opaque(malloc(1000)));
    }, "MEMTRACE_QUARANTINE=1M");
    add("double/quarantined", "double-free", [](bool bad) {
        void *block = opaque(malloc(1000));
        free(block);
        if (bad) free(opaque(block));
    }, "MEMTRACE_QUARANTINE=1M");
    add("zero/malloc", "zero-size", [](bool bad) { free(opaque(malloc(bad ? 0 : 1))); }, "MEMTRACE_ZERO_SIZE=1");
    add("zero/calloc", "zero-size", [](bool bad) { free(opaque(calloc(bad ? 0 : 1, 5))); }, "MEMTRACE_ZERO_SIZE=1");
    add("zero/new", "zero-size", [](bool bad) { operator delete(opaque(operator new(bad ? 0 : 1))); },
        "MEMTRACE_ZERO_SIZE=1");
    add("zero/realloc", "realloc-zero", [](bool bad) {
        void *block = opaque(malloc(10));
        block = realloc(block, opaque(size_t{bad ? 0u : 5u}));
        if (!bad) free(block);
    }, "MEMTRACE_ZERO_SIZE=1");
}

} // namespace

int main(int count, char **arguments) {
    double_frees();
    interior_frees();
    mismatches();
    frees_of_no_block();
    writes();
    for (const program &each : programs) {
        if (count < 3) {
            printf("%s %s %s\n", each.name.c_str(), each.kind.c_str(), each.setting.c_str());
        } else if (each.name == arguments[1]) {
            each.run(strcmp(arguments[2], "bad") == 0);
        }
    }
    return 0;
}
