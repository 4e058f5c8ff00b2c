// A look-alike of torchvision's _C: no python module, but operators that register themselves when it is opened.
#include <cstdint>
#include <string>

namespace at {
#if LAB_TORCH < 206
std::int64_t numel_of(int size);
#else
std::int64_t numel_of(std::int64_t size);
#endif
}  // namespace at

extern "C" std::int64_t vision_nms() { return at::numel_of(1); }
