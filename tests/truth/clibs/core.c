/* A Python extension that calls one function of one library: LAB_SYMBOL, linked at build time. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

extern int LAB_SYMBOL(void);

static PyObject *answer(PyObject *self, PyObject *args) { return PyLong_FromLong(LAB_SYMBOL()); }

static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, "Call the library."}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_core", NULL, -1, methods};

PyMODINIT_FUNC PyInit__core(void) { return PyModule_Create(&module); }
