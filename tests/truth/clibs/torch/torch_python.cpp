// A look-alike of libtorch_python, and of the module torch._C that is linked to it.
#include <Python.h>

#include <cstdint>

namespace torch {
int initialised();
}

#ifdef LAB_MODULE
static PyObject *initialised(PyObject *, PyObject *) { return PyLong_FromLong(torch::initialised()); }
static PyMethodDef methods[] = {{"initialised", initialised, METH_NOARGS, "Whether it is."}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_C", NULL, -1, methods};
PyMODINIT_FUNC PyInit__C(void) { return PyModule_Create(&module); }
#else
extern "C" std::int32_t aoti_torch_get_dim(void *, std::int64_t *);
namespace torch {
int initialised() {
    std::int64_t dim = 0;
    return aoti_torch_get_dim(nullptr, &dim) == 0;
}
}  // namespace torch
#endif
