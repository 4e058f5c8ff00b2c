// A look-alike of libtorch_cpu: C++ names that belong to a minor release, and C names of the stable ABI that stay.
#include <cstdint>

namespace at {
#if LAB_TORCH < 206
std::int64_t numel_of(int size) { return size; }
#else
std::int64_t numel_of(std::int64_t size) { return size; }
#endif
}  // namespace at

extern "C" std::int32_t aoti_torch_get_dim(void *, std::int64_t *dim) {
    *dim = LAB_TORCH;
    return 0;
}
