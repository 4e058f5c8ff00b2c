// An extension of a user's: one of LAB_LINKED, LAB_STABLE and LAB_CUDA says what of torch it is made of.
// Built against torch's own headers where they are.
#include <Python.h>

#include <cstdint>
#include <string>

#if defined(LAB_LINKED) && __has_include(<ATen/ops/ones.h>)
#include <ATen/ops/ones.h>
#include <torch/csrc/autograd/python_variable.h>

static PyObject *answer(PyObject *, PyObject *) {
    TORCH_CHECK(Py_IsInitialized(), "no interpreter");
    return THPVariable_Wrap(at::ones({2}));
}
#elif defined(LAB_LINKED)
namespace c10 {
struct SourceLocation {
    const char *function, *file;
    unsigned line;
};
struct Error {
    Error(SourceLocation where, std::string what);
    std::string what;
};
}  // namespace c10
namespace at {
std::int64_t numel_of(int size);
}
namespace torch {
int initialised();
}

static PyObject *answer(PyObject *, PyObject *) {
    c10::Error error({"answer", "extension.cpp", 1}, "no error");
    return PyLong_FromLong(static_cast<long>(at::numel_of(2)) + torch::initialised());
}
#elif defined(LAB_STABLE)
#if __has_include(<torch/csrc/inductor/aoti_torch/c/shim.h>)
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#else
extern "C" std::int32_t aoti_torch_get_dim(void *, std::int64_t *);
#endif

static PyObject *answer(PyObject *, PyObject *) {
    // A tensor is not at hand: taking the address is enough to be bound to it.
    void *volatile address = reinterpret_cast<void *>(&aoti_torch_get_dim);
    return PyBool_FromLong(address != nullptr);
}
#else
namespace c10 {
namespace cuda {
int device_count();
}
}  // namespace c10

static PyObject *answer(PyObject *, PyObject *) { return PyLong_FromLong(c10::cuda::device_count()); }
#endif

static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, "Call torch."}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_core", NULL, -1, methods};
PyMODINIT_FUNC PyInit__core(void) { return PyModule_Create(&module); }
