//! The terminal: how large it is, its keys one by one, and its state as it was found.

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use super::{checked, signal_set};

/// Columns and rows of the terminal that stdout is.
pub fn size() -> Option<(usize, usize)> {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: room for what the kernel tells; zeroed before, so it is integers whatever was told.
    let size = unsafe {
        if libc::ioctl(1, libc::TIOCGWINSZ, size.as_mut_ptr()) != 0 {
            return None;
        }
        size.assume_init()
    };
    // A terminal over a serial line knows neither.
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col.into(), size.ws_row.into()))
}

/// A terminal whose keys come one by one and are not shown; dropped, it is as it was found.
pub struct Keys {
    before: libc::termios,
    signals: OwnedFd,
}

/// What came from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Came {
    /// Bytes of keys.
    Bytes(Vec<u8>),
    /// This signal; those that would end the command are held, so that the terminal can be restored before.
    Signal(c_int),
    /// The terminal is gone.
    End,
    /// Nothing, until the time was over.
    Nothing,
}

/// Signals that are taken one by one.
const HELD: &[c_int] =
    &[libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGTSTP, libc::SIGCONT, libc::SIGWINCH];

impl Keys {
    /// Takes the terminal that stdin is.
    pub fn take() -> io::Result<Keys> {
        let set = signal_set(HELD);
        let mut before = MaybeUninit::<libc::termios>::zeroed();
        // SAFETY: room for the terminal's state, which is integers; a set of signals; the new fd is nobody's.
        let (before, signals) = unsafe {
            checked(libc::tcgetattr(0, before.as_mut_ptr()))?;
            let signals = checked(libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
            libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
            (before.assume_init(), OwnedFd::from_raw_fd(signals))
        };
        let keys = Keys { before, signals };
        keys.again()?;
        Ok(keys)
    }

    /// Takes it again after a stop.
    pub fn again(&self) -> io::Result<()> {
        let mut raw = self.before;
        raw.c_lflag &= !(libc::ICANON | libc::ECHO | libc::IEXTEN);
        raw.c_iflag &= !(libc::IXON | libc::ICRNL);
        // SAFETY: a state that was read before.
        checked(unsafe { libc::tcsetattr(0, libc::TCSAFLUSH, &raw) })?;
        Ok(())
    }

    /// Gives it back as it was found.
    pub fn restore(&self) {
        // SAFETY: the state that was read.
        unsafe { libc::tcsetattr(0, libc::TCSAFLUSH, &self.before) };
    }

    /// Stops this process as the signal would have, until it is continued.
    pub fn stop(&self) {
        super::send(std::process::id() as super::Pid, libc::SIGSTOP);
    }

    /// What comes first until then.
    pub fn next(&self, until: Instant) -> Came {
        let left = until.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
        let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut entries = [entry(0), entry(self.signals.as_raw_fd())];
        // SAFETY: two entries.
        let count = unsafe { libc::poll(entries.as_mut_ptr(), 2, left.as_millis().min(1 << 30) as c_int) };
        if count <= 0 {
            return Came::Nothing;
        }
        if entries[1].revents != 0 {
            let mut about = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
            let length = size_of::<libc::signalfd_siginfo>();
            // SAFETY: room for one signal, which is integers.
            let about = unsafe {
                if libc::read(self.signals.as_raw_fd(), about.as_mut_ptr().cast(), length) <= 0 {
                    return Came::Nothing;
                }
                about.assume_init()
            };
            return Came::Signal(about.ssi_signo as c_int);
        }
        // Past std's buffer, of which poll knows nothing.
        let mut bytes = [0u8; 64];
        // SAFETY: the buffer is as long as we say.
        let length = unsafe { libc::read(0, bytes.as_mut_ptr().cast(), bytes.len()) };
        match usize::try_from(length).ok().and_then(|length| bytes.get(..length)) {
            Some(bytes @ [_, ..]) => Came::Bytes(bytes.to_vec()),
            _ => Came::End,
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.restore();
    }
}
