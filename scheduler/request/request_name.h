// A request by what its client calls it. Ids are each tenant's own: two tenants may use the same. A
// value.
#pragma once

#include <string>

#include "scheduler/request/valid_request.h"

namespace waferline {

struct RequestName {
  std::string id;      // x-request-id, or the one that the server made
  std::string tenant;  // "" when API keys are off
  bool Names(const ValidRequest& request) const {
    return request.request_id == id && request.tenant == tenant;
  }
};

}  // namespace waferline
