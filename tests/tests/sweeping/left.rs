//! What a run leaves behind and a run without a failure does not: files of the working directory, descriptors, mutexes.

use std::collections::BTreeSet;

use memtrace_tests::{Json as Value, Place};

use super::{count, outcomes, result, sweep};

#[test]
fn files_of_the_working_directory_are_judged_that_a_run_writes_to() {
    const SOURCE: &str = r#"
        #include <fcntl.h>
        #include <stdlib.h>
        #include <unistd.h>
        #define APART __attribute__((noinline))
        static APART void *table(void) { return malloc(10); }
        static APART void *entry(void) { return malloc(20); }
        int main(void) {
            void *first = table(), *second = entry();
            int out = open("out.txt", O_CREAT | O_TRUNC | O_WRONLY, 0600);
            if (first != NULL) { write(out, "sum 6\n", 6); }
            close(out);
            if (second == NULL) {
                int data = open("data", O_WRONLY | O_APPEND);
                write(data, "?", 1);
                close(data);
            }
            int is_bad = first == NULL || second == NULL;
            if (is_bad && IS_CLEAN) { write(2, "no memory\n", 10); }
            free(first); free(second);
            return is_bad && IS_CLEAN;
        }"#;
    let place = Place::new();
    place.write("data", "precious");
    let app = place.c("app", SOURCE, &["-O0", "-fno-builtin", "-DIS_CLEAN=0"]);
    let ended = sweep(&place, &["--modes", "once", "--jobs", "2", "--out", "jsonl:lines"], &app);
    assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
    let found = result(&place);
    let findings = found["findings"].as_array().unwrap();
    let titles: Vec<&str> = findings.iter().map(|finding| finding["title"].as_str().unwrap()).collect();
    let wanted = [
        "silent-wrong, after malloc in entry failed",
        "silent-wrong, after malloc in table failed",
        "file-left: ./data (written to), after malloc in entry failed",
    ];
    assert_eq!(titles, wanted);
    assert!(findings.iter().all(|finding| finding["repeated"] == 3), "{found}");
    let note = "the program writes to the working directory, so its runs were made one after the other";
    assert_eq!(found["notes"], Value::from(vec![note]));
    // With an error, what it has written so far is nobody's surprise; what it did to other files is.
    let app = place.c("app", SOURCE, &["-O0", "-fno-builtin", "-DIS_CLEAN=1"]);
    sweep(&place, &["--modes", "once"], &app);
    assert_eq!(outcomes(&result(&place)), BTreeSet::from(["file-left".to_owned()]));
    // Too many files: it is said, and nothing of them is judged.
    (0..500).for_each(|number| _ = place.write(&format!("many{number}"), ""));
    sweep(&place, &["--modes", "once"], &app);
    assert_eq!(outcomes(&result(&place)), BTreeSet::new());
    let notes = result(&place)["notes"].to_string();
    assert!(notes.contains("more than 500 files"), "{notes}");
}

#[test]
fn descriptors_are_left_where_the_program_ends_in_its_usual_way() {
    // To the kernel `careless`, which forgets its file, and `owner`, which still has it, are one: what differs is whether
    // the exit is the one that ends the program without a failure.
    const SOURCE: &str = r#"
        #include <fcntl.h>
        #include <stdlib.h>
        #include <unistd.h>
        #define APART __attribute__((noinline))
        static APART void quit(int status) { exit(status); }
        static APART int careless(void) {
            int file = open("/dev/null", O_RDONLY);
            void *block = malloc(100);
            if (block == NULL) { return 1; }
            close(file);
            free(block);
            return 0;
        }
        static APART int owner(void) {
            int file = open("/dev/null", O_RDONLY);
            void *block = malloc(200);
            if (block == NULL) { write(2, "no memory\n", 10); quit(1); }
            close(file);
            free(block);
            return 0;
        }
        int main(void) {
            int status = owner() || careless();
            if (status != 0) { write(2, "no memory\n", 10); }
            quit(status);
        }"#;
    let place = Place::new();
    let app = place.c("app", SOURCE, &["-O0", "-fno-builtin"]);
    sweep(&place, &["--modes", "once"], &app);
    let found = result(&place);
    assert_eq!((count(&found, "findings"), &found["outcomes"]["clean-error"]), (1, &2.into()), "{found}");
    assert_eq!(found["findings"][0]["title"], "fd-left: /dev/null (1 more), after malloc in careless failed");
}

#[test]
fn mutexes_are_left_that_the_program_holds_at_its_end_only_after_a_failure() {
    const SOURCE: &str = r#"
        #define _GNU_SOURCE
        #include <pthread.h>
        #include <stdlib.h>
        #include <unistd.h>
        #define APART __attribute__((noinline))
        static pthread_mutex_t always = PTHREAD_MUTEX_INITIALIZER;
        static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER, middle = PTHREAD_MUTEX_INITIALIZER;
        pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
        struct entry { long number; pthread_mutex_t lock; } *entry;
        static void *wait_on(void *lock) { pthread_mutex_lock(lock); return lock; }
        static APART void *on_table(void) {
            pthread_mutex_lock(&table);
            void *block = malloc(10);
            if (block == NULL && !IS_CLEAN) { return NULL; }
            pthread_mutex_unlock(&table);
            return block;
        }
        static APART void *on_recursive(void) {
            pthread_mutex_lock(&recursive);
            pthread_mutex_lock(&recursive);
            void *block = malloc(20);
            pthread_mutex_unlock(&recursive);
            if (block == NULL && !IS_CLEAN) { return NULL; }
            pthread_mutex_unlock(&recursive);
            return block;
        }
        static APART void *on_entry(void) {
            pthread_mutex_lock(&entry->lock);
            void *block = malloc(30);
            if (block == NULL && !IS_CLEAN) { return NULL; }
            pthread_mutex_unlock(&entry->lock);
            return block;
        }
        static APART void *in_the_middle(void) {
            pthread_mutex_lock(&middle);
            void *block = malloc(40);
            if (block == NULL) { write(2, "no memory\n", 10); exit(1); }
            pthread_mutex_unlock(&middle);
            return block;
        }
        static struct entry first = {1, PTHREAD_MUTEX_INITIALIZER};
        int main(void) {
            entry = malloc(sizeof *entry);
            if (entry == NULL) { write(2, "no memory\n", 10); return 1; }
            *entry = first;
            pthread_mutex_lock(&always);
            void *blocks[] = {on_table(), on_recursive(), on_entry(), in_the_middle()};
            int is_bad = 0;
            for (int i = 0; i < 4; i++) { is_bad |= blocks[i] == NULL; free(blocks[i]); }
            if (is_bad) { write(2, "no memory\n", 10); }
            if (blocks[0] == NULL && !IS_CLEAN) {
                pthread_t waiter;
                pthread_create(&waiter, NULL, wait_on, &table);
                usleep(20000);
            }
            return is_bad;
        }"#;
    let place = Place::new();
    let app = place.c("app", SOURCE, &["-O0", "-fno-builtin", "-pthread", "-DIS_CLEAN=0"]);
    sweep(&place, &["--modes", "once", "--order", "1"], &app);
    let found = result(&place);
    let all = found["findings"].as_array().unwrap().iter();
    let left: BTreeSet<String> = all
        .filter(|finding| finding["outcome"] == "lock-left")
        .map(|finding| format!("{} {}", finding["failed"]["caller"].as_str().unwrap(), finding["left"]))
        .collect();
    let wanted = [
        r#"on_entry ["mutex in the heap"]"#,
        r#"on_recursive ["mutex recursive in app"]"#,
        r#"on_table ["mutex table in app"]"#,
    ];
    assert_eq!(left, wanted.map(str::to_owned).into(), "{found}");
    let app = place.c("app", SOURCE, &["-O0", "-fno-builtin", "-pthread", "-no-pie", "-DIS_CLEAN=1"]);
    let ended = sweep(&place, &["--modes", "once", "--fail-on", "all"], &app);
    assert_eq!((ended.code(), count(&result(&place), "findings")), (Some(0), 0), "{}", ended.stdout);
}

#[test]
fn what_one_run_does_to_the_directory_is_not_taken_for_its_neighbours() {
    let place = Place::new();
    // Only one failure leaves a file; the others take as long.
    let source = r#"
        #include <fcntl.h>
        #include <stdlib.h>
        #include <unistd.h>
        #define APART __attribute__((noinline))
        static APART void *first(void) { return malloc(10); }
        static APART void *second(void) { return malloc(20); }
        static APART void *third(void) { return malloc(30); }
        static APART void *fourth(void) { return malloc(40); }
        int main(void) {
            void *blocks[] = {first(), second(), third(), fourth()};
            if (blocks[1] == NULL) { close(open("log", O_CREAT | O_WRONLY | O_TRUNC, 0600)); }
            usleep(50000);
            for (int i = 0; i < 4; i++) { free(blocks[i]); }
            return 0;
        }"#;
    let app = place.c("app", source, &["-O0", "-fno-builtin"]);
    sweep(&place, &["--modes", "once", "--jobs", "4"], &app);
    let found = result(&place);
    assert_eq!(count(&found, "findings"), 1, "{found}");
    let finding = &found["findings"][0];
    assert_eq!(
        (&finding["title"], count(&found, "runs")),
        (&"file-left: ./log, after malloc in second failed".into(), 4)
    );
}
