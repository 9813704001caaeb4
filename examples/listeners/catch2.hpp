// Catch2 (version 2): each test case is a region, so a report names the test case that leaked; what it has lost is said on
// stderr. A listener cannot fail a test case, so the status is for `memtrace check` to give.
// Without memtrace in the process all of this does nothing.
//
//   #define CATCH_CONFIG_MAIN          in one file; in that file:
//   #include "catch2.hpp"
#ifndef MEMTRACE_LISTENERS_CATCH2_HPP
#define MEMTRACE_LISTENERS_CATCH2_HPP

#include <catch2/catch.hpp>
#include <cstdio>

#include "memtrace.h"

struct memtrace_listener : Catch::TestEventListenerBase {
    using TestEventListenerBase::TestEventListenerBase;
    uint64_t before = 0;

    void testCaseStarting(Catch::TestCaseInfo const &test) override {
        before = memtrace_checkpoint();
        memtrace_region_begin(test.name.c_str());
    }

    void testCaseEnded(Catch::TestCaseStats const &stats) override {
        memtrace_region_end();
        const int64_t blocks = before ? memtrace_leaks_since(before) : 0;
        if (blocks > 0)
            std::fprintf(stderr, "%s has lost %lld block(s)\n", stats.testInfo.name.c_str(), (long long)blocks);
    }
};
CATCH_REGISTER_LISTENER(memtrace_listener)

#endif
