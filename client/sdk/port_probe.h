// What answers at an address where no server does: another protocol's port, or a certificate that
// is not for it. For the error that a person reads.
//
// Thread: any; waits for at most 2 s at each of seven steps.
#pragma once

#include <string>

#include "client/sdk/endpoint.h"

namespace waferline::sdk {

// What is wrong, and what to write instead; "" if nothing answers, it says nothing, or it is what
// the endpoint says.
std::string WhatAnswers(const Endpoint& endpoint);

}  // namespace waferline::sdk
