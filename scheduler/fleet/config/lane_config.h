// One model of a fleet: what hardware times it and how the scheduler treats it. The same mapping
// stands under `models:` in a server's file and in a fleet file for offline runs. A plain value;
// scheduler/fleet turns it into devices.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/engine/lane.h"
#include "scheduler/fleet/config/split_config.h"
#include "wafer_backend/base/units.h"

namespace waferline {
class YamlForm;
}

namespace waferline::fleet {

inline constexpr int64_t kMaxDevices = 131'072;  // workers, or units of one kind, of a model

// prefill: workers of one kind of accelerator.
struct PrefillConfig {
  std::string hardware;           // accelerator: a name of deploy/hardware or a path
  int workers = 1;                // 1 .. kMaxDevices
  int devices_per_worker = 1;     // accelerators that share the model, 1 .. 65536
  Tokens step_tokens{8192};       // token budget of a step
  Tokens backlog_tokens{32768};   // a worker takes another prompt while less than this is pending
  Tokens cache_tokens{0};         // prefix cache of a worker; 0: none
  Tokens memory_tokens{1 << 20};  // KV of prompts in prefill or waiting for their hand-off
};

// decode: units of one kind, each holding the whole model.
struct DecodeConfig {
  std::string name;           // units are called NAME-0, NAME-1, ...
  std::string hardware;       // wafer: a pipeline; accelerator: a batch device
  std::string profile;        // wafers only: a name of deploy/profiles or a path
  int units = 1;              // 1 .. kMaxDevices
  int wafers_per_unit = 0;    // 0: the fewest that fit
  int devices_per_unit = 1;   // accelerators only
  int max_running = 256;      // sequences that hold a slot in a unit
  bool prefix_cache = false;  // keep ended prompts' KV in free SRAM
  // As stated; else wafers (in a split unit too) are fast and accelerators slow.
  std::optional<UnitTier> tier;
  // Attention and feed-forward on machines of their own: the four fields of hardware have no
  // meaning then.
  std::optional<SplitConfig> split;
};

// link: the network between the prefill pool and the decode units.
struct LinkConfig {
  double bytes_per_second = 5e10;
  Nanoseconds latency = Microseconds(10);
  bool shared = true;  // one link for all units of the model; false: one each
};

struct LaneConfig {
  std::string model;  // the name that clients use
  // What is timed: a name of deploy/model-shapes, or a path to a shape file, config.json or GGUF.
  std::string shape;
  Tokens context{0};          // at most; 0: what `computed_file` or else the shape says
  std::string computed_file;  // GGUF that tokens are computed from; "": none, or not looked at
  PrefillConfig prefill;
  std::vector<DecodeConfig> decode;
  LinkConfig link;
  // Only the settings of the scheduler are filled here (admission, order, rules, speculation,
  // limits): no devices.
  engine::LaneSpec scheduling;
  bool states_draft = false;  // else the profile's speculation holds
};

// Reads the fields of a lane from `form`, paths starting at `folder`; faults go to the form's file.
// Fields it does not know are left for the caller to read or to refuse.
LaneConfig ReadLane(YamlForm& form, const std::filesystem::path& folder);

}  // namespace waferline::fleet
