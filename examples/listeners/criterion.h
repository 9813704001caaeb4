/* Criterion: each test, which is a process of its own, is a region too, so a report names the test that leaked. What a test
 * asserts when it is over comes too late to fail it, so the status is for `memtrace check` to give.
 * Without memtrace in the process all of this does nothing.
 *
 *   TestSuite(parser, .init = memtrace_test_begin, .fini = memtrace_test_end);
 *   Test(parser, empty) { … }
 */
#ifndef MEMTRACE_LISTENERS_CRITERION_H
#define MEMTRACE_LISTENERS_CRITERION_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "memtrace.h"

static void memtrace_test_begin(void) {
    char name[256];
    snprintf(name, sizeof name, "%s::%s", criterion_current_test->category, criterion_current_test->name);
    memtrace_region_begin(name);
}

static void memtrace_test_end(void) { memtrace_region_end(); }

#endif
