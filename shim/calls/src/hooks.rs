//! The calls, exported: one line each.

use core::arch::naked_asm;
use memtrace_wire::op::Op;

use crate::next::{Decision, Next};

/// Exported functions, each with the function that it counts as. Its naked entry asks whether the call fails, with the
/// registers that show the caller's frame. If not, it leaves by a jump with every argument as it was, so that arguments
/// may be of any number and kind.
macro_rules! calls {
    ($($op:ident: $($name:ident)+;)*) => { $($(calls!(@one $name, $op);)+)* };
    (@one $name:ident, $op:ident) => {
        #[doc = concat!("See `", stringify!($name), "` in its man page.")]
        ///
        /// # Safety
        /// As the C library's function of this name.
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name() {
            static NEXT: Next = Next::new(concat!(stringify!($name), "\0"));
            extern "C" fn ask(sp: u64, bp: u64, first: u64) -> Decision {
                NEXT.decide(Op::$op, sp, bp, first)
            }
            naked_asm!(
                ".cfi_startproc",
                memtrace_hot::keep_arguments!(),
                "mov rdx, rdi",
                "lea rdi, [rsp + 56]",
                "mov rsi, rbp",
                "call {ask}",
                "mov r11, rax",
                "mov r10, rdx",
                memtrace_hot::give_arguments!(),
                "test r11, r11",
                "je 2f",
                "jmp r11",
                "2: mov rax, r10",
                "ret",
                ".cfi_endproc",
                ask = sym ask,
            )
        }
    };
}

calls! {
    Open: open open64 __open_2 __open64_2;
    Openat: openat openat64 __openat_2 __openat64_2;
    Creat: creat creat64;
    Fopen: fopen fopen64;
    Fdopen: fdopen;
    Freopen: freopen freopen64;
    Opendir: opendir;
    Mkstemp: mkstemp mkstemp64 mkstemps mkstemps64 mkostemp mkostemp64 mkostemps mkostemps64;
    Mkdtemp: mkdtemp;
    Tmpfile: tmpfile tmpfile64;
    Dup: dup;
    Dup2: dup2;
    Dup3: dup3;
    Socket: socket;
    Connect: connect;
    Bind: bind;
    Listen: listen;
    Accept: accept accept4;
    Send: send;
    Sendto: sendto;
    Sendmsg: sendmsg;
    Recv: recv __recv_chk;
    Recvfrom: recvfrom __recvfrom_chk;
    Recvmsg: recvmsg;
    Read: read __read_chk;
    Pread: pread pread64 __pread_chk __pread64_chk;
    Readv: readv;
    Write: write;
    Pwrite: pwrite pwrite64;
    Writev: writev;
    Fsync: fsync;
    Fdatasync: fdatasync;
    Ftruncate: ftruncate ftruncate64;
    Pipe: pipe;
    Pipe2: pipe2;
    Socketpair: socketpair;
    Popen: popen;
    Eventfd: eventfd;
    EpollCreate: epoll_create epoll_create1;
    PthreadCreate: pthread_create;
    PthreadKeyCreate: pthread_key_create;
    PthreadAttrInit: pthread_attr_init;
    PthreadMutexInit: pthread_mutex_init;
    PthreadCondInit: pthread_cond_init;
    PthreadRwlockInit: pthread_rwlock_init;
    SemInit: sem_init;
    SemOpen: sem_open;
    Mmap: mmap mmap64;
    Mremap: mremap;
    Mprotect: mprotect;
    ShmOpen: shm_open;
}
