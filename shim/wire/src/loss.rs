//! What memtrace could not do in a target, counted by name and printed by the report.

macro_rules! losses {
    ($($row:ident = $number:literal, $key:literal, $text:literal;)*) => {
        /// A limit that was passed, or a call that failed. The number is its place in `ProcessHeader::losses`.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(usize)]
        pub enum Loss { $(#[doc = $text] $row = $number,)* }

        /// Every loss, in order.
        pub const LOSSES: &[Loss] = &[$(Loss::$row,)*];

        impl Loss {
            /// The name in a profile.
            pub const fn key(self) -> &'static str { match self { $(Loss::$row => $key,)* } }
            /// What it means, to be followed by a number: "…: 3".
            pub const fn text(self) -> &'static str { match self { $(Loss::$row => $text,)* } }
        }
    };
}

losses! {
    Nested = 0, "nested", "allocations in signal handlers that interrupted memtrace, recorded without a stack";
    CutDepth = 1, "cut_depth", "stacks cut at the most frames that are kept";
    CutUnwind = 2, "cut_unwind", "stacks cut at code without unwind data";
    CutBounds = 3, "cut_bounds", "stacks cut where they would have left the stack's memory";
    WindowRefused = 4, "window_refused", "requests for memory of memtrace's own that were refused";
    BlockDropped = 5, "block_dropped", "allocations not recorded for lack of memory";
    ThreadDropped = 6, "thread_dropped", "allocations of threads for which there was no memory, recorded without a stack";
    ModuleDropped = 7, "module_dropped", "modules without a name for lack of memory";
    TextDropped = 8, "text_dropped", "texts cut for lack of memory";
    SiteDropped = 9, "site_dropped", "sites joined to the unknown one for lack of memory";
    FaultDropped = 10, "fault_dropped", "injected failures without a record";
    Replaced = 11, "replaced", "live blocks whose address was handed out again, because their free went past memtrace";
    SettingDropped = 12, "setting_dropped", "settings too long to be kept";
    Inherited = 13, "inherited", "processes that began as a fork, so that blocks of the parent are unknown";
    Abandoned = 14, "abandoned", "records abandoned by a jump out of a signal handler";
    LateThread = 15, "late_thread", "threads that began unseen while another was recording";
    MemoryShort = 16, "memory_short", "stacks cut at 8 frames near MEMTRACE_MAX_MEMORY";
    MemorySampled = 17, "memory_sampled", "allocations met while only samples were recorded near MEMTRACE_MAX_MEMORY";
    MemoryCounted = 18, "memory_counted", "allocations counted only, at MEMTRACE_MAX_MEMORY";
    PointDropped = 19, "point_dropped", "stacks in the scope of MALLOC_FAIL_* that are not in the list of points";
    SymbolsUnread = 20, "symbols_unread", "modules whose symbols could not be read for MALLOC_FAIL_*, so that no function of theirs was known";
    HeapErrorDropped = 21, "heap_error_dropped", "heap errors without a record";
    CanaryGivenUp = 22, "canary_given_up", "times that MEMTRACE_CANARY was given up, because the program asks for the size of too many blocks";
    CutPython = 23, "cut_python", "Python stacks that are too deep or cannot be read, left out";
}

const _: () = assert!(LOSSES.len() <= 40);
