// `billing` of a server's configuration: where usage is recorded, what it costs, how it is dated.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "wafer_backend/base/units.h"
#include "wafer_backend/base/yaml_form.h"

namespace waferline::config {

// Where usage is recorded. Off unless the file has a section `billing` or waferd gets --state-dir.
struct BillingConfig {
  bool on = false;
  std::string store;                 // sqlite:PATH or postgresql://...; "": a file in --state-dir
  bool survives_power_loss = false;  // SQLite; YAML: durability: process (default), power
  std::string prices;                // a price book, a name or a path; "": nothing is charged
  bool show_cost = false;            // answers say what they cost
  // What a server recorded and perhaps did not send before it died is credited; YAML: unconfirmed:
  // charge (default), credit.
  bool credit_unconfirmed = false;
  // Records are dated by emulated time from `emulated_from_us` on (0: from the first prices); YAML:
  // clock: wall (default), emulated, which needs the stepped clock and prices.
  bool emulated = false;
  int64_t emulated_from_us = 0;
  Nanoseconds store_patience = Seconds(5);  // how long an answer's end waits for its record
};

// A relative path of a SQLite file or a price book starts at `folder`, the configuration's.
BillingConfig ReadBilling(YamlForm form, const std::filesystem::path& folder);

}  // namespace waferline::config
