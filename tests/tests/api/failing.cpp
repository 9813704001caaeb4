// The same in C++.
#include "memtrace.h"
#include <cstdio>
#include <stdexcept>
#include <vector>

static char one() {
    try {
        long *volatile block = new long;
        delete block;
    } catch (const std::bad_alloc &) {
        return '0';
    }
    return '1';
}

static void three() {
    for (int call = 0; call < 3; call++) std::putchar(one());
}

int main() {
    std::puts("start");
    {
        memtrace::failing failing(1);
        three();
        std::printf(" %d of %d\n", static_cast<int>(failing.fired()), static_cast<int>(failing.seen()));
    }
    three();
    std::puts("");
    {
        memtrace::failing failing(0, 0);
        memtrace::benign benign;
        one();
        memtrace::paused paused;
        three();
        std::puts("");
    }
    {
        memtrace::failing failing(0, 1, "profile-*", MEMTRACE_THIS_THREAD);
        three();
        std::puts("");
    }
    const auto swept = memtrace::fail_sweep([] {
        std::vector<std::vector<int>> rows(2);
        for (auto &row : rows) row.resize(100);
    });
    std::printf("%d\n", static_cast<int>(swept));
    try {
        memtrace::fail_sweep([] { if (one() == '0') throw std::runtime_error("not handled"); });
    } catch (const std::runtime_error &error) {
        std::puts(error.what());
    }
    three();
    std::puts("");
}
