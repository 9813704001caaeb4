# An interpreter: the stack is the interpreter's own, the block is the C library's strdup, called by ctypes. It gets a
# mapping of its own, because words of bytecode look like addresses in a heap that begins where the program ends.
# expect: 4,321 bytes in 1 blocks are definitely lost
# expect: strdup
import ctypes

M_MMAP_THRESHOLD = -3
libc = ctypes.CDLL(None)
libc.mallopt(M_MMAP_THRESHOLD, 4096)
libc.strdup.restype = ctypes.c_void_p
libc.strdup(b"x" * 4320)
