//! What came of a copy of the process in which a stack failed first, as one word of its point.

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Screened {
    /// It ended with this status.
    Exited(u8),
    /// It ended by this signal.
    Killed(u8),
    /// It did not end within its time.
    TimedOut,
    /// It was not made.
    Not(Obstacle),
}

/// Why no copy is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// The process has several threads, of which a copy has one.
    Threads = 1,
    /// It has children, for which a copy could not wait.
    Children = 2,
    /// It has a pipe, a socket, a device or the like open: what a copy reads or writes there is gone, or sent.
    Channel = 3,
    /// It has a file open for writing, beside stdout and stderr.
    Writing = 4,
    /// It shares memory that it can write to.
    Shared = 5,
    /// It is behind a filter of system calls.
    Filter = 6,
    /// The kernel refuses what is needed.
    Refused = 7,
}

impl Obstacle {
    /// All of them.
    pub const ALL: [Obstacle; 7] = [
        Obstacle::Threads,
        Obstacle::Children,
        Obstacle::Channel,
        Obstacle::Writing,
        Obstacle::Shared,
        Obstacle::Filter,
        Obstacle::Refused,
    ];
}

const EXITED: u64 = 1;
const KILLED: u64 = 2;
const TIMED_OUT: u64 = 3;
const NOT: u64 = 4;

impl Screened {
    /// That of a wait status (wait(2)).
    pub const fn of_status(status: u32) -> Screened {
        match status & 0x7f {
            0 => Screened::Exited((status >> 8) as u8),
            signal => Screened::Killed(signal as u8),
        }
    }

    /// As a word: never 0.
    pub const fn word(self) -> u64 {
        match self {
            Screened::Exited(status) => EXITED | (status as u64) << 8,
            Screened::Killed(signal) => KILLED | (signal as u64) << 8,
            Screened::TimedOut => TIMED_OUT,
            Screened::Not(obstacle) => NOT | (obstacle as u64) << 8,
        }
    }

    /// Of a word; `None`: it is none of these.
    pub fn from_word(word: u64) -> Option<Screened> {
        let value = u8::try_from(word >> 8).ok()?;
        match word & 0xff {
            EXITED => Some(Screened::Exited(value)),
            KILLED => Some(Screened::Killed(value)),
            TIMED_OUT => Some(Screened::TimedOut),
            NOT => {
                Obstacle::ALL.iter().find(|&&obstacle| obstacle as u8 == value).map(|&obstacle| Screened::Not(obstacle))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reads_back() {
        let ends = [Screened::Exited(0), Screened::Exited(255), Screened::Killed(11), Screened::TimedOut];
        for screened in ends.into_iter().chain(Obstacle::ALL.map(Screened::Not)) {
            assert_ne!(screened.word(), 0);
            assert_eq!(Screened::from_word(screened.word()), Some(screened));
        }
        assert_eq!([0, 5, 0x804, 1 << 40 | 1].map(Screened::from_word), [None; 4]);
        assert_eq!(Screened::of_status(0x0300), Screened::Exited(3));
        // With a core file, as the kernel says it.
        assert_eq!(Screened::of_status(0x8b), Screened::Killed(11));
    }
}
