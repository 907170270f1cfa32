// How this process names itself to the processes that it works with. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "wafer_backend/membership/credentials.h"

namespace waferline::app {

// The host's name and the process's number, as membership::CheckName allows it.
std::string ProcessName();

// Of a driver of this cell that begins now: unlike any other's. Epoch 0: without an election.
membership::Credentials DriverCredentials(const std::string& cell, uint64_t epoch);

}  // namespace waferline::app
