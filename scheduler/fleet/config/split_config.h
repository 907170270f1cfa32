// An entry of `decode:` of kind split: attention on some machines, feed-forward on others. A plain
// value.
#pragma once

#include <filesystem>
#include <string>

#include "wafer_backend/base/units.h"

namespace waferline {
class YamlForm;
}

namespace waferline::fleet {

// Machines of one kind.
struct SideConfig {
  std::string hardware;  // wafer or accelerator: a name of deploy/hardware or a path
  std::string profile;   // wafers only
  int wafers = 0;        // of a side of wafers; 0: the fewest that fit
  int devices = 0;       // of a side of accelerators; 0: the fewest that fit
};

struct SplitConfig {
  SideConfig attention, ffn;
  double link_bytes_per_second = 1.5e11;  // each way, of all its links together
  Nanoseconds link_latency = Microseconds(5);
  int links = 12;  // that off_wafer_link can hit
  int micro_batches = 3;
  double a2f_bytes_per_value = 2, f2a_bytes_per_value = 2;
};

// Reads the fields of a split entry that other entries do not have.
SplitConfig ReadSplit(YamlForm& form, const std::filesystem::path& folder);

// A name of a built-in file stays as it is; a path (a slash or a suffix) starts at `folder`.
std::string NameOrPath(const std::string& text, const std::filesystem::path& folder);

}  // namespace waferline::fleet
