// fuzzes: scheduler/simulator
// Any text as a trace of each format: requests in the order of their arrivals whose blocks are
// there, or what is wrong with which line. Bad lines are left out where that is asked for.
#include <cstdint>
#include <string_view>

#include "scheduler/simulator/generated_trace.h"
#include "scheduler/simulator/trace_reader.h"
#include "wafer_backend/base/check.h"

namespace waferline::simulator {
namespace {

void CheckTrace(const Trace& trace) {
  WL_CHECK(!trace.requests.empty());
  Nanoseconds last;
  for (const TraceRequest& request : trace.requests) {
    WL_CHECK(request.arrival >= last && ToSeconds(request.arrival) <= kMaxTraceSeconds);
    last = request.arrival;
    WL_CHECK(request.prompt_tokens >= 1 && request.output_tokens >= 1);
    WL_CHECK(request.first_block + request.blocks <= trace.block_ids.size());
    WL_CHECK(request.model < trace.models.size() && request.tenant < trace.tenants.size());
    WL_CHECK(request.deadline >= Nanoseconds());
  }
}

void Read(uint8_t how, std::string_view text) {
  ReadOptions options;
  options.skip_bad = how % 2 == 1;
  if (how / 2 % 4 < 3) options.format = static_cast<TraceFormat>(how / 2 % 4);
  if (how / 8 % 2 == 1) options.block_tokens = 16;
  const auto read = ParseTrace(text, options);
  if (read.ok()) {
    CheckTrace(read->trace);
    WL_CHECK(options.skip_bad || read->skipped == 0);
  } else {
    WL_CHECK(absl::IsInvalidArgument(read.status()) && !read.status().message().empty());
  }
  (void)ParseArrivals(text);
  (void)ParseLengths(text);
  (void)ParseMix(text);
}

}  // namespace
}  // namespace waferline::simulator

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  waferline::simulator::Read(data[0], {reinterpret_cast<const char*>(data + 1), size - 1});
  return 0;
}
