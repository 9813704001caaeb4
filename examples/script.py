# An interpreter: the stack is the interpreter's own, the block is the C library's strdup, called by ctypes.
# expect: 4,321 bytes in 1 blocks are definitely lost
# expect: strdup
import ctypes

libc = ctypes.CDLL(None)
libc.strdup.restype = ctypes.c_void_p
libc.strdup(b"x" * 4320)
