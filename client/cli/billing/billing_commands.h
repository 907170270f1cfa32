// The commands about money: prices.
#pragma once

#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

Group PricesGroup();

}  // namespace waferline::cli
