//! What a program makes of a failed allocation: the outcomes, each with its name and its place among the others.

use serde::{Deserialize, Serialize};

macro_rules! outcomes {
    ($($(#[$doc:meta])* $row:ident = $name:literal, $level:ident, $text:literal;)*) => {
        /// What a run with an injected failure came to.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum Outcome { $(#[doc = $text] #[serde(rename = $name)] $row,)* }

        impl Outcome {
            /// All of them: the worst first.
            pub const ALL: &[Outcome] = &[$(Outcome::$row,)*];

            /// Its name in files, options and reports.
            pub const fn name(self) -> &'static str { match self { $(Outcome::$row => $name,)* } }

            /// How bad it is.
            pub const fn level(self) -> Level { match self { $(Outcome::$row => Level::$level,)* } }

            /// What it means, in a sentence without its subject.
            pub const fn text(self) -> &'static str { match self { $(Outcome::$row => $text,)* } }
        }
    };
}

outcomes! {
    HeapCorruption = "heap-corruption", Bad, "the allocator found its heap damaged";
    NullDereference = "null-dereference", Bad, "memory at an address near 0 was used";
    WildAccess = "wild-access", Bad, "memory was used that is not there, or may not be used so";
    StackOverflow = "stack-overflow", Bad, "the stack was used up";
    Killed = "killed", Bad, "another signal ended the program";
    HangSpinning = "hang-spinning", Bad, "the program went on and on, using the processor";
    HangDeadlocked = "hang-deadlocked", Bad, "the program waited and did not end";
    SilentWrong = "silent-wrong", Bad, "status 0, nothing said, and another output than without the failure";
    Leak = "leak", Bad, "blocks are lost that are not lost without the failure";
    Assertion = "assertion", Poor, "an assertion failed";
    UncaughtException = "uncaught-exception", Poor, "a C++ exception was not caught";
    WrongWithMessage = "wrong-with-message", Poor, "status 0 and a message, and another output than without the failure";
    FileLeft = "file-left", Poor, "a file is left, written to or removed that is not without the failure";
    FdLeft = "fd-left", Poor, "a descriptor is open at the end that is not open without the failure";
    LockLeft = "lock-left", Poor, "a mutex is held at the end that is not held without the failure";
    ErrorWithoutMessage = "error-without-message", Poor, "the program ended with an error and said nothing";
    DesignedAbort = "designed-abort", Fair, "the program ended itself in the way that is meant for lack of memory";
    ToleratedWithMessage = "tolerated-with-message", Fair, "status and output are right, and the program said something";
    CleanError = "clean-error", Fair, "the program said that something failed, and ended with an error";
    Tolerated = "tolerated", Fair, "status and output are as without the failure";
    NotReached = "not-reached", Fair, "the call that was to fail was not made";
}

/// How bad an outcome is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// A defect: a sweep with one fails.
    Bad,
    /// Likely a defect, or poor service to the user.
    Poor,
    /// As it should be.
    Fair,
}

impl Outcome {
    /// The outcome of this name.
    pub fn named(name: &str) -> Option<Outcome> {
        Outcome::ALL.iter().copied().find(|outcome| outcome.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_the_worst_stand_first() {
        for &outcome in Outcome::ALL {
            assert_eq!(Outcome::named(outcome.name()), Some(outcome));
        }
        assert!(Outcome::ALL.is_sorted() && Outcome::ALL.is_sorted_by_key(|outcome| outcome.level()));
        assert_eq!(Outcome::named("bad"), None);
    }
}
