// What `waferctl wafer split` found, as JSON, pictures and a page. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "wafer_backend/hardware/placement/split_sweep.h"

namespace waferline::cli {

struct SplitFindings {
  std::string title;  // "llama-3.1-70b: attention on h200, feed-forward on wse-3"
  const placement::SplitSweepTask& task;
  const placement::SplitSweep& sweep;
};

// From which context on a split is the cheaper way to serve, against each sort of its machines
// uncut, or that it loses.
std::string VerdictOf(const SplitFindings& found);
// Names of what a step waits for: attention, ffn, link, latency.
std::string_view NameOf(placement::SplitBound bound);
boost::json::object SplitJson(const SplitFindings& found);

// Speed of a user against the price of a token, of every row and of what is not cut.
std::string DrawFrontier(const SplitFindings& found);
// Two layers of the row's step: who works on which micro-batch when. The model is of the row.
std::string DrawPingPong(const placement::SplitModel& model, const placement::SplitRow& row);

struct SplitPictures {
  std::string ping_pong;  // "": no row is fast enough
  std::string frontier;
};
std::string SplitPage(const SplitFindings& found, const SplitPictures& pictures);

}  // namespace waferline::cli
