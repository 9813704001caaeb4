// Python objects out of a decoder: the part of the extension that has no defects.
#ifndef CBOR_LIKE_READ_H
#define CBOR_LIKE_READ_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "cbor_like.h"

static PyObject *read_object(struct cbor_decoder *decoder);

static PyObject *read_list(struct cbor_decoder *decoder) {
    PyObject *list = PyList_New(0);
    while (list && cbor_decoder_peek(decoder) != ']') {
        PyObject *item = read_object(decoder);
        if (!item || PyList_Append(list, item) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    cbor_decoder_skip_mark(decoder);
    return list;
}

// A value that is missing is None.
static PyObject *read_dict(struct cbor_decoder *decoder) {
    PyObject *dict = PyDict_New();
    while (dict && cbor_decoder_peek(decoder) != '}') {
        PyObject *key = read_object(decoder);
        int is_last = cbor_decoder_peek(decoder) == '}';
        PyObject *value = is_last ? Py_NewRef(Py_None) : key ? read_object(decoder) : NULL;
        if (!key || !value || PyDict_SetItem(dict, key, value) != 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    cbor_decoder_skip_mark(decoder);
    return dict;
}

static PyObject *read_object(struct cbor_decoder *decoder) {
    size_t length;
    switch (cbor_decoder_peek(decoder)) {
    case 'i':
        return PyLong_FromLongLong(cbor_decoder_read_int(decoder));
    case 's': {
        const char *text = cbor_decoder_read_text(decoder, &length);
        return PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, NULL);
    }
    case '[':
        cbor_decoder_skip_mark(decoder);
        return read_list(decoder);
    case '{':
        cbor_decoder_skip_mark(decoder);
        return read_dict(decoder);
    default:
        PyErr_SetString(PyExc_ValueError, "not in the format");
        return NULL;
    }
}

#endif
