/* What `shim/hot/src/python/layout.rs` says of a version of CPython, as its own headers have it: it compiles, or not. */
#define Py_BUILD_CORE 1
#include <Python.h>

#include <internal/pycore_code.h>
#include <internal/pycore_frame.h>
#include <internal/pycore_interp.h>
#if PY_MINOR_VERSION >= 14
#include <internal/pycore_debug_offsets.h>
#include <internal/pycore_interpframe_structs.h>
#include <internal/pycore_runtime_structs.h>
#include <internal/pycore_stackref.h>
#endif
#include <internal/pycore_runtime.h>
#include <stddef.h>

#define AT(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type "." #field)

#if PY_MINOR_VERSION == 11
AT(_PyRuntimeState, _finalizing, 24);
AT(_PyRuntimeState, gilstate.tstate_current, 576);
AT(PyThreadState, thread_id, 152);
AT(PyThreadState, cframe, 56);
AT(_PyCFrame, current_frame, 8);
AT(_PyCFrame, previous, 16);
AT(_PyInterpreterFrame, f_code, 32);
AT(_PyInterpreterFrame, previous, 48);
AT(_PyInterpreterFrame, prev_instr, 56);
AT(_PyInterpreterFrame, is_entry, 68);
AT(PyCodeObject, co_firstlineno, 72);
AT(PyCodeObject, co_code_adaptive, 184);
AT(PyCodeObject, _co_firsttraceable, 168);
_Static_assert(sizeof(PyASCIIObject) == 48 && sizeof(PyCompactUnicodeObject) == 72, "letters");
#elif PY_MINOR_VERSION == 12
AT(_PyRuntimeState, _finalizing, 24);
AT(PyThreadState, _status, 24);
AT(PyThreadState, thread_id, 136);
AT(PyThreadState, cframe, 56);
AT(_PyCFrame, current_frame, 0);
AT(_PyCFrame, previous, 8);
AT(_PyInterpreterFrame, f_code, 0);
AT(_PyInterpreterFrame, previous, 8);
AT(_PyInterpreterFrame, prev_instr, 56);
AT(_PyInterpreterFrame, owner, 70);
AT(PyCodeObject, co_firstlineno, 68);
AT(PyCodeObject, co_code_adaptive, 192);
AT(PyCodeObject, _co_firsttraceable, 176);
_Static_assert(FRAME_OWNED_BY_CSTACK == 3, "owner");
_Static_assert(sizeof(PyASCIIObject) == 40 && sizeof(PyCompactUnicodeObject) == 56, "letters");
#elif PY_MINOR_VERSION == 13
AT(_PyRuntimeState, _finalizing, 608);
AT(PyThreadState, _status, 32);
AT(PyThreadState, thread_id, 152);
AT(PyThreadState, current_frame, 72);
AT(_PyInterpreterFrame, f_executable, 0);
AT(_PyInterpreterFrame, previous, 8);
AT(_PyInterpreterFrame, instr_ptr, 56);
AT(_PyInterpreterFrame, owner, 70);
AT(PyCodeObject, co_firstlineno, 68);
AT(PyCodeObject, co_code_adaptive, 200);
AT(PyCodeObject, _co_firsttraceable, 184);
_Static_assert(FRAME_OWNED_BY_CSTACK == 3, "owner");
_Static_assert(sizeof(PyASCIIObject) == 40 && sizeof(PyCompactUnicodeObject) == 56, "letters");
AT(_Py_DebugOffsets, free_threaded, 16);
AT(_Py_DebugOffsets, runtime_state.finalizing, 32);
AT(_Py_DebugOffsets, thread_state.current_frame, 184);
AT(_Py_DebugOffsets, thread_state.thread_id, 192);
AT(_Py_DebugOffsets, thread_state.status, 216);
AT(_Py_DebugOffsets, interpreter_frame.previous, 232);
AT(_Py_DebugOffsets, interpreter_frame.executable, 240);
AT(_Py_DebugOffsets, interpreter_frame.instr_ptr, 248);
AT(_Py_DebugOffsets, interpreter_frame.owner, 264);
AT(_Py_DebugOffsets, code_object.filename, 280);
AT(_Py_DebugOffsets, code_object.firstlineno, 312);
AT(_Py_DebugOffsets, code_object.co_code_adaptive, 344);
#elif PY_MINOR_VERSION == 14
AT(_PyRuntimeState, _finalizing, 784);
AT(PyThreadState, _status, 32);
AT(PyThreadState, thread_id, 152);
AT(PyThreadState, current_frame, 72);
AT(_PyInterpreterFrame, f_executable, 0);
AT(_PyInterpreterFrame, previous, 8);
AT(_PyInterpreterFrame, instr_ptr, 56);
AT(_PyInterpreterFrame, owner, 74);
AT(PyCodeObject, co_firstlineno, 68);
AT(PyCodeObject, co_code_adaptive, 208);
AT(PyCodeObject, _co_firsttraceable, 192);
_Static_assert(FRAME_OWNED_BY_INTERPRETER == 3 && FRAME_OWNED_BY_CSTACK == 4, "owner");
_Static_assert(Py_TAG_REFCNT == 1, "tag");
_Static_assert(sizeof(PyASCIIObject) == 40 && sizeof(PyCompactUnicodeObject) == 56, "letters");
AT(_Py_DebugOffsets, free_threaded, 16);
AT(_Py_DebugOffsets, runtime_state.finalizing, 32);
AT(_Py_DebugOffsets, thread_state.current_frame, 208);
AT(_Py_DebugOffsets, thread_state.thread_id, 216);
AT(_Py_DebugOffsets, thread_state.status, 240);
AT(_Py_DebugOffsets, interpreter_frame.previous, 256);
AT(_Py_DebugOffsets, interpreter_frame.executable, 264);
AT(_Py_DebugOffsets, interpreter_frame.instr_ptr, 272);
AT(_Py_DebugOffsets, interpreter_frame.owner, 288);
AT(_Py_DebugOffsets, code_object.filename, 320);
AT(_Py_DebugOffsets, code_object.firstlineno, 352);
AT(_Py_DebugOffsets, code_object.co_code_adaptive, 384);
#endif
AT(PyCodeObject, co_filename, 112);
AT(PyCodeObject, co_qualname, 128);
AT(PyCodeObject, co_linetable, 136);
AT(PyObject, ob_type, 8);
AT(PyASCIIObject, length, 16);
AT(PyASCIIObject, state, 32);
AT(PyBytesObject, ob_base.ob_size, 16);
AT(PyBytesObject, ob_sval, 32);
