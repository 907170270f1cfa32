// The operating system's TCP as a network, through Asio: no delay, keep-alive, and 10 s without an
// acknowledgement end a connection.
#pragma once

#include <memory>

#include "wafer_backend/compute/link/network.h"

namespace waferline::link {

std::unique_ptr<Network> MakeTcpNetwork();

}  // namespace waferline::link
