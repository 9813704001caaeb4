//! The functions that hand requests on, in lower case: allocators' own, and copies of texts.
//!
//! Only what gives its caller the block as it came is here: a function that makes an object of its own is a site.

/// The name in MEMTRACE_WRAPPERS that leaves this list out.
pub const NONE: &str = "none";

/// Libraries whose functions are called by so many that they tell nothing. Beginnings of file names.
const RUNTIME: [&str; 14] = [
    "ld-linux",
    "libc.so",
    "libc-2.",
    "libstdc++",
    "libc++",
    "libgcc_s",
    "libm.so",
    "libdl.so",
    "libdl-2.",
    "libpthread",
    "librt.so",
    "libasan",
    "libtsan",
    "libmemtrace",
];

/// Parts of languages' libraries that are compiled into programs. Beginnings of demangled names.
const LANGUAGE: [&str; 9] =
    ["std::", "core::", "alloc::", "hashbrown::", "__gnu_cxx::", "<std::", "<core::", "<alloc::", "__rust_"];

/// Endings of names: every project's own malloc.
const ENDS: &[&str] = &[
    "malloc",
    "malloc0",
    "malloc2",
    "malloc64",
    "mallocz",
    "malloc_n",
    "malloc0_n",
    "calloc",
    "callocz",
    "realloc",
    "realloc_n",
    "reallocarray",
    "reallocf",
    "zalloc",
    "xalloc",
    "memalign",
    "aligned_alloc",
    "mem_alloc",
    "mem_acquire",
    "memdup",
    "strdup",
    "strndup",
    "wcsdup",
    "asprintf",
];

/// Beginnings of names.
const BEGINS: &[&str] = &[
    "operator new",
    // GLib
    "g_malloc",
    "g_try_malloc",
    "g_realloc",
    "g_try_realloc",
    "g_new",
    "g_strdup",
    "g_memdup",
    "g_slice_alloc",
    "g_slice_copy",
    "g_aligned_alloc",
    // gnulib and libiberty
    "xmalloc",
    "xmemdup",
    "ximalloc",
    // AWS
    "aws_mem_",
    "s_default_mem",
    "s_trace_mem",
    // CPython
    "pymem_",
    "_pymem_",
    "pyobject_malloc",
    "_pyobject_gc_new",
    "_pyobject_new",
    "_pyobject_debug",
    // SQLite
    "sqlite3malloc",
    "sqlite3_malloc",
    "sqlite3_realloc",
    "sqlite3realloc",
    "sqlite3dbmalloc",
    "sqlite3dbrealloc",
    "sqlite3dbstr",
    "sqlite3mem",
    "dbmallocraw",
    "dbrealloc",
    // OpenSSL and curl
    "crypto_secure_",
    "crypto_aligned_alloc",
    "openssl_memdup",
    "curl_dbg_",
    // Others
    "zmalloc",
    "ztrymalloc",
    "zrealloc",
    "ztryrealloc",
    "zcalloc",
    "ztrycalloc",
    "talloc_named",
    "_talloc",
    "__talloc",
    "talloc_strdup",
    "apr_palloc",
    "apr_pcalloc",
    "apr_pstrdup",
    "apr_pmemdup",
    "ngx_palloc",
    "ngx_pnalloc",
    "ngx_pcalloc",
    "ngx_alloc",
    "palloc",
    "memorycontextalloc",
    "allocsetalloc",
    "luam_",
    "ruby_x",
    "rb_xmalloc",
    "perl_safesys",
    "_safe_emalloc",
    "_emalloc",
    "av_fast_",
    "ggc_internal_",
    "nghttp2_mem_",
    "__rdl_",
    "__rg_",
];

/// Whole names.
const NAMES: &[&str] = &[
    "__asprintf_chk",
    "__getdelim",
    "__vasprintf_chk",
    "__vasprintf_internal",
    "_io_getdelim",
    "_pytype_allocnotrack",
    "_pyobject_gc_malloc",
    "g_strconcat",
    "g_strnfill",
    "gc_alloc",
    "getdelim",
    "getline",
    "jv_mem_alloc",
    "jv_mem_alloc_unguarded",
    "lalloc",
    "mallocwithalarm",
    "pcache1alloc",
    "pytype_genericalloc",
    "sqlite3_mprintf",
    "sqlite3_vmprintf",
    "sqlite3mprintf",
    "sqlite3vmprintf",
    "x2nrealloc",
    "xcharalloc",
    "xgetline",
    "xmallocz_gently",
    "xnmalloc",
    "xpalloc",
];

/// Whether the module with this file name serves all programs.
pub fn is_runtime(file: &str) -> bool {
    RUNTIME.iter().any(|library| file.starts_with(library))
}

/// Whether the module with this path is CPython, or an extension of its standard library.
pub fn is_python(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or_default();
    file.starts_with("python3") || file.starts_with("libpython3") || path.contains("/lib-dynload/")
}

/// Whether a function of this name is part of a language's library.
pub fn is_language(function: &str) -> bool {
    LANGUAGE.iter().any(|library| function.starts_with(library))
}

/// Whether a function of this name hands requests on.
pub fn is_wrapper(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ENDS.iter().any(|end| name.ends_with(end))
        || BEGINS.iter().any(|begin| name.starts_with(begin))
        || NAMES.contains(&name.as_str())
}
