#include "wafer_backend/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace waferline {

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "waferline: bug: check failed at %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace waferline
