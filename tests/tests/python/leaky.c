/* The module `leaky`: each function says by its name what it does wrong. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>

static void *volatile sink;

static PyObject *fine(PyObject *self, PyObject *none) {
    free(sink = malloc(1000));
    return PyBytes_FromString("a text that is one of its own");
}

/* No old pointer is left where the interpreter's next frames lie. */
static void wipe(void) {
    volatile char room[16384];
    for (size_t place = 0; place < sizeof room; place++) room[place] = 0;
}

static PyObject *lose(PyObject *self, PyObject *none) {
    sink = malloc(1000);
    sink = NULL;
    wipe();
    Py_RETURN_NONE;
}

/* Of many blocks an old word somewhere may hold one. */
static PyObject *lose_many(PyObject *self, PyObject *none) {
    for (int number = 0; number < 20; number++) sink = malloc(100);
    sink = NULL;
    wipe();
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

/* Many blocks, for the same reason. */
static PyObject *forgetful(PyObject *self, PyObject *none) {
    void *volatile many[20] = {NULL};
    int count = 0;
    while (count < 20 && (many[count] = malloc(100))) count++;
    void *second = count == 20 ? malloc(200) : NULL;
    int forgets = count == 20 && !second;
    for (int number = 0; number < count; number++) {
        if (!forgets) free(many[number]);
        many[number] = NULL;
    }
    free(second);
    sink = NULL;
    wipe();
    if (!second) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *crashing(PyObject *self, PyObject *none) {
    char *volatile only = malloc(100);
    only[0] = 0;
    free(only);
    Py_RETURN_NONE;
}

static PyObject *hanging(PyObject *self, PyObject *none) {
    void *only = malloc(100);
    while (!only) sink = NULL;
    free(only);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"fine", fine, METH_NOARGS, NULL},         {"lose", lose, METH_NOARGS, NULL},
    {"unreleased", unreleased, METH_O, NULL},  {"careful", careful, METH_NOARGS, NULL},
    {"careless", careless, METH_NOARGS, NULL}, {"forgetful", forgetful, METH_NOARGS, NULL},
    {"lose_many", lose_many, METH_NOARGS, NULL},
    {"crashing", crashing, METH_NOARGS, NULL}, {"hanging", hanging, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "leaky", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_leaky(void) {
    return PyModule_Create(&module);
}
