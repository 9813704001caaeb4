//! What a process has open, and what of it a copy of the process may share: places in files, which are put back after
//! it; its stdout and stderr, which it gets others for; what it was started with and shares with strangers, instead of which
//! it has /dev/null. A copy must not have what else it would take from the process.

use memtrace_hot::rows::Rows;
use memtrace_wire::map::U64;
use memtrace_wire::screen::Obstacle;
use memtrace_wire::sys;

/// A descriptor.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Opened {
    fd: i32,
    /// `NOTHING`, `PLACE`, `STDOUT`, `STDERR` or `INHERITED`.
    kind: u32,
    /// Where it stands in its file.
    place: u64,
}

const NOTHING: u32 = 0;
const PLACE: u32 = 1;
const STDOUT: u32 = 2;
const STDERR: u32 = 3;
const OUTPUTS: [u32; 2] = [STDOUT, STDERR];
/// It was there when the program began, and a copy could write to it, or take from it.
const INHERITED: u32 = 4;
/// What a copy gets others for.
const REPLACED: [u32; 3] = [STDOUT, STDERR, INHERITED];

/// /dev/null, zero, full, random and urandom: reading takes nothing away from anybody, and nothing is kept.
const MEMORY_DEVICES: [u32; 5] = [3, 5, 7, 8, 9];

/// Looks at all descriptors: how many there are. `text` is room for a list; `outputs`: device and inode of the files
/// that stdout and stderr are; `inherited`: see `Announced`.
pub fn look(
    into: &mut [Opened],
    text: &mut [u8],
    outputs: [(u64, u64); 2],
    inherited: &'static Rows,
) -> Result<usize, Obstacle> {
    let mut count = 0;
    each(text, |fd| {
        *into.get_mut(count).ok_or(Obstacle::Refused)? = about(fd, outputs, inherited)?;
        count += 1;
        Ok(())
    })?;
    Ok(count)
}

/// Keeps in mind what is open beside stdin, stdout and stderr at the start of a program: number + 1, and inode.
pub fn note_inherited(text: &mut [u8], inherited: &'static Rows) {
    let _ = each(text, |fd| {
        if fd > 2
            && let Some((_, file, _)) = sys::identity(fd)
        {
            inherited.add(fd as u64 + 1, file);
        }
        Ok(())
    });
}

fn each(text: &mut [u8], mut seen: impl FnMut(i32) -> Result<(), Obstacle>) -> Result<(), Obstacle> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    let list = i32::try_from(sys::open(c"/proc/self/fd", flags, 0)).ok().filter(|&fd| fd >= 0);
    let list = list.ok_or(Obstacle::Refused)?;
    let is_seen = each_of(list, text, &mut seen);
    sys::close(list);
    is_seen
}

fn each_of(list: i32, text: &mut [u8], seen: &mut impl FnMut(i32) -> Result<(), Obstacle>) -> Result<(), Obstacle> {
    loop {
        // SAFETY: the kernel writes into the buffer only.
        let length = unsafe {
            sys::call(libc::SYS_getdents64, list as usize, text.as_mut_ptr() as usize, text.len().min(1 << 16), 0)
        };
        let length = usize::try_from(length).map_err(|_| Obstacle::Refused)?;
        if length == 0 {
            return Ok(());
        }
        let mut rest = text.get(..length).unwrap_or(&[]);
        // linux_dirent64: inode, offset, length of this entry (2 bytes at 16), type, name (from 19).
        while let (Some(&[low, high]), Some(name)) =
            (rest.get(16..18).and_then(|at| at.first_chunk::<2>()), rest.get(19..))
        {
            let name = name.split(|&byte| byte == 0).next().unwrap_or(&[]);
            if let Some(fd) = memtrace_wire::settings::number(name).and_then(|fd| i32::try_from(fd).ok())
                && fd != list
            {
                seen(fd)?;
            }
            rest = rest.get(usize::from(u16::from_le_bytes([low, high])).max(1)..).unwrap_or(&[]);
        }
    }
}

/// What a descriptor leads to.
fn about(fd: i32, outputs: [(u64, u64); 2], inherited: &'static Rows) -> Result<Opened, Obstacle> {
    let stat = sys::status(fd).ok_or(Obstacle::Refused)?;
    leads_to(fd, &stat, outputs).or_else(|obstacle| {
        let is_it = |row: &&[U64; 2]| matches!(row, [number, file] if (number.get(), file.get()) == (fd as u64 + 1, stat.st_ino));
        match inherited.iter().find(is_it) {
            Some(_) => Ok(Opened { fd, kind: INHERITED, place: 0 }),
            None => Err(obstacle),
        }
    })
}

fn leads_to(fd: i32, stat: &libc::stat, outputs: [(u64, u64); 2]) -> Result<Opened, Obstacle> {
    let nothing = Opened { fd, kind: NOTHING, place: 0 };
    match stat.st_mode & libc::S_IFMT {
        kind @ (libc::S_IFREG | libc::S_IFDIR) => {
            let flags = control(fd, libc::F_GETFL);
            if flags & libc::O_PATH != 0 {
                return Ok(nothing);
            }
            let output = outputs.iter().zip(&OUTPUTS).find(|&(&file, _)| file == (stat.st_dev, stat.st_ino));
            let is_written = kind == libc::S_IFREG && flags & libc::O_ACCMODE != libc::O_RDONLY;
            let kind = match (is_written, output) {
                (false, _) => PLACE,
                (true, Some((_, &output))) => output,
                (true, None) => return Err(Obstacle::Writing),
            };
            match sys::seek(fd, 0, libc::SEEK_CUR) {
                Ok(place) => Ok(Opened { fd, kind, place: place as u64 }),
                Err(_) => Ok(Opened { kind: if kind == PLACE { NOTHING } else { kind }, ..nothing }),
            }
        }
        libc::S_IFCHR if libc::major(stat.st_rdev) == 1 && MEMORY_DEVICES.contains(&libc::minor(stat.st_rdev)) => {
            Ok(nothing)
        }
        libc::S_IFLNK => Ok(nothing),
        _ => Err(Obstacle::Channel),
    }
}

fn control(fd: i32, what: i32) -> i32 {
    // SAFETY: only questions without a third argument come here.
    unsafe { sys::call(libc::SYS_fcntl, fd as usize, what as usize, 0, 0) as i32 }
}

/// Puts back what a copy has moved.
pub fn put_back(all: &[Opened]) {
    for opened in all.iter().filter(|opened| opened.kind == PLACE) {
        let place = opened.place as usize;
        if sys::seek(opened.fd, 0, libc::SEEK_CUR) != Ok(place) {
            let _ = sys::seek(opened.fd, place, libc::SEEK_SET);
        }
    }
}

/// What a copy has instead of its outputs, where they are files, and of what it has inherited.
pub struct Fresh([Option<i32>; 3]);

impl Fresh {
    /// As many as are needed.
    pub fn of(all: &[Opened]) -> Result<Fresh, Obstacle> {
        let mut fresh = Fresh([None; 3]);
        for (file, &kind) in fresh.0.iter_mut().zip(&REPLACED) {
            if !all.iter().any(|opened| opened.kind == kind) {
                continue;
            }
            let fd = match kind {
                INHERITED => sys::open(c"/dev/null", libc::O_RDWR | libc::O_CLOEXEC, 0),
                // SAFETY: the name ends in a NUL.
                _ => unsafe {
                    let (name, flags) = (c"output".as_ptr() as usize, libc::MFD_CLOEXEC as usize);
                    sys::call(libc::SYS_memfd_create, name, flags, 0, 0)
                },
            };
            *file = Some(i32::try_from(fd).ok().filter(|&fd| fd >= 0).ok_or(Obstacle::Refused)?);
        }
        Ok(fresh)
    }

    /// In the copy: they stand where the others stood, at the same place. False: that was refused.
    pub fn take_over(&self, all: &[Opened]) -> bool {
        for (file, &kind) in self.0.iter().zip(&REPLACED) {
            let Some(file) = *file else { continue };
            for opened in all.iter().filter(|opened| opened.kind == kind) {
                let is_closed_by_exec = control(opened.fd, libc::F_GETFD) & libc::FD_CLOEXEC != 0;
                let flags = if is_closed_by_exec { libc::O_CLOEXEC as usize } else { 0 };
                // SAFETY: descriptors of the copy's own.
                let made = unsafe { sys::call(libc::SYS_dup3, file as usize, opened.fd as usize, flags, 0) };
                if made < 0 {
                    return false;
                }
                let _ = sys::seek(opened.fd, opened.place as usize, libc::SEEK_SET);
            }
        }
        true
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        self.0.iter().flatten().for_each(|&file| sys::close(file));
    }
}
