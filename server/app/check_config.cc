#include "server/app/check_config.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "scheduler/fleet/lane_devices.h"
#include "scheduler/fleet/timed_shape.h"
#include "server/app/cell_member.h"
#include "server/app/door_security.h"
#include "server/app/engine_services.h"
#include "server/app/file_keys.h"
#include "server/app/model_chat.h"
#include "server/app/value_sources.h"
#include "server/billing/price_book_reader.h"
#include "server/registry/open_registry.h"
#include "server/tenancy/api_keys.h"
#include "server/trace/otlp/exporter.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/base/timeline.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/model_shape.h"
#include "wafer_backend/compute/model/tokenizer.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::app {
namespace {

std::vector<std::string> Lines(const absl::Status& status) {
  return absl::StrSplit(status.message(), '\n', absl::SkipEmpty());
}

class ConfigCheck {
 public:
  ConfigCheck(std::string file, const config::ReadServerConfig& read)
      : file_(std::move(file)), fields_(read.fields), whole_(read.faults.ok()) {
    // "file:line: field: what is wrong", a line each.
    for (const std::string& fault : Lines(read.faults)) {
      const size_t at = std::min(fault.size(), file_.size() + 1);
      const int line = std::atoi(fault.c_str() + at);
      const size_t field = std::min(fault.size(), fault.find(": ", at) + 2);
      faulty_.emplace_back(fault.substr(field, fault.find(": ", field) - field));
      faults_.emplace_back(line, fault);
    }
  }

  void Model(const std::string& path, const config::ModelConfig& model) {
    const size_t before = faults_.size();
    Expect(path + ".shape", fleet::LoadTimedShape(model.lane.shape).status());
    Expect(path + ".prefill.hardware", silicon::LoadHardware(model.lane.prefill.hardware).status());
    for (size_t i = 0; i < model.lane.decode.size(); ++i) {
      const fleet::DecodeConfig& unit = model.lane.decode[i];
      const std::string at = absl::StrCat(path, ".decode[", i, "]");
      if (unit.split) {
        Machines(at + ".attention", unit.split->attention.hardware, unit.split->attention.profile);
        Machines(at + ".ffn", unit.split->ffn.hardware, unit.split->ffn.profile);
      } else {
        Machines(at, unit.hardware, unit.profile);
      }
    }
    const bool devices_known = faults_.size() == before;
    Tokens context = Files(path + ".tokens", model);
    if (devices_known && whole_) Devices(path, model.lane, context);
  }

  absl::Status status() const {
    if (faults_.empty()) return absl::OkStatus();
    auto sorted = faults_;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    return absl::InvalidArgumentError(absl::StrJoin(
        sorted, "\n", [](std::string* out, const auto& fault) { out->append(fault.second); }));
  }

  // The files of certificates, which must fit together.
  void Tls(const std::optional<config::TlsConfig>& tls) {
    if (tls && (tls->cert.empty() || tls->key.empty())) return;  // a fault of its own
    absl::Status status = DoorSecurity::Load(tls, nullptr).status();
    if (status.ok() && tls && tls->links) {
      status = LinkCredentials(*tls, tls::Role::kFrontend).status();
    }
    ExpectNamed("tls", "", status);
  }

  void Keys(const config::ServerConfig& config) {
    ExpectNamed("api_keys", "", tenancy::ApiKeys::Create(FileKeys(config)).status());
  }

  // The registry's certificates, or the file of members.
  void Cell(const config::CellConfig& cell) {
    Expect("cell.name", membership::CheckName("name", cell.name));
    if (!cell.file.empty()) {
      return Expect("cell.registry.path", registry::CheckAddress(RegistryOf(cell)));
    }
    ExpectNamed("cell.registry", "registry", registry::CheckAddress(RegistryOf(cell)));
  }

  void KvTransfer(const config::KvTransferConfig& transfer) {
    if (transfer.key.empty() || transfer.taken_file.empty()) return;
    ExpectNamed("kv_transfer", "", CheckTakenFile(transfer.taken_file));
  }

  void Trace(const config::TraceConfig& trace) {
    if (!trace.otlp.empty()) Expect("trace.otlp", trace::ParseEndpoint(trace.otlp).status());
  }

  // What a usage database needs before it is opened.
  void Billing(const config::BillingConfig& billing) {
    if (!billing.on) return;
    if (billing.store.empty()) {
      return Fault(
          "billing.store",
          "is missing: give sqlite:PATH or postgresql://HOST/DATABASE, or start (and check) "
          "with --state-dir DIR");
    }
    constexpr std::string_view kSqlite = "sqlite:";
    if (billing.store.starts_with(kSqlite)) {
      const std::filesystem::path path = billing.store.substr(kSqlite.size());
      const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
      std::error_code error;
      if (!std::filesystem::is_directory(folder, error)) {
        Fault("billing.store", absl::StrCat("there is no folder ", folder.string(), ": make it"));
      } else if (std::filesystem::is_directory(path, error)) {
        Fault("billing.store", absl::StrCat(path.string(), " is a folder; name a file in it"));
      } else {
        Expect("billing.store", CheckDatabase(path.string()));
      }
    }
    if (!billing.prices.empty()) {
      Expect("billing.prices", billing::LoadPriceBook(billing.prices).status());
    }
  }

 private:
  // One of SQLite, or an empty one or none, which becomes that.
  static absl::Status CheckDatabase(const std::string& path) {
    WL_RETURN_IF_ERROR(CheckRegularFileOrNew(path));
    std::string head(16, '\0');
    std::ifstream file(path, std::ios::binary);
    file.read(head.data(), static_cast<std::streamsize>(head.size()));
    head.resize(static_cast<size_t>(file.gcount()));
    if (head.empty() || head == std::string("SQLite format 3\0", 16)) return absl::OkStatus();
    return absl::InvalidArgumentError(path + " is not a database of SQLite; name another file");
  }

  // Hardware, and of wafers the profile, of a unit or of a side of one.
  void Machines(const std::string& at, const std::string& hardware, const std::string& profile) {
    const auto loaded = silicon::LoadHardware(hardware);
    Expect(at + ".hardware", loaded.status());
    if (loaded.ok() && loaded->wafer() != nullptr) {
      Expect(at + ".profile", timing::LoadProfile(profile).status());
    }
  }

  // A fault of the field, or of a part of it that the message begins with ("prefill.hardware: ").
  void Expect(const std::string& path, const absl::Status& status) {
    if (!status.ok()) Fault(path, std::string(Std(status.message())));
  }

  // The same where the message begins with the field, or with `alias` in the place of `path`.
  void ExpectNamed(const std::string& path, const std::string& alias, const absl::Status& status) {
    if (status.ok()) return;
    std::string message(Std(status.message()));
    if (!alias.empty() && message.starts_with(alias + ": ")) {
      message.erase(0, alias.size() + 2);
      const size_t colon = message.find(": ");
      const bool part = colon != std::string::npos && message.find(' ') > colon;
      return part ? Fault(path + "." + message.substr(0, colon), message.substr(colon + 2))
                  : Fault(path, message);
    }
    const size_t colon = message.find(": ");
    const bool named = message.starts_with(path) && colon != std::string::npos;
    Fault(named ? message.substr(0, colon) : path, named ? message.substr(colon + 2) : message);
  }

  void Fault(const std::string& path, const std::string& what) {
    if (std::find(faulty_.begin(), faulty_.end(), path) != faulty_.end()) return;
    const int line = LineOf(path);
    faults_.emplace_back(line, absl::StrCat(file_, ":", line, ": ", path, ": ", what));
  }

  // Of the field, or of the mapping that it is missing from.
  int LineOf(std::string path) const {
    for (; !path.empty(); path.erase(std::min(path.rfind('.'), path.size()))) {
      if (const int line = FirstLine(path); line > 0) return line;
      if (path.find('.') == std::string::npos) break;
    }
    return 1;
  }

  // Of the field, or of the first one in it; 0: the file has neither.
  int FirstLine(const std::string& path) const {
    int first = 0;
    for (const FieldFacts& field : fields_) {
      const bool within = field.path.starts_with(path) &&
                          (field.path.size() == path.size() || field.path[path.size()] == '.');
      if (within && field.line > 0 && (first == 0 || field.line < first)) first = field.line;
    }
    return first;
  }

  static absl::Status CheckDraft(
      const std::string& path,
      const absl::StatusOr<std::shared_ptr<const model::Tokenizer>>& tokenizer) {
    WL_ASSIGN_OR_RETURN(const auto draft, model::GgufFile::Open(path));
    WL_RETURN_IF_ERROR(model::ReadShape(*draft).status());
    if (!tokenizer.ok()) return absl::OkStatus();
    const absl::Status same = CheckSameVocabulary(*draft, **tokenizer);
    return {same.code(), absl::StripPrefix(same.message(), "draft_file: ")};
  }

  // The files that tokens come from; the context that they allow, 0 if that is not known.
  Tokens Files(const std::string& path, const config::ModelConfig& model) {
    const config::TokensConfig& tokens = model.tokens;
    const auto file = model::GgufFile::Open(tokens.file);
    Expect(path + ".file", file.status());
    const auto tokenizer = file.ok() ? model::TokenizerFromGguf(**file) : file.status();
    if (file.ok()) Expect(path + ".file", tokenizer.status());
    if (!tokens.draft_file.empty()) {
      Expect(path + ".draft_file", CheckDraft(tokens.draft_file, tokenizer));
    }
    if (!file.ok()) return Tokens();
    if (tokenizer.ok()) {
      auto chat = ChatOf(tokens, **file, *tokenizer);
      if (!tokens.chat_template.empty()) Expect(path + ".chat_template", chat.status());
      Expect(path + ".tool_format", UseToolFormat(tokens, &chat));
    }
    if (tokens.from == config::TokenOriginKind::kSynthetic) return Tokens();
    const auto shape = model::ReadShape(**file);
    Expect(path + ".file", shape.status());
    if (!shape.ok()) return Tokens();
    const auto check = [&](const char* field, int64_t workers, int64_t max, const char* what) {
      if (workers <= max) return;
      Fault(absl::StrCat(path, ".", field), absl::StrCat("is ", workers, ", must lie in [1, ", max,
                                                         "], the ", what, " of ", tokens.file));
    };
    const bool split = tokens.from == config::TokenOriginKind::kSplit;
    check(split ? "attention" : "shards", tokens.shards, shape->layers, "layers");
    check("ffn", tokens.feed_forward_workers, shape->layers, "layers");
    check("experts.over", tokens.experts_over, std::max<int64_t>(1, shape->experts.router.experts),
          "experts of a layer");
    if (model.lane.context > Tokens(shape->context)) {
      Fault(path.substr(0, path.rfind('.')) + ".context",
            absl::StrCat("is ", model.lane.context.count(), ", must lie in [1, ", shape->context,
                         "], the positions of ", tokens.file));
      return Tokens();
    }
    return Tokens(shape->context);
  }

  // Whether the model fits its hardware.
  void Devices(const std::string& path, fleet::LaneConfig lane, Tokens context) {
    if (lane.context == Tokens() && context > Tokens()) lane.context = context;
    Timeline timeline;
    const auto devices = fleet::LaneDevices::Build(lane, &timeline);
    if (devices.ok()) return;
    const std::string message(Std(devices.status().message()));
    const size_t colon = message.find(": ");
    const bool named = colon != std::string::npos && message.find(' ') > colon;
    if (!named) return Fault(path, message);
    Fault(absl::StrCat(path, ".", message.substr(0, colon)), message.substr(colon + 2));
  }

  const std::string file_;
  const std::vector<FieldFacts>& fields_;
  const bool whole_;
  std::vector<std::string> faulty_;  // fields
  std::vector<std::pair<int, std::string>> faults_;
};

}  // namespace

absl::Status CheckConfig(const std::string& file, const config::ReadServerConfig& read) {
  ConfigCheck check(file, read);
  for (size_t i = 0; i < read.config.models.size(); ++i) {
    check.Model(absl::StrCat("models[", i, "]"), read.config.models[i]);
  }
  check.Tls(read.config.tls);
  check.Trace(read.config.trace);
  check.Billing(read.config.billing);
  check.Keys(read.config);
  check.KvTransfer(read.config.kv_transfer);
  if (read.config.cell) check.Cell(*read.config.cell);
  return check.status();
}

}  // namespace waferline::app
