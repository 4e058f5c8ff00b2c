// A look-alike of libc10_cuda, which builds for the CPU do not have.
namespace c10 {
namespace cuda {
int device_count() { return 0; }
}  // namespace cuda
}  // namespace c10
