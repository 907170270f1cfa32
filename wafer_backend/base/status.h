// Short ways to pass an absl::Status on.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define WL_CONCAT_INNER(a, b) a##b
#define WL_CONCAT(a, b) WL_CONCAT_INNER(a, b)

// Returns from the enclosing function if `expression` (an absl::Status) is not OK.
#define WL_RETURN_IF_ERROR(expression)                                            \
  do {                                                                            \
    if (absl::Status wl_status = (expression); !wl_status.ok()) return wl_status; \
  } while (false)

// WL_ASSIGN_OR_RETURN(auto x, F()) where F gives absl::StatusOr<X>.
#define WL_ASSIGN_OR_RETURN(target, expression) \
  WL_ASSIGN_OR_RETURN_INNER(WL_CONCAT(wl_statusor_, __LINE__), target, expression)
#define WL_ASSIGN_OR_RETURN_INNER(statusor, target, expression) \
  auto statusor = (expression);                                 \
  if (!statusor.ok()) return std::move(statusor).status();      \
  target = *std::move(statusor)
