// The Python module of `defective.c` without its defects: every failure is a MemoryError.
//
// sources: corrected.c cbor_like.c
// drive: drive.py
//
// build: -DOOM_RETURNS_NULL
//
// build: -DOOM_ABORTS
#include "read.h"

struct encoder_binding {
    struct cbor_encoder *native;
    int depth;
};

struct decoder_binding {
    char *source;
    size_t length;
    struct cbor_decoder *native;
};

static struct encoder_binding *encoder_binding(void) {
    return PyMem_RawMalloc(sizeof(struct encoder_binding));
}

static void encoder_destroy(PyObject *capsule) {
    struct encoder_binding *binding = PyCapsule_GetPointer(capsule, "encoder");
    cbor_encoder_destroy(binding->native);
    PyMem_RawFree(binding);
}

static PyObject *encoder_capsule(struct encoder_binding *binding) {
    return PyCapsule_New(binding, "encoder", encoder_destroy);
}

static PyObject *encoder_new(PyObject *self, PyObject *unused) {
    (void)self;
    (void)unused;
    struct encoder_binding *binding = encoder_binding();
    if (!binding) {
        return PyErr_NoMemory();
    }
    binding->depth = 0;
    binding->native = cbor_encoder_new();
    if (!binding->native) {
        PyMem_RawFree(binding);
        return PyErr_NoMemory();
    }
    PyObject *capsule = encoder_capsule(binding);
    if (!capsule) {
        cbor_encoder_destroy(binding->native);
        PyMem_RawFree(binding);
    }
    return capsule;
}

static int write_object(struct cbor_encoder *encoder, PyObject *object);

static int write_text(struct cbor_encoder *encoder, PyObject *text) {
    PyObject *bytes = PyUnicode_AsUTF8String(text);
    if (!bytes) {
        return -1;
    }
    int status = cbor_encoder_write_text(encoder, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    return status;
}

static int write_list(struct cbor_encoder *encoder, PyObject *list) {
    if (cbor_encoder_write_mark(encoder, '[') != 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        if (write_object(encoder, PyList_GET_ITEM(list, i)) != 0) {
            return -1;
        }
    }
    return cbor_encoder_write_mark(encoder, ']');
}

static int write_dict(struct cbor_encoder *encoder, PyObject *dict) {
    PyObject *key, *value;
    Py_ssize_t place = 0;
    if (cbor_encoder_write_mark(encoder, '{') != 0) {
        return -1;
    }
    while (PyDict_Next(dict, &place, &key, &value)) {
        if (write_object(encoder, key) != 0 || write_object(encoder, value) != 0) {
            return -1;
        }
    }
    return cbor_encoder_write_mark(encoder, '}');
}

static int write_object(struct cbor_encoder *encoder, PyObject *object) {
    if (PyLong_Check(object)) {
        return cbor_encoder_write_int(encoder, PyLong_AsLongLong(object));
    }
    if (PyUnicode_Check(object)) {
        return write_text(encoder, object);
    }
    if (PyList_Check(object)) {
        return write_list(encoder, object);
    }
    if (PyDict_Check(object)) {
        return write_dict(encoder, object);
    }
    PyErr_SetString(PyExc_TypeError, "cannot be encoded");
    return -1;
}

static PyObject *encoder_write(PyObject *self, PyObject *args) {
    PyObject *capsule, *object;
    (void)self;
    if (!PyArg_ParseTuple(args, "OO", &capsule, &object)) {
        return NULL;
    }
    struct encoder_binding *binding = PyCapsule_GetPointer(capsule, "encoder");
    if (!binding) {
        return NULL;
    }
    if (write_object(binding->native, object) != 0) {
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    size_t length;
    const char *data = cbor_encoder_data(binding->native, &length);
    return PyBytes_FromStringAndSize(data, (Py_ssize_t)length);
}

static struct decoder_binding *decoder_binding(void) {
    return PyMem_RawCalloc(1, sizeof(struct decoder_binding));
}

static char *decoder_source(size_t length) {
    return PyMem_RawMalloc(length);
}

static void decoder_destroy(PyObject *capsule) {
    struct decoder_binding *binding = PyCapsule_GetPointer(capsule, "decoder");
    if (binding->native) {
        cbor_decoder_destroy(binding->native);
    }
    PyMem_RawFree(binding->source);
    PyMem_RawFree(binding);
}

static PyObject *decoder_new(PyObject *self, PyObject *data) {
    (void)self;
    if (!PyBytes_Check(data)) {
        PyErr_SetString(PyExc_TypeError, "bytes are decoded");
        return NULL;
    }
    struct decoder_binding *binding = decoder_binding();
    if (!binding) {
        return PyErr_NoMemory();
    }
    binding->length = (size_t)PyBytes_GET_SIZE(data);
    binding->source = decoder_source(binding->length);
    if (!binding->source) {
        PyMem_RawFree(binding);
        return PyErr_NoMemory();
    }
    memcpy(binding->source, PyBytes_AS_STRING(data), binding->length);
    PyObject *capsule = PyCapsule_New(binding, "decoder", decoder_destroy);
    if (!capsule) {
        PyMem_RawFree(binding->source);
        PyMem_RawFree(binding);
        return NULL;
    }
    binding->native = cbor_decoder_new(binding->source, binding->length);
    if (!binding->native) {
        Py_DECREF(capsule);
        return PyErr_NoMemory();
    }
    return capsule;
}

static PyObject *decoder_read(PyObject *self, PyObject *capsule) {
    (void)self;
    struct decoder_binding *binding = PyCapsule_GetPointer(capsule, "decoder");
    return binding ? read_object(binding->native) : NULL;
}

static PyMethodDef methods[] = {
    {"encoder_new", encoder_new, METH_NOARGS, "An encoder."},
    {"encoder_write", encoder_write, METH_VARARGS, "Encodes an object; all bytes so far."},
    {"decoder_new", decoder_new, METH_O, "A decoder of bytes."},
    {"decoder_read", decoder_read, METH_O, "The next object."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "cborlike", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_cborlike(void) {
    return PyModule_Create(&module);
}
