// What a sweep says of its variants: which are best, as a table, a picture or JSON; and a part of a
// sweep as the file that `sim merge` reads. Functions, any thread.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/sim/sweep_variants.h"

namespace waferline::cli {

// "FIELD" of a report, or "-FIELD" where larger is better.
struct SweepAxes {
  std::string x, y;
};

struct SweepOutput {
  bool json = false;  // else a table
  std::string svg;    // file of a picture; "": none
  std::string out;    // file of the JSON; "": stdout
};
// A usage error for a field that reports do not have; InvalidArgument if no variant could be run.
absl::Status PutSweep(const SweepOutput& output, const SweepAxes& axes,
                      std::vector<Variant> variants);

// A part. `sweep` says which sweep it belongs to: parts of others are not merged with it.
boost::json::object PartJson(const boost::json::object& sweep, const SweepAxes& axes,
                             const Part& part, std::vector<Variant> variants);

struct MergedSweep {
  SweepAxes axes;
  std::vector<Variant> variants;  // of all parts, in order
};
// InvalidArgument names the file and what is wrong: no part, of another sweep, there twice; or
// which parts are missing.
absl::StatusOr<MergedSweep> MergeParts(const std::vector<std::string>& files);

}  // namespace waferline::cli
