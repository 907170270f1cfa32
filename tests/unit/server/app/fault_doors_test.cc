// Every kind of fault through every interface that takes one: fleet files, HTTP, gRPC, the SDK over
// both, and waferctl. They accept the same names and mean the same by them.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/sdk/fault_kinds.h"
#include "client/sdk/token_client.h"
#include "proto/waferline/v1/operator.grpc.pb.h"
#include "scheduler/fleet/config/fleet_config.h"
#include "server/app/admin_actions.h"
#include "server/app/cloud.h"
#include "server/app/front_ends.h"
#include "tests/unit/client/cli/waferctl_process.h"
#include "tests/unit/server/http/raw_client.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/strings.h"

namespace waferline::app {
namespace {

using Fields = std::map<std::string, double>;

// The fields that each kind takes; what it does to the cloud does not matter here.
const std::map<std::string, Fields>& Samples() {
  static const std::map<std::string, Fields> samples = {
      {"worker_lost", {}},
      {"worker_back", {}},
      {"worker_slow", {{"factor", 1.5}}},
      {"unit_lost", {}},
      {"unit_back", {}},
      {"unit_slow", {{"factor", 2.5}}},
      {"stage_slow", {{"factor", 1.25}, {"stage", 1}}},
      {"link_speed", {{"factor", 0}}},
      {"attention_side", {{"factor", 3}}},
      {"ffn_side", {{"factor", 1.75}}},
      {"core", {{"column", 3}, {"row", 5}, {"spare_wafers", 0}}},
      {"row", {{"row", 7}}},
      {"die", {{"place", 0}}},
      {"wafer", {{"spare_wafers", 2}}},
      {"off_wafer_link", {{"links", 3}}},
      {"power_cap", {{"watts", 12000.5}}},
      {"thermal", {{"clock_share", 0.75}}}};
  return samples;
}

std::string Hyphens(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

// Forwards to the cloud's, and keeps the last fault that came.
class RecordingPort final : public admin::AdminPort {
 public:
  explicit RecordingPort(admin::AdminPort* port) : port_(port) {}
  admin::ServerFacts Facts() const override { return port_->Facts(); }
  bool draining() const override { return port_->draining(); }
  void GetLoad(admin::Done<admin::Load> done) override { port_->GetLoad(std::move(done)); }
  void Abort(const RequestName& name, admin::Done<uint32_t> done) override {
    port_->Abort(name, std::move(done));
  }
  void Drain(admin::Done<uint64_t> done) override { port_->Drain(std::move(done)); }
  void Resume(admin::Done<uint64_t> done) override { port_->Resume(std::move(done)); }
  void ResetPrefixCaches(std::function<void(absl::Status)> done) override {
    port_->ResetPrefixCaches(std::move(done));
  }
  void ApplyFault(const admin::FaultOrder& order, std::function<void(absl::Status)> done) override {
    {
      MutexLock lock(&mutex_);
      last_ = order.fault;
    }
    port_->ApplyFault(order, std::move(done));
  }
  fleet::FaultRequest last() {
    MutexLock lock(&mutex_);
    return last_;
  }

 private:
  admin::AdminPort* const port_;
  Mutex mutex_;
  fleet::FaultRequest last_ ABSL_GUARDED_BY(mutex_);
};

constexpr char kModels[] = R"(
models:
  - name: m
    shape: llama-3.1-8b
    context: 4096
    prefill: {hardware: h100}
    decode: [{name: wafer, hardware: wse-3, profile: vendor-2024, units: 2}]
)";

struct Server {
  Server() {
    const std::string yaml = std::string("listen: {http_port: 0, grpc_port: 0}") + kModels +
                             "    tokens: {from: cheap, file: ../models/demo.gguf}\n";
    auto parsed = config::ParseServerConfig(
        std::string(WAFERLINE_SOURCE_DIR) + "/deploy/config/test.yaml", yaml);
    INFO(parsed.status());
    REQUIRE(parsed.ok());
    config = *std::move(parsed);
    auto built = Cloud::Build(config);
    REQUIRE(built.ok());
    cloud = *std::move(built);
    actions = std::make_unique<AdminActions>(&config, cloud.get());
    port = std::make_unique<RecordingPort>(actions.get());
    auto started = FrontEnds::Start(config, cloud.get(), port.get(), nullptr);
    REQUIRE(started.ok());
    front = *std::move(started);
    http = absl::StrCat("http://127.0.0.1:", front->http_port());
    grpc = absl::StrCat("grpc://127.0.0.1:", front->grpc_port());
  }

  config::ServerConfig config;
  std::unique_ptr<Cloud> cloud;
  std::unique_ptr<AdminActions> actions;
  std::unique_ptr<RecordingPort> port;
  std::unique_ptr<FrontEnds> front;
  std::string http, grpc;
};

// Sends a fault; the error's text, "" if it was applied.
using Door = std::function<std::string(const std::string& kind, const Fields& fields)>;

std::string ByHttp(const Server& server, const std::string& kind, const Fields& fields) {
  std::string body = absl::StrCat(R"({"model":"m","fault":")", kind, "\"");
  for (const auto& [name, value] : fields) absl::StrAppend(&body, ",\"", name, "\":", value);
  body += "}";
  http::RawClient client(server.front->http_port());
  client.Send(absl::StrCat("POST /admin/faults HTTP/1.1\r\nhost: localhost\r\ncontent-length: ",
                           body.size(), "\r\n\r\n", body));
  const http::RawClient::Response response = client.ReadResponse();
  return response.code == 200 ? "" : response.body;
}

std::string ByGrpc(const Server& server, const std::string& kind, const Fields& fields) {
  const auto stub = v1::OperatorService::NewStub(grpc::CreateChannel(
      server.grpc.substr(std::string("grpc://").size()), grpc::InsecureChannelCredentials()));
  v1::ApplyFaultRequest request;
  v1::Fault& fault = *request.mutable_fault();
  fault.set_model("m");
  v1::FaultKind number = static_cast<v1::FaultKind>(99);
  std::string name = kind;
  std::replace(name.begin(), name.end(), '-', '_');
  (void)v1::FaultKind_Parse("FAULT_KIND_" + absl::AsciiStrToUpper(name), &number);
  fault.set_kind(number);
  for (const auto& [field, value] : fields) {
    const auto* descriptor = v1::Fault::descriptor()->FindFieldByName(field);
    REQUIRE(descriptor != nullptr);
    if (descriptor->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_DOUBLE) {
      fault.GetReflection()->SetDouble(&fault, descriptor, value);
    } else {
      fault.GetReflection()->SetUInt32(&fault, descriptor, static_cast<uint32_t>(value));
    }
  }
  grpc::ClientContext context;
  v1::ApplyFaultResponse response;
  return stub->ApplyFault(&context, request, &response).error_message();
}

std::string BySdk(const std::string& url, const std::string& kind, const Fields& fields) {
  sdk::FaultSpec spec{.kind = kind, .model = "m"};
  const std::map<std::string, std::optional<uint32_t> sdk::FaultSpec::*> whole = {
      {"stage", &sdk::FaultSpec::stage},   {"place", &sdk::FaultSpec::place},
      {"column", &sdk::FaultSpec::column}, {"row", &sdk::FaultSpec::row},
      {"links", &sdk::FaultSpec::links},   {"spare_wafers", &sdk::FaultSpec::spare_wafers}};
  for (const auto& [name, value] : fields) {
    if (whole.contains(name)) spec.*whole.at(name) = static_cast<uint32_t>(value);
    if (name == "factor") spec.factor = value;
    if (name == "watts") spec.watts = value;
    if (name == "clock_share") spec.clock_share = value;
  }
  const auto endpoint = sdk::ParseEndpoint(url);
  REQUIRE(endpoint.ok());
  return std::string(sdk::MakeClient(*endpoint)->ApplyFault(spec).message());
}

std::string ByWaferctl(const std::string& url, const std::string& kind, const Fields& fields) {
  std::vector<std::string> words = {"faults", "send", kind, "--server", url, "--model", "m"};
  for (const auto& [name, value] : fields) {
    words.push_back("--" + Hyphens(name));
    words.push_back(absl::StrCat(value));
  }
  const cli::Finished finished = cli::Waferctl(words);
  return finished.code == 0 ? "" : finished.err;
}

std::map<std::string, Door> DoorsOf(const Server& server) {
  const auto bound = [](auto send, const auto& to) -> Door {
    return [send, &to](const std::string& kind, const Fields& fields) {
      return send(to, kind, fields);
    };
  };
  return {{"HTTP", bound(ByHttp, server)},
          {"gRPC", bound(ByGrpc, server)},
          {"SDK over HTTP", bound(BySdk, server.http)},
          {"SDK over gRPC", bound(BySdk, server.grpc)},
          {"waferctl over HTTP", bound(ByWaferctl, server.http)},
          {"waferctl over gRPC", bound(ByWaferctl, server.grpc)}};
}

absl::StatusOr<fleet::CheckedFault> ByYaml(const std::string& kind, const Fields& fields) {
  std::string fault = "faults: [{at_s: 1, fault: " + kind;
  for (const auto& [name, value] : fields) absl::StrAppend(&fault, ", ", name, ": ", value);
  const auto config = fleet::ParseFleetConfig("fleet.yaml", kModels + fault + "}]\n");
  if (!config.ok()) return config.status();
  return config->faults.at(0);
}

void RequireEqual(const fleet::CheckedFault& a, const fleet::CheckedFault& b) {
  REQUIRE(a.hardware.has_value() == b.hardware.has_value());
  REQUIRE(a.spare_wafers == b.spare_wafers);
  if (!a.hardware) {
    REQUIRE(a.fault.kind == b.fault.kind);
    REQUIRE(a.fault.factor == b.fault.factor);
    REQUIRE(a.fault.stage == b.fault.stage);
    return;
  }
  REQUIRE(a.hardware->kind == b.hardware->kind);
  REQUIRE(a.hardware->place == b.hardware->place);
  REQUIRE(a.hardware->column == b.hardware->column);
  REQUIRE(a.hardware->row == b.hardware->row);
  REQUIRE(a.hardware->links == b.hardware->links);
  REQUIRE(a.hardware->watts == b.hardware->watts);
  REQUIRE(a.hardware->clock_share == b.hardware->clock_share);
}

TEST_CASE("the wire and the server have the same kinds, and this test all of them") {
  std::set<std::string> here, server;
  for (const auto& [kind, fields] : Samples()) here.insert(kind);
  for (const std::string_view name : fleet::FaultNames()) server.emplace(name);
  const std::vector<std::string> wire = sdk::FaultKindNames();
  REQUIRE(here == server);
  REQUIRE(std::set<std::string>(wire.begin(), wire.end()) == server);
  // Old names of the wire keep their numbers.
  v1::FaultKind old_name;
  REQUIRE(v1::FaultKind_Parse("FAULT_KIND_UNIT_SPEED", &old_name));
  REQUIRE(old_name == v1::FAULT_KIND_UNIT_SLOW);
  REQUIRE(sdk::FaultKindName(old_name) == "unit_slow");
}

TEST_CASE("every kind means the same through every interface, with '_' or '-'") {
  Server server;
  for (const auto& [door_name, door] : DoorsOf(server)) {
    for (const auto& [kind, fields] : Samples()) {
      for (const std::string& spelling : {kind, Hyphens(kind)}) {
        INFO(door_name << ": " << spelling);
        const auto wanted = ByYaml(spelling, fields);
        INFO(wanted.status());
        REQUIRE(wanted.ok());
        const std::string error = door(spelling, fields);
        INFO(error);
        // The unit has no sides; what arrived is compared all the same.
        const bool of_side = kind.ends_with("_side");
        REQUIRE((of_side ? error.find("is not split") != std::string::npos : error.empty()));
        const auto sent = fleet::CheckFault(server.port->last());
        INFO(sent.status());
        REQUIRE(sent.ok());
        RequireEqual(*sent, *wanted);
      }
    }
  }
}

TEST_CASE("an unknown kind is refused with the allowed names and a suggestion") {
  Server server;
  const auto lists_all = [](const std::string& error) {
    return std::ranges::all_of(fleet::FaultNames(), [&](std::string_view name) {
      return error.find(name) != std::string::npos;
    });
  };
  for (const auto& [door_name, door] : DoorsOf(server)) {
    const std::string error = door("termal", {});
    INFO(door_name << ": " << error);
    CHECK(lists_all(error));
    // An enum's number has no spelling to suggest another for.
    if (door_name != "gRPC") CHECK(error.find("did you mean 'thermal'?") != std::string::npos);
  }
  const std::string error(Std(ByYaml("termal", {}).status().message()));
  INFO(error);
  CHECK(lists_all(error));
  CHECK(error.find("fleet.yaml:8: faults[0].fault: is \"termal\"") != std::string::npos);
  CHECK(error.find("did you mean 'thermal'?") != std::string::npos);
}

TEST_CASE("a field that a kind needs, or does not take, is named by every interface") {
  Server server;
  for (const auto& [door_name, door] : DoorsOf(server)) {
    INFO(door_name);
    const auto says = [&](const std::string& error, const std::string& text) {
      INFO(error);
      CHECK(error.find(text) != std::string::npos);
    };
    says(door("unit_slow", {}), "factor: is missing: unit_slow needs it");
    says(door("unit_lost", {{"factor", 2}}), "factor: has no meaning for unit_lost");
    says(door("core", {{"links", 2}}), "links: has no meaning for core");
    for (const char* kind : {"worker_slow", "unit_slow", "attention_side"}) {
      says(door(kind, {{"factor", 0.5}}), "factor: is 0.5, must lie in [1, 1e+06]");
    }
    says(door("link_speed", {{"factor", 1.5}}), "factor: is 1.5, must lie in [0, 1]");
  }
  CHECK_FALSE(ByYaml("unit_slow", {}).ok());
  CHECK_FALSE(ByYaml("core", {{"links", 2}}).ok());
}

}  // namespace
}  // namespace waferline::app
