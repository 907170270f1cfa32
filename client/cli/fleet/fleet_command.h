// waferctl fleet: the members of a cloud of several hosts, as its registry lists them.
#pragma once

#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

Group FleetGroup();

}  // namespace waferline::cli
