#include "scheduler/simulator/trace_reader.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "scheduler/simulator/line_reader.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/status.h"

namespace waferline::simulator {
namespace {

constexpr size_t kMostComplaints = 10;

uint64_t HashOf(std::string_view text) {
  uint64_t hash = text.size();
  while (text.size() >= 8) {
    uint64_t word;
    std::memcpy(&word, text.data(), 8);
    hash = Mix(hash ^ word);
    text.remove_prefix(8);
  }
  for (const char c : text) hash = Mix(hash ^ static_cast<unsigned char>(c));
  return hash;
}

std::unique_ptr<LineReader> ReaderFor(const ReadOptions& options) {
  switch (options.format) {
    case TraceFormat::kMooncake:
      return MooncakeReader(options.block_tokens);
    case TraceFormat::kAzure:
      return AzureReader();
    case TraceFormat::kJsonl:
      break;
  }
  return JsonlReader(options.block_tokens);
}

// Takes the next line off `text`, without its end.
std::string_view TakeLine(std::string_view* text) {
  const size_t end = text->find('\n');
  std::string_view line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
  return line;
}

// Arrivals become relative to the first, in order; the order of equal ones stays.
absl::Status Settle(Trace* trace) {
  auto& requests = trace->requests;
  std::stable_sort(
      requests.begin(), requests.end(),
      [](const TraceRequest& a, const TraceRequest& b) { return a.arrival < b.arrival; });
  const Nanoseconds first = requests.front().arrival;
  for (TraceRequest& request : requests) request.arrival -= first;
  const Nanoseconds last = requests.back().arrival;
  if (ToSeconds(last) > kMostTraceSeconds) {
    return absl::InvalidArgumentError(
        absl::StrCat("the last request arrives ", ToSeconds(last), " s after the first; at most ",
                     kMostTraceSeconds, " s (half a year) are taken"));
  }
  trace->span = last + last / static_cast<int64_t>(requests.size());
  if (trace->span == Nanoseconds()) trace->span = Seconds(1);
  return absl::OkStatus();
}

absl::Status NoRequest() { return absl::InvalidArgumentError("the trace holds no request"); }

}  // namespace

absl::StatusOr<TraceFormat> GuessFormat(std::string_view text) {
  if (text.find_first_not_of(" \r\n") == std::string_view::npos) return NoRequest();
  while (!text.empty()) {
    const std::string_view line = TakeLine(&text);
    if (line.empty()) continue;
    if (line.find("TIMESTAMP") != std::string_view::npos && line.front() != '{') {
      return TraceFormat::kAzure;
    }
    if (line.find("\"input_length\"") != std::string_view::npos) return TraceFormat::kMooncake;
    if (line.find("\"prompt_tokens\"") != std::string_view::npos) return TraceFormat::kJsonl;
    break;
  }
  return absl::InvalidArgumentError(
      "the trace's format is not clear from its first line: say --format mooncake, azure or jsonl");
}

absl::StatusOr<ReadTrace> ParseTrace(std::string_view text, const ReadOptions& options) {
  if (options.block_tokens < 1) return absl::InvalidArgumentError("a block has at least one token");
  ReadTrace read;
  read.trace.hash = HashOf(text);
  const std::unique_ptr<LineReader> reader = ReaderFor(options);
  bool header_expected = reader->has_header();
  for (uint64_t number = 1; !text.empty(); ++number) {
    const std::string_view line = TakeLine(&text);
    if (line.empty()) continue;
    if (header_expected) {
      header_expected = false;
      if (absl::Status s = reader->ReadHeader(line); !s.ok()) {
        return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", s.message()));
      }
      continue;
    }
    if (absl::Status s = reader->Read(line, &read.trace); !s.ok()) {
      ++read.skipped;
      if (read.complaints.size() < kMostComplaints) {
        read.complaints.push_back(absl::StrCat("line ", number, ": ", s.message()));
      }
    }
  }
  if (read.skipped > 0 && !options.skip_bad) {
    return absl::InvalidArgumentError(absl::StrCat(read.skipped,
                                                   " bad lines (--skip-bad leaves "
                                                   "them out):\n  ",
                                                   absl::StrJoin(read.complaints, "\n  ")));
  }
  if (read.trace.requests.empty()) {
    return NoRequest();
  }
  WL_RETURN_IF_ERROR(Settle(&read.trace));
  return read;
}

}  // namespace waferline::simulator
