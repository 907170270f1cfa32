// waferctl certs: a certificate authority for a laboratory. Production has its own (cert-manager,
// SPIRE, ...); waferd only reads the files that one writes.
#pragma once

#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

Group CertsGroup();

}  // namespace waferline::cli
