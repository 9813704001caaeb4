// GoogleTest: each test is a region, so a report names the test that leaked, and a test that loses blocks fails.
// Without memtrace in the process all of this does nothing.
//
//   int main(int argc, char **argv) {
//       testing::InitGoogleTest(&argc, argv);
//       memtrace_listener::add();
//       return RUN_ALL_TESTS();
//   }
#ifndef MEMTRACE_LISTENERS_GTEST_H
#define MEMTRACE_LISTENERS_GTEST_H

#include <gtest/gtest.h>
#include <string>

#include "memtrace.h"

class memtrace_listener : public testing::EmptyTestEventListener {
public:
    static void add() { testing::UnitTest::GetInstance()->listeners().Append(new memtrace_listener); }

private:
    std::string name_;
    uint64_t before_ = 0;

    void OnTestStart(const testing::TestInfo &test) override {
        name_ = std::string(test.test_suite_name()) + "." + test.name();
        before_ = memtrace_checkpoint();
        memtrace_region_begin(name_.c_str());
    }

    // The last listener hears of an end first, so the failure still belongs to this test.
    void OnTestEnd(const testing::TestInfo &) override {
        memtrace_region_end();
        const int64_t blocks = before_ ? memtrace_leaks_since(before_) : 0;
        if (blocks > 0) ADD_FAILURE() << name_ << " has lost " << blocks << " block(s)";
    }
};

#endif
