// The two JSON-lines formats.
#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "scheduler/simulator/line_reader.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/base/strings.h"

namespace waferline::simulator {
namespace {

namespace json = boost::json;

// A token count: anything larger is a damaged line.
constexpr int64_t kMaxTokenCount = 1'000'000'000;
constexpr size_t kMaxNameBytes = 4096;  // of a model or a tenant

constexpr int64_t kNsPerMs = 1'000'000;

ServiceTier ReadTier(JsonFields& fields) {
  std::string tier = "auto";
  fields.Text("service_tier", kMaxNameBytes, &tier);
  if (tier.empty()) return ServiceTier::kAuto;
  const std::optional<ServiceTier> named = ServiceTierNamed(tier);
  if (!named) fields.Fail("service_tier", "must be auto, default, flex or priority");
  return named.value_or(ServiceTier::kAuto);
}

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
    JsonFields fields(*object);
    TraceRequest request;
    ReadFields(fields, &request, trace);
    if (!fields.ok()) {
      trace->block_ids.resize(blocks_before);
      return fields.status();
    }
    if (request.blocks > 0) trace->block_tokens = block_tokens_;
    trace->requests.push_back(request);
    return absl::OkStatus();
  }

 protected:
  virtual void ReadFields(JsonFields& fields, TraceRequest* request, Trace* trace) = 0;
  void ReadBlocks(std::string_view name, JsonFields& fields, TraceRequest* request, Trace* trace);

 private:
  const uint32_t block_tokens_;
  unsigned char buffer_[65536];
};

// The ids of a prompt's blocks, added to `trace`.
void JsonLineReader::ReadBlocks(std::string_view name, JsonFields& fields, TraceRequest* request,
                                Trace* trace) {
  const json::array* ids = fields.Array(name, kMaxTokenCount);
  if (ids == nullptr) return;
  const uint64_t expected = (request->prompt_tokens + uint64_t{block_tokens_} - 1) / block_tokens_;
  if (ids->size() > expected) {
    return fields.Fail(name,
                       absl::StrCat("has ", ids->size(), " entries, but ", request->prompt_tokens,
                                    " tokens make ", expected, " blocks of ", block_tokens_));
  }
  request->first_block = trace->block_ids.size();
  request->blocks = static_cast<uint32_t>(ids->size());
  for (const json::value& id : *ids) {
    if (const auto* i = id.if_int64()) {
      trace->block_ids.push_back(static_cast<uint64_t>(*i));
    } else if (const auto* u = id.if_uint64()) {
      trace->block_ids.push_back(*u);
    } else {
      return fields.Fail(name, absl::StrCat("must hold integers only, not ", Absl(KindOf(id))));
    }
  }
}

class Mooncake : public JsonLineReader {
 public:
  using JsonLineReader::JsonLineReader;
  void ReadFields(JsonFields& fields, TraceRequest* request, Trace* trace) override {
    fields.Require({"timestamp", "input_length", "output_length"});
    double stamp = 0;
    const auto read = [&](int64_t unit_ns) {
      fields.Number("timestamp", 0, kMaxUnixSeconds * 1e9 / static_cast<double>(unit_ns), &stamp);
    };
    read(std::max<int64_t>(unit_ns_, 1));
    // The first line's is everywhere the unit: milliseconds, unless it is a time since 1970.
    if (unit_ns_ == 0) {
      const int64_t since_1970 = UnixUnitNs(stamp);
      const int64_t unit_ns = since_1970 > 0 ? since_1970 : kNsPerMs;
      read(unit_ns);
      if (!fields.ok()) return;
      unit_ns_ = unit_ns;
    }
    // In two parts: milliseconds since 1970 have no room for nanoseconds in a double.
    const double whole = std::floor(stamp);
    request->arrival = Nanoseconds(static_cast<int64_t>(whole) * unit_ns_) +
                       Nanoseconds(std::llround((stamp - whole) * static_cast<double>(unit_ns_)));
    fields.Int("input_length", 1, kMaxTokenCount, &request->prompt_tokens);
    fields.Int("output_length", 1, kMaxTokenCount, &request->output_tokens);
    ReadBlocks("hash_ids", fields, request, trace);
  }

 private:
  int64_t unit_ns_ = 0;
};

class Jsonl : public JsonLineReader {
 public:
  using JsonLineReader::JsonLineReader;
  void ReadFields(JsonFields& fields, TraceRequest* request, Trace* trace) override {
    fields.Require({"arrival_s", "prompt_tokens", "output_tokens"});
    double seconds = 0;
    fields.Number("arrival_s", 0, kMaxUnixSeconds, &seconds);
    request->arrival = Nanoseconds(std::llround(seconds * 1e9));
    fields.Int("prompt_tokens", 1, kMaxTokenCount, &request->prompt_tokens);
    fields.Int("output_tokens", 1, kMaxTokenCount, &request->output_tokens);
    fields.Int("priority", -1'000'000, 1'000'000, &request->priority);
    double deadline_ms = 0;
    fields.Number("deadline_ms", 0, kMaxTraceSeconds * 1e3, &deadline_ms);
    request->deadline = Nanoseconds(std::llround(deadline_ms * 1e6));
    request->tier = ReadTier(fields);
    std::string model, tenant;
    fields.Text("model", kMaxNameBytes, &model);
    fields.Text("tenant", kMaxNameBytes, &tenant);
    request->model = IndexOf(model, &trace->models);
    request->tenant = IndexOf(tenant, &trace->tenants);
    ReadBlocks("blocks", fields, request, trace);
    fields.RefuseOthers({"arrival_s", "prompt_tokens", "output_tokens", "model", "tenant",
                         "priority", "service_tier", "deadline_ms", "blocks"});
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
