//! The listeners of `examples/listeners/`: where one process runs many tests, a check names the test that leaked.

use std::path::Path;
use std::time::Duration;

use memtrace_tests::{Ended, How, Place, pair, workspace};

/// What loses a block in a test of its own, whatever runs it.
const LOSE: &str = "
#include <stdlib.h>
static char *volatile shown;
__attribute__((noinline)) static void lose(size_t size) { shown = (char *)malloc(size); shown = NULL; }
__attribute__((noinline)) static void keep_none(void) { char *volatile p = (char *)malloc(30); free(p); }
";

const GTEST: &str = "
TEST(parser, keeps_nothing) { keep_none(); }
TEST(parser, loses_a_block) { lose(31); }
TEST(writer, is_clean) { keep_none(); }
int main(int argc, char **argv) {
    testing::InitGoogleTest(&argc, argv);
    memtrace_listener::add();
    return RUN_ALL_TESTS();
}
";
const CATCH2: &str = "
TEST_CASE(\"keeps nothing\") { keep_none(); CHECK(true); }
TEST_CASE(\"loses a block\") { lose(31); CHECK(true); }
";
const CRITERION: &str = "
TestSuite(parser, .init = memtrace_test_begin, .fini = memtrace_test_end);
Test(parser, keeps_nothing) { keep_none(); }
Test(parser, loses_a_block) { lose(31); }
";

/// The tests natively, and under a check; nothing: this machine has no such header.
fn run(header: &str, include: &str, tests: &str, flags: &[&str]) -> Option<(Ended, Ended)> {
    if !Path::new("/usr/include").join(header).is_file() {
        println!("skipped: there is no {header}");
        return None;
    }
    let place = Place::new();
    let source = format!("{include}{LOSE}{tests}");
    let includes = ["shim/include", "examples/listeners"].map(|path| format!("-I{}", workspace().join(path).display()));
    let mut all: Vec<&str> = includes.iter().map(String::as_str).collect();
    all.push("-fno-builtin");
    all.extend(flags);
    let is_c = header.ends_with("criterion.h");
    let program = if is_c { place.c("suite", &source, &all) } else { place.cpp("suite", &source, &all) };
    let native = place.job(How::Native, &program).run();
    let checked = place.job(How::Native, &pair().command).arg("check").arg("--").arg(&program);
    Some((native, checked.patience(Duration::from_secs(120)).run()))
}

/// The report names the region, right above the function, and no other place of the project's has lost anything.
fn is_named(checked: &Ended, region: &str) {
    let said = &checked.stderr;
    assert!(said.contains(&format!("error: 31 bytes in 1 block is definitely lost, allocated in lose\n    at [in region {region}]\n    by lose (suite.")), "{said}");
    assert!(said.contains("CHECK SUMMARY: broken; failing: 1;") && checked.code() == Some(1), "{said}");
}

#[test]
fn a_test_of_googletest_fails_for_the_block_that_it_lost() {
    let flags = ["-lgtest", "-lpthread"];
    let Some((native, checked)) = run("gtest/gtest.h", "#include \"gtest.h\"\n", GTEST, &flags) else { return };
    assert!(native.code() == Some(0) && native.stdout.contains("[  PASSED  ] 3 tests."), "{}", native.stdout);
    assert!(checked.stdout.contains("parser.loses_a_block has lost 1 block(s)"), "{}", checked.stdout);
    assert!(checked.stdout.contains("[  PASSED  ] 2 tests.\n[  FAILED  ] 1 test"), "{}", checked.stdout);
    is_named(&checked, "parser.loses_a_block");
}

#[test]
fn a_test_case_of_catch2_is_named() {
    let include = "#define CATCH_CONFIG_MAIN\n#include \"catch2.hpp\"\n";
    let Some((native, checked)) = run("catch2/catch.hpp", include, CATCH2, &["-O0"]) else { return };
    assert!(native.code() == Some(0) && native.stderr.is_empty(), "{}", native.stderr);
    assert!(checked.stderr.contains("loses a block has lost 1 block(s)\n"), "{}", checked.stderr);
    assert!(!checked.stderr.contains("keeps nothing has lost"), "{}", checked.stderr);
    is_named(&checked, "loses a block");
}

#[test]
fn a_test_of_criterion_is_named_though_it_is_a_process_of_its_own() {
    let Some((native, checked)) =
        run("criterion/criterion.h", "#include \"criterion.h\"\n", CRITERION, &["-lcriterion"])
    else {
        return;
    };
    assert_eq!(native.code(), Some(0), "{}", native.stderr);
    is_named(&checked, "parser::loses_a_block");
}
