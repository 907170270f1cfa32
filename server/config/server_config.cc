#include "server/config/server_config.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "server/config/listen_reader.h"
#include "server/config/read_tokens.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/yaml_optional.h"

namespace waferline::config {
namespace {

// A field of the other clock would have no effect, so it is not known there.
ClockConfig ReadClock(YamlForm form) {
  ClockConfig out;
  out.stepped = ChoiceOr<bool>(
      form.About("real: emulated time follows the wall; stepped: as fast as values arrive"), "kind",
      false, {{"real", false}, {"stepped", true}});
  if (out.stepped) {
    out.arrival_grace =
        MicrosecondsOr(form.About("kind: stepped; wall time for a missing arrival of a trace"),
                       "arrival_grace_us", 30e6, Range{1e3, 3.6e9});
  } else {
    out.scale = PlainOr(form.About("kind: real; emulated seconds a second, 292 years of them at "
                                   "most (3.5 months at 1000, 2.5 hours at 1e6)"),
                        "scale", 1, Range{1e-6, 1e6});
    out.spin = MicrosecondsOr(form.About("kind: real; spins so long before an instant"), "spin_us",
                              60, Range{0, 1e4});
  }
  form.RefuseOthers();
  return out;
}

// Readers live on the wall, where emulated time runs at the clock's scale. The stepped clock holds
// time for them instead.
void PaceReaders(const ClockConfig& clock, Nanoseconds* grace) {
  if (clock.stepped) return;
  *grace = Nanoseconds(std::llround(std::min(1e18, grace->as_double() * clock.scale)));
}

LimitsConfig ReadLimits(YamlForm form) {
  LimitsConfig out;
  out.max_sequences =
      static_cast<uint32_t>(form.About("requests in an engine at once")
                                .IntegerOr("max_sequences", out.max_sequences, 1, 1 << 20));
  out.mailbox = static_cast<uint32_t>(form.About("requests on their way to the engine")
                                          .IntegerOr("mailbox", out.mailbox, 1, 1 << 20));
  out.body_bytes = form.About("largest HTTP body or gRPC message")
                       .IntegerOr("body_bytes", out.body_bytes, 1024, 1 << 30);
  out.memory_bytes =
      form.About("of the process; then requests are refused; 0: most of what there is")
          .IntegerOr("memory_bytes", 0, 0, int64_t{1} << 50);
  out.connections =
      static_cast<uint32_t>(form.About("connections of each port at once")
                                .IntegerOr("connections", out.connections, 1, 1 << 16));
  out.batch_lines = static_cast<uint32_t>(form.About("lines of batches under way at once")
                                              .IntegerOr("batch_lines", out.batch_lines, 1, 4096));
  out.drain = MicrosecondsOr(form.About("after SIGTERM, before what is in flight is aborted"),
                             "drain_us", 30e6, Range{0, 3.6e9});
  out.grace = MicrosecondsOr(form.About("after SIGTERM new requests get at least so long a 503"),
                             "grace_us", 1e6, Range{0, 3.6e9});
  form.RefuseOthers();
  return out;
}

ApiKeyConfig ReadApiKey(YamlForm form) {
  ApiKeyConfig out;
  out.key = form.About("API key, or sha256:DIGEST of it").Text("key");
  out.tenant = form.About("who pays").Text("tenant");
  out.requests_per_day =
      form.About("0: no limit").IntegerOr("requests_per_day", 0, 0, int64_t{1} << 50);
  out.tokens_per_minute =
      form.About("0: no limit").IntegerOr("tokens_per_minute", 0, 0, int64_t{1} << 50);
  out.admin = form.About("may use /admin and OperatorService").Flag("may_operate", false);
  form.RefuseOthers();
  return out;
}

// Engine protocols serve one model.
void ChooseModel(const std::set<std::string>& names, YamlForm& root, EngineApiConfig* api) {
  if (!api->any() || names.empty()) return;
  if (api->model.empty() && names.size() == 1) api->model = *names.begin();
  if (api->model.empty()) root.AddError("engine_api", "must name its model: there are several");
  if (!api->model.empty() && !names.contains(api->model)) {
    root.AddError("engine_api", "model: \"" + api->model + "\" is not among the models");
  }
  if (api->model_source.empty()) api->model_source = api->model;
}

}  // namespace

ReadServerConfig ReadServerConfigText(const std::string& name, std::string_view yaml,
                                      const PortFlags& ports) {
  const std::filesystem::path folder = std::filesystem::path(name).parent_path();
  YamlFile file(name, yaml);
  YamlForm root = file.root();
  ReadServerConfig read;
  ServerConfig& out = read.config;
  out.listen = ReadListen(root.About("where clients reach it").OptionalMap("listen"), ports);
  out.clock = ReadClock(root.About("how emulated time runs").OptionalMap("clock"));
  out.limits = ReadLimits(root.About("bounds").OptionalMap("limits"));
  if (root.About("usage records of every answer").Has("billing")) {
    out.billing = ReadBilling(root.Map("billing"), folder);
    if (out.billing.emulated && !out.clock.stepped) {
      root.AddError("billing", "clock: emulated needs the server's clock: {kind: stepped}");
    }
  }
  out.cell = ReadCell(root, folder);
  out.kv_events = ReadKvEvents(root);
  out.engine_api = ReadEngineApi(root);
  out.kv_transfer = ReadKvTransfer(root, folder);
  if (root.About("TLS 1.3 from files that are reloaded; plain without it").Has("tls")) {
    out.tls = ReadTls(root.Map("tls"), folder);
  }
  out.trace = ReadTrace(root.About("spans of requests, as OpenTelemetry's").OptionalMap("trace"));
  out.flat_errors = root.About("the error shape that Cerebras sends").Flag("flat_errors", false);
  out.usage_at_finish = root.About("usage in a stream's finishing chunk, as Cerebras sends it")
                            .Flag("usage_at_finish", false);
  out.clip_max_tokens = root.About("cut max_tokens to what the context leaves, instead of refusing")
                            .Flag("clip_max_tokens", false);
  out.refuse_unknown_fields =
      ChoiceOr<bool>(root.About("fields of requests that are not known"), "unknown_fields", false,
                     {{"warn", false}, {"refuse", true}});
  if (root.About("keys of clients; without any no key is needed").Has("api_keys")) {
    for (YamlForm& key : root.List("api_keys")) out.api_keys.push_back(ReadApiKey(std::move(key)));
  }
  CheckProtection(out, &root);
  std::set<std::string> names;
  for (YamlForm& form : root.About("what is served").List("models")) {
    ModelConfig model;
    model.lane = fleet::ReadLane(form, folder);
    PaceReaders(out.clock, &model.lane.scheduling.limits.reader_grace);
    model.tokens = ReadTokens(form.About("where token values come from").Map("tokens"), folder,
                              out.cell.has_value());
    if (!names.insert(model.lane.model).second) form.AddError("name", "is used by another model");
    form.RefuseOthers();
    out.models.push_back(std::move(model));
  }
  ChooseModel(names, root, &out.engine_api);
  if (root.Has("models") && out.models.empty()) root.AddError("models", "needs at least one entry");
  root.RefuseOthers();
  read.fields = file.fields();
  read.faults = file.status();
  return read;
}

absl::StatusOr<ServerConfig> ParseServerConfig(const std::string& name, std::string_view yaml,
                                               std::vector<FieldFacts>* fields) {
  ReadServerConfig read = ReadServerConfigText(name, yaml);
  if (fields != nullptr) *fields = std::move(read.fields);
  if (!read.faults.ok()) return read.faults;
  return std::move(read.config);
}

absl::StatusOr<ServerConfig> LoadServerConfig(const std::string& path) {
  WL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxConfigBytes));
  return ParseServerConfig(path, text);
}

}  // namespace waferline::config
