#include "server/config/server_config.h"

#include <filesystem>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/yaml_optional.h"

namespace waferline::config {
namespace {

ListenConfig ReadListen(YamlForm form) {
  ListenConfig out;
  out.address = TextOr(form, "address", out.address);
  out.http_port = static_cast<int>(form.IntegerOr("http_port", out.http_port, 0, 65535));
  out.grpc_port = static_cast<int>(form.IntegerOr("grpc_port", out.grpc_port, 0, 65535));
  form.RefuseOthers();
  return out;
}

// A field of the other clock would have no effect, so it is not known there.
ClockConfig ReadClock(YamlForm form) {
  ClockConfig out;
  out.stepped = ChoiceOr<bool>(form, "kind", false, {{"real", false}, {"stepped", true}});
  if (out.stepped) {
    out.arrival_grace = MicrosecondsOr(form, "arrival_grace_us", 30e6, Range{1e3, 3.6e9});
  } else {
    out.scale = PlainOr(form, "scale", 1, Range{1e-6, 1e6});
    out.spin = MicrosecondsOr(form, "spin_us", 60, Range{0, 1e4});
  }
  form.RefuseOthers();
  return out;
}

LimitsConfig ReadLimits(YamlForm form) {
  LimitsConfig out;
  out.max_sequences =
      static_cast<uint32_t>(form.IntegerOr("max_sequences", out.max_sequences, 1, 1 << 20));
  out.mailbox = static_cast<uint32_t>(form.IntegerOr("mailbox", out.mailbox, 1, 1 << 20));
  out.body_bytes = form.IntegerOr("body_bytes", out.body_bytes, 1024, 1 << 30);
  out.connections =
      static_cast<uint32_t>(form.IntegerOr("connections", out.connections, 1, 1 << 16));
  out.drain = MicrosecondsOr(form, "drain_us", 30e6, Range{0, 3.6e9});
  out.grace = MicrosecondsOr(form, "grace_us", 1e6, Range{0, 3.6e9});
  form.RefuseOthers();
  return out;
}

// A relative path of a SQLite file starts at the configuration's folder.
BillingConfig ReadBilling(YamlForm form, const std::filesystem::path& folder) {
  constexpr std::string_view kSqlite = "sqlite:";
  BillingConfig out{.on = true, .store = TextOr(form, "store", "")};
  const bool sqlite = out.store.starts_with(kSqlite);
  const bool postgres =
      out.store.starts_with("postgresql://") || out.store.starts_with("postgres://");
  if (sqlite) {
    const std::filesystem::path path = folder / out.store.substr(kSqlite.size());
    out.store = std::string(kSqlite) + path.lexically_normal().string();
  } else if (!out.store.empty() && !postgres) {
    form.AddError("store", "must be sqlite:PATH or postgresql://HOST/DATABASE");
  }
  // PostgreSQL's own configuration says what its commits survive.
  if (!postgres) {
    out.survives_power_loss =
        ChoiceOr<bool>(form, "durability", false, {{"process", false}, {"power", true}});
  }
  out.store_patience = Milliseconds(
      form.IntegerOr("store_patience_ms", out.store_patience.count() / 1'000'000, 10, 600'000));
  form.RefuseOthers();
  return out;
}

ApiKeyConfig ReadApiKey(YamlForm form) {
  ApiKeyConfig out;
  out.key = form.Text("key");
  out.tenant = form.Text("tenant");
  out.requests_per_day = form.IntegerOr("requests_per_day", 0, 0, int64_t{1} << 50);
  out.tokens_per_minute = form.IntegerOr("tokens_per_minute", 0, 0, int64_t{1} << 50);
  out.admin = form.Flag("may_operate", false);
  form.RefuseOthers();
  return out;
}

class TokensReader {
 public:
  TokensReader(YamlForm form, const std::filesystem::path& folder)
      : form_(std::move(form)), folder_(folder) {}

  TokensConfig Read() {
    out_.from = ChoiceOr<TokenOriginKind>(form_, "from", TokenOriginKind::kShards,
                                          {{"shards", TokenOriginKind::kShards},
                                           {"remote", TokenOriginKind::kRemote},
                                           {"cheap", TokenOriginKind::kSynthetic}});
    out_.file = Path("file");
    out_.chat_template = NameOrPath("chat_template");
    out_.tool_format = TextOr(form_, "tool_format", "");
    if (out_.from == TokenOriginKind::kShards) ReadShards();
    if (out_.from == TokenOriginKind::kRemote) ReadRemote();
    if (out_.from != TokenOriginKind::kSynthetic) {
      out_.max_batch = static_cast<int>(form_.IntegerOr("max_batch", out_.max_batch, 1, 4096));
      ReadSpeculation();
    }
    form_.RefuseOthers();
    return std::move(out_);
  }

 private:
  std::string Path(const std::string& field) {
    const std::string text = form_.Text(field);
    return text.empty() ? text : (folder_ / text).lexically_normal().string();
  }

  // A name has neither a slash nor a dot.
  std::string NameOrPath(const std::string& field) {
    const std::string text = TextOr(form_, field, "");
    const bool path = text.find_first_of("/.") != std::string::npos;
    return path ? (folder_ / text).lexically_normal().string() : text;
  }

  void ReadShards() {
    out_.shards = static_cast<int>(form_.IntegerOr("shards", 1, 1, 1024));
    if (form_.Has("experts")) {
      YamlForm experts = form_.Map("experts");
      out_.experts_over = static_cast<int>(experts.Integer("over", 1, 1024));
      experts.RefuseOthers();
    }
    out_.shard_sram_bytes = PlainOr(form_, "shard_sram_bytes", 44e9, Range{1e3, 1e15});
    out_.threads = static_cast<int>(form_.IntegerOr("threads", out_.threads, 1, 256));
    out_.prefill_kv_bytes = PlainOr(form_, "prefill_kv_bytes", 8e9, Range{1e3, 1e15});
    out_.prefill_chunk = form_.IntegerOr("prefill_chunk", out_.prefill_chunk, 1, 1 << 20);
  }

  void ReadRemote() {
    if (form_.Has("experts")) {
      form_.AddError("experts",
                     "has no effect here: each shard process says by --experts and "
                     "--expert-workers which it has and where the others are");
    }
    out_.prefill_worker = form_.Text("prefill_worker");
    for (YamlForm& shard : form_.List("shard_workers")) {
      out_.shard_workers.push_back(shard.Text("address"));
      shard.RefuseOthers();
    }
    if (form_.Has("shard_workers") && out_.shard_workers.empty()) {
      form_.AddError("shard_workers", "needs at least one entry");
    }
    out_.worker_patience =
        Milliseconds(form_.IntegerOr("worker_patience_ms", 20'000, 100, 3'600'000));
    out_.worker_outage = Milliseconds(form_.IntegerOr("worker_outage_ms", 10'000, 0, 3'600'000));
  }

  void ReadSpeculation() {
    out_.speculation = ChoiceOr<SpeculationKind>(form_, "speculation", SpeculationKind::kOff,
                                                 {{"off", SpeculationKind::kOff},
                                                  {"lookup", SpeculationKind::kLookup},
                                                  {"draft", SpeculationKind::kDraft}});
    if (out_.speculation == SpeculationKind::kDraft) out_.draft_file = Path("draft_file");
  }

  YamlForm form_;
  const std::filesystem::path& folder_;
  TokensConfig out_;
};

}  // namespace

absl::StatusOr<ServerConfig> ParseServerConfig(const std::string& name, std::string_view yaml) {
  const std::filesystem::path folder = std::filesystem::path(name).parent_path();
  YamlFile file(name, yaml);
  YamlForm root = file.root();
  ServerConfig out;
  if (root.Has("listen")) out.listen = ReadListen(root.Map("listen"));
  if (root.Has("clock")) out.clock = ReadClock(root.Map("clock"));
  if (root.Has("limits")) out.limits = ReadLimits(root.Map("limits"));
  if (root.Has("billing")) out.billing = ReadBilling(root.Map("billing"), folder);
  out.flat_errors = root.Flag("flat_errors", false);
  out.usage_at_finish = root.Flag("usage_at_finish", false);
  out.clip_max_tokens = root.Flag("clip_max_tokens", false);
  out.refuse_unknown_fields =
      ChoiceOr<bool>(root, "unknown_fields", false, {{"warn", false}, {"refuse", true}});
  if (root.Has("api_keys")) {
    for (YamlForm& key : root.List("api_keys")) out.api_keys.push_back(ReadApiKey(std::move(key)));
  }
  std::set<std::string> names;
  for (YamlForm& form : root.List("models")) {
    ModelConfig model;
    model.lane = fleet::ReadLane(form, folder);
    model.tokens = TokensReader(form.Map("tokens"), folder).Read();
    if (!names.insert(model.lane.model).second) form.AddError("name", "is used by another model");
    form.RefuseOthers();
    out.models.push_back(std::move(model));
  }
  if (root.Has("models") && out.models.empty()) root.AddError("models", "needs at least one entry");
  root.RefuseOthers();
  if (absl::Status status = file.status(); !status.ok()) return status;
  return out;
}

absl::StatusOr<ServerConfig> LoadServerConfig(const std::string& path) {
  WL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return ParseServerConfig(path, text);
}

}  // namespace waferline::config
