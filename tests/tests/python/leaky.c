/* The module `leaky`: each function says by its name what it does wrong. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>

static void *volatile sink;

static PyObject *fine(PyObject *self, PyObject *none) {
    free(sink = malloc(1000));
    return PyBytes_FromString("a text that is one of its own");
}

static PyObject *lose(PyObject *self, PyObject *none) {
    sink = malloc(1000);
    sink = NULL;
    Py_RETURN_NONE;
}

/* A reference is not given back: the object is held for ever. */
static PyObject *unreleased(PyObject *self, PyObject *list) {
    PyObject *text = PyBytes_FromString("a text that is one of its own");
    if (!text) return NULL;
    int failed = PyList_Append(list, text);
    return failed ? NULL : text;
}

static PyObject *careful(PyObject *self, PyObject *none) {
    void *first = malloc(100), *second = first ? malloc(200) : NULL;
    free(second);
    free(first);
    if (!second) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *careless(PyObject *self, PyObject *none) {
    void *only = malloc(100);
    free(only);
    if (!only) return PyErr_SetString(PyExc_RuntimeError, "something"), NULL;
    Py_RETURN_NONE;
}

static PyObject *forgetful(PyObject *self, PyObject *none) {
    void *first = malloc(100), *second = first ? malloc(200) : NULL;
    if (!second) return sink = NULL, PyErr_NoMemory();
    free(second);
    free(first);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"fine", fine, METH_NOARGS, NULL},         {"lose", lose, METH_NOARGS, NULL},
    {"unreleased", unreleased, METH_O, NULL},  {"careful", careful, METH_NOARGS, NULL},
    {"careless", careless, METH_NOARGS, NULL}, {"forgetful", forgetful, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "leaky", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_leaky(void) {
    return PyModule_Create(&module);
}
