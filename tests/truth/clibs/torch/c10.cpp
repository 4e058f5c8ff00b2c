// A look-alike of libc10: C++ names as in torch, one of which changes with the minor release.
#include <string>

namespace c10 {
struct SourceLocation {
    const char *function, *file;
    unsigned line;
};
struct Error {
#if LAB_TORCH < 206
    Error(SourceLocation where, std::string what);
#else
    Error(SourceLocation where, std::string what, const void *caller);
#endif
    std::string what;
};
#if LAB_TORCH < 206
Error::Error(SourceLocation, std::string text) : what(text) {}
#else
Error::Error(SourceLocation, std::string text, const void *) : what(text) {}
#endif
}  // namespace c10
