// The two JSON-lines formats.
#include <boost/json.hpp>
#include <cmath>
#include <limits>
#include <optional>

#include "absl/strings/str_cat.h"
#include "scheduler/simulator/line_reader.h"
#include "wafer_backend/base/strings.h"

namespace waferline::simulator {
namespace {

namespace json = boost::json;

// A token count: anything larger is a damaged line.
constexpr double kMaxTokenCount = 1e9;

// Of a Mooncake line: since the trace's start or since 1970, until the year 2099.
constexpr double kMaxTimestampMs = 4.1e12;

// Fields of one object; remembers the first fault, so that a reader goes straight through.
class Fields {
 public:
  explicit Fields(const json::object& object) : object_(object) {}

  const json::value* Find(std::string_view name) {
    ++asked_;
    const auto it = object_.find(json::string_view(name.data(), name.size()));
    if (it == object_.end()) {
      --asked_;
      return nullptr;
    }
    return &it->value();
  }
  void Fault(std::string_view name, std::string_view what) {
    if (fault_.ok()) fault_ = absl::InvalidArgumentError(absl::StrCat(Absl(name), Absl(what)));
  }
  std::optional<double> Number(std::string_view name, double least, double most) {
    const json::value* value = Find(name);
    if (value == nullptr) return std::nullopt;
    double number = 0;
    if (const auto* i = value->if_int64()) {
      number = static_cast<double>(*i);
    } else if (const auto* u = value->if_uint64()) {
      number = static_cast<double>(*u);
    } else if (const auto* d = value->if_double()) {
      number = *d;
    } else {
      Fault(name, " is not a number");
      return least;
    }
    if (!(number >= least && number <= most)) {
      Fault(name, absl::StrCat(" is ", number, ", outside ", least, " .. ", most));
      return least;
    }
    return number;
  }
  double Needed(std::string_view name, double least, double most) {
    const auto number = Number(name, least, most);
    if (!number) Fault(name, " is missing");
    return number.value_or(least);
  }
  uint32_t NeededTokens(std::string_view name) {
    const double tokens = Needed(name, 1, kMaxTokenCount);
    if (tokens != std::floor(tokens)) Fault(name, absl::StrCat(" is ", tokens, ", not whole"));
    return static_cast<uint32_t>(tokens);
  }
  std::string Text(std::string_view name) {
    const json::value* value = Find(name);
    if (value == nullptr) return "";
    if (const auto* text = value->if_string()) return std::string(text->data(), text->size());
    Fault(name, " is not a string");
    return "";
  }
  void Blocks(std::string_view name, uint32_t block_tokens, TraceRequest* request, Trace* trace) {
    const json::value* value = Find(name);
    if (value == nullptr) return;
    const auto* ids = value->if_array();
    if (ids == nullptr) return Fault(name, " is not a list");
    const uint64_t expected = (request->prompt_tokens + uint64_t{block_tokens} - 1) / block_tokens;
    if (ids->size() > expected) {
      return Fault(name,
                   absl::StrCat(" has ", ids->size(), " entries, but ", request->prompt_tokens,
                                " tokens make ", expected, " blocks of ", block_tokens));
    }
    request->first_block = trace->block_ids.size();
    request->blocks = static_cast<uint32_t>(ids->size());
    for (const json::value& id : *ids) {
      if (const auto* i = id.if_int64()) {
        trace->block_ids.push_back(static_cast<uint64_t>(*i));
      } else if (const auto* u = id.if_uint64()) {
        trace->block_ids.push_back(*u);
      } else {
        return Fault(name, " holds something that is not a whole number");
      }
    }
  }
  bool all_asked() const { return asked_ == object_.size(); }
  const absl::Status& fault() const { return fault_; }

 private:
  const json::object& object_;
  size_t asked_ = 0;
  absl::Status fault_;
};

uint32_t IndexOf(const std::string& name, std::vector<std::string>* names) {
  for (size_t i = 0; i < names->size(); ++i) {
    if ((*names)[i] == name) return static_cast<uint32_t>(i);
  }
  names->push_back(name);
  return static_cast<uint32_t>(names->size() - 1);
}

class JsonLineReader : public LineReader {
 public:
  explicit JsonLineReader(uint32_t block_tokens) : block_tokens_(block_tokens) {}

  absl::Status Read(std::string_view line, Trace* trace) final {
    const size_t blocks_before = trace->block_ids.size();
    json::monotonic_resource memory(buffer_, sizeof(buffer_));
    boost::system::error_code error;
    const json::value value =
        json::parse(json::string_view(line.data(), line.size()), error, &memory);
    if (error) return absl::InvalidArgumentError("is not JSON: " + error.message());
    const auto* object = value.if_object();
    if (object == nullptr) return absl::InvalidArgumentError("is not a JSON object");
    Fields fields(*object);
    TraceRequest request;
    ReadFields(fields, &request, trace);
    if (!fields.fault().ok()) {
      trace->block_ids.resize(blocks_before);
      return fields.fault();
    }
    if (request.blocks > 0) trace->block_tokens = block_tokens_;
    trace->requests.push_back(request);
    return absl::OkStatus();
  }

 protected:
  virtual void ReadFields(Fields& fields, TraceRequest* request, Trace* trace) = 0;
  const uint32_t block_tokens_;

 private:
  unsigned char buffer_[65536];
};

class Mooncake : public JsonLineReader {
 public:
  using JsonLineReader::JsonLineReader;
  void ReadFields(Fields& fields, TraceRequest* request, Trace* trace) override {
    // In two parts: milliseconds since 1970 have no room for nanoseconds in a double.
    const double ms = fields.Needed("timestamp", 0, kMaxTimestampMs);
    const double whole_ms = std::floor(ms);
    request->arrival = Milliseconds(static_cast<int64_t>(whole_ms)) +
                       Nanoseconds(std::llround((ms - whole_ms) * 1e6));
    request->prompt_tokens = fields.NeededTokens("input_length");
    request->output_tokens = fields.NeededTokens("output_length");
    fields.Blocks("hash_ids", block_tokens_, request, trace);
  }
};

class Jsonl : public JsonLineReader {
 public:
  using JsonLineReader::JsonLineReader;
  void ReadFields(Fields& fields, TraceRequest* request, Trace* trace) override {
    const double seconds = fields.Needed("arrival_s", 0, kMaxTraceSeconds);
    request->arrival = Nanoseconds(std::llround(seconds * 1e9));
    request->prompt_tokens = fields.NeededTokens("prompt_tokens");
    request->output_tokens = fields.NeededTokens("output_tokens");
    const double priority = fields.Number("priority", -1e6, 1e6).value_or(0);
    if (priority != std::floor(priority)) fields.Fault("priority", " is not a whole number");
    request->priority = static_cast<int32_t>(priority);
    const double deadline_ms = fields.Number("deadline_ms", 0, kMaxTraceSeconds * 1e3).value_or(0);
    request->deadline = Nanoseconds(std::llround(deadline_ms * 1e6));
    const std::string tier = fields.Text("service_tier");
    if (tier == "priority") {
      request->tier = ServiceTier::kPriority;
    } else if (tier == "flex") {
      request->tier = ServiceTier::kFlex;
    } else if (tier == "default") {
      request->tier = ServiceTier::kDefault;
    } else if (!tier.empty() && tier != "auto") {
      fields.Fault("service_tier", " is none of auto, default, flex, priority");
    }
    request->model = IndexOf(fields.Text("model"), &trace->models);
    request->tenant = IndexOf(fields.Text("tenant"), &trace->tenants);
    fields.Blocks("blocks", block_tokens_, request, trace);
    if (!fields.all_asked()) {
      fields.Fault("",
                   "has a field that is none of arrival_s, prompt_tokens, output_tokens, model, "
                   "tenant, priority, service_tier, deadline_ms, blocks");
    }
  }
};

}  // namespace

std::unique_ptr<LineReader> MooncakeReader(uint32_t block_tokens) {
  return std::make_unique<Mooncake>(block_tokens);
}
std::unique_ptr<LineReader> JsonlReader(uint32_t block_tokens) {
  return std::make_unique<Jsonl>(block_tokens);
}

}  // namespace waferline::simulator
