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
  std::string html;   // file of a page; "": none
  std::string out;    // file of the JSON; "": stdout
};
struct SweepRuns {
  boost::json::object sweep;  // which sweep: parts of others are not merged with it
  SweepAxes axes;
  std::vector<Variant> variants;
};
// A usage error for an axis that is not a number of `report`.
absl::Status CheckAxes(const SweepAxes& axes, const boost::json::object& report);

// A usage error for a field that reports do not have. InvalidArgument if variants could not be run,
// after the others were written: how many.
absl::Status PutSweep(const SweepOutput& output, SweepRuns runs);

// `part` of a sweep.
boost::json::object PartJson(const Part& part, SweepRuns runs);

// All parts, in the order of their variants. InvalidArgument names the file and what is wrong: no
// part, of another sweep, there twice; or which parts are missing.
absl::StatusOr<SweepRuns> MergeParts(const std::vector<std::string>& files);

}  // namespace waferline::cli
