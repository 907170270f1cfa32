// The definition of a function that a program's own one hides.
#pragma once

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

namespace waferline::sanitize {

// `symbol` as the library exports it; ends the process if no library does.
template <typename Function>
Function* NextDefinition(const char* symbol) {
  void* const found = dlsym(RTLD_NEXT, symbol);
  if (found == nullptr) {
    fprintf(stderr, "no library defines %s: is this Debian 12's?\n", symbol);
    abort();
  }
  return reinterpret_cast<Function*>(found);
}

}  // namespace waferline::sanitize
