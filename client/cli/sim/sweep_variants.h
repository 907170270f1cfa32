// The variants of a sweep: what each changes in the fleet, and what came of its run. Values and
// functions, one thread unless they say otherwise.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/sim/run_journal.h"
#include "scheduler/simulator/offline_run.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/yaml_overrides.h"

namespace waferline::cli {

struct Variant {
  size_t index = 0;  // in the order of all
  std::vector<Override> overrides;
  std::string label;           // "PATH=VALUE PATH=VALUE"
  absl::Status status;         // of its run
  boost::json::object report;  // without how long the run took: the same inputs, the same bytes
};

// Every combination of the values of --vary, PATH=V1,V2 or PATH=LOW:HIGH[:STEP]; the last one
// changes fastest. A usage error names what is wrong.
absl::StatusOr<std::vector<Variant>> VariantsOf(const std::vector<std::string>& varied);

// --part I/N: each N-th variant from I on. One part of one if it is not given.
struct Part {
  size_t index = 0;
  size_t of = 1;
};
absl::StatusOr<Part> PartOf(const Arguments& arguments);
std::vector<Variant> OnlyPart(std::vector<Variant> variants, const Part& part);

// Runs each on `input` with its configuration, on several threads. Results that `journal` has are
// taken from it, and others are kept there; it may be null. Unavailable: it cannot be written.
absl::Status RunAll(const simulator::OfflineInput& input, int64_t threads, RunJournal* journal,
                    std::vector<Variant>* variants);

}  // namespace waferline::cli
