#include "scheduler/simulator/trace_reader.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "scheduler/simulator/line_reader.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::simulator {
namespace {

constexpr size_t kMaxComplaints = 10;

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

std::unique_ptr<LineReader> ReaderFor(TraceFormat format, uint32_t block_tokens) {
  switch (format) {
    case TraceFormat::kMooncake:
      return MooncakeReader(block_tokens);
    case TraceFormat::kAzure:
      return AzureReader();
    case TraceFormat::kJsonl:
      break;
  }
  return JsonlReader(block_tokens);
}

std::string_view WithoutByteOrderMark(std::string_view text) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  return text.starts_with(kMark) ? text.substr(kMark.size()) : text;
}

constexpr std::string_view kBlanks = " \t\r";

// Takes the next line off `text`, without its end.
std::string_view TakeLine(std::string_view* text) {
  const size_t end = text->find('\n');
  std::string_view line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return line.substr(0, line.find_last_not_of(kBlanks) + 1);
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
  if (ToSeconds(last) > kMaxTraceSeconds) {
    return absl::InvalidArgumentError(absl::StrCat("the last request arrives ", ToSeconds(last),
                                                   " s after the first; at most ", kMaxTraceSeconds,
                                                   " s (half a year) are taken"));
  }
  trace->span = last + last / static_cast<int64_t>(requests.size());
  if (trace->span == Nanoseconds()) trace->span = Seconds(1);
  return absl::OkStatus();
}

// Bad lines are counted; an error is a bad header.
absl::Status ReadLines(std::string_view text, LineReader* reader, ReadTrace* read) {
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
    if (absl::Status s = reader->Read(line, &read->trace); !s.ok()) {
      ++read->skipped;
      if (read->complaints.size() < kMaxComplaints) {
        read->complaints.push_back(absl::StrCat("line ", number, ": ", s.message()));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status NoRequest() { return absl::InvalidArgumentError("the trace holds no request"); }

}  // namespace

absl::StatusOr<TraceFormat> ParseTraceFormat(std::string_view name) {
  if (name == "mooncake") return TraceFormat::kMooncake;
  if (name == "azure") return TraceFormat::kAzure;
  if (name == "jsonl") return TraceFormat::kJsonl;
  return absl::InvalidArgumentError(
      absl::StrCat("\"", Absl(name), "\" must be one of: mooncake, azure, jsonl"));
}

absl::StatusOr<TraceFormat> GuessFormat(std::string_view text) {
  text = WithoutByteOrderMark(text);
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return NoRequest();
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
  if (options.block_tokens < 1) {
    return absl::InvalidArgumentError("block_tokens must be at least 1");
  }
  ReadTrace read;
  read.trace.hash = HashOf(text);
  text = WithoutByteOrderMark(text);
  TraceFormat format{};
  if (options.format.has_value()) {
    format = *options.format;
  } else {
    WL_ASSIGN_OR_RETURN(format, GuessFormat(text));
  }
  const std::unique_ptr<LineReader> reader = ReaderFor(format, options.block_tokens);
  WL_RETURN_IF_ERROR(ReadLines(text, reader.get(), &read));
  if (read.skipped > 0 && !options.skip_bad) {
    return absl::InvalidArgumentError(absl::StrCat(read.skipped,
                                                   " bad lines (--skip-bad leaves "
                                                   "them out):\n  ",
                                                   absl::StrJoin(read.complaints, "\n  ")));
  }
  if (read.trace.requests.empty()) return NoRequest();
  WL_RETURN_IF_ERROR(Settle(&read.trace));
  return read;
}

absl::StatusOr<ReadTrace> LoadTrace(const std::string& path, const ReadOptions& options) {
  WL_ASSIGN_OR_RETURN(const std::string text, ReadFileOrPipe(path));
  absl::StatusOr<ReadTrace> read = ParseTrace(text, options);
  if (read.ok()) return read;
  return absl::Status(read.status().code(), absl::StrCat(path, ": ", read.status().message()));
}

}  // namespace waferline::simulator
