#include "scheduler/fleet/config/lane_config.h"

#include <map>
#include <utility>

#include "wafer_backend/base/yaml_optional.h"

namespace waferline::fleet {
namespace {

constexpr int64_t kMaxTokens = int64_t{1} << 40;

// A name of a built-in file stays as it is; a path (a slash or a suffix) starts at the
// configuration's folder.
std::string NameOrPath(const std::string& text, const std::filesystem::path& folder) {
  const bool path = text.find('/') != std::string::npos || text.ends_with(".yaml") ||
                    text.ends_with(".json") || text.ends_with(".gguf");
  return path ? (folder / text).lexically_normal().string() : text;
}

PrefillConfig ReadPrefill(YamlForm form, const std::filesystem::path& folder) {
  PrefillConfig out;
  out.hardware = NameOrPath(form.Text("hardware"), folder);
  out.workers = static_cast<int>(form.IntegerOr("workers", 1, 1, 1024));
  out.devices_per_worker = static_cast<int>(form.IntegerOr("devices_per_worker", 1, 1, 64));
  out.step_tokens = Tokens(form.IntegerOr("step_tokens", 8192, 1, kMaxTokens));
  out.backlog_tokens = Tokens(form.IntegerOr("backlog_tokens", 32768, 1, kMaxTokens));
  out.cache_tokens = Tokens(form.IntegerOr("cache_tokens", 0, 0, kMaxTokens));
  out.memory_tokens = Tokens(form.IntegerOr("memory_tokens", 1 << 20, 1, kMaxTokens));
  form.RefuseOthers();
  return out;
}

DecodeConfig ReadDecode(YamlForm form, const std::filesystem::path& folder) {
  DecodeConfig out;
  out.name = TextOr(form, "name", "wafer");
  out.hardware = NameOrPath(form.Text("hardware"), folder);
  out.profile = NameOrPath(TextOr(form, "profile", ""), folder);
  out.units = static_cast<int>(form.IntegerOr("units", 1, 1, 1024));
  out.wafers_per_unit = static_cast<int>(form.IntegerOr("wafers_per_unit", 0, 0, 256));
  out.devices_per_unit = static_cast<int>(form.IntegerOr("devices_per_unit", 1, 1, 64));
  out.max_running = static_cast<int>(form.IntegerOr("max_running", 256, 1, 65536));
  out.prefix_cache = form.Flag("prefix_cache", false);
  form.RefuseOthers();
  return out;
}

LinkConfig ReadLink(YamlForm form) {
  LinkConfig out;
  out.bytes_per_second = PlainOr(form, "bytes_per_second", 5e10, Range{1e3, 1e15});
  out.latency = MicrosecondsOr(form, "latency_us", 10, Range{0, 1e9});
  out.shared = form.Flag("shared", true);
  form.RefuseOthers();
  return out;
}

void ReadScheduling(YamlForm form, engine::LaneSpec* out) {
  const auto bound = [&form](const std::string& field, uint32_t otherwise) {
    return static_cast<uint32_t>(form.IntegerOr(field, otherwise, 0, 1 << 22));
  };
  out->admission.max_waiting = {bound("max_waiting_priority", 1024),
                                bound("max_waiting_default", 4096),
                                bound("max_waiting_flex", 4096)};
  out->admission.refuse_missed_deadlines = form.Flag("refuse_missed_deadlines", true);

  out->order.rule = ChoiceOr<policy::OrderRule>(form, "order", policy::OrderRule::kArrival,
                                                {{"arrival", policy::OrderRule::kArrival},
                                                 {"priority", policy::OrderRule::kPriority},
                                                 {"deadline", policy::OrderRule::kDeadline}});
  // A field of a rule that is not chosen would have no effect, so it is not known there.
  if (out->order.rule == policy::OrderRule::kPriority) {
    out->order.aging = MicrosecondsOr(form, "aging_us", 10e6, Range{1, 1e12});
  }
  out->order.fair_tenants = form.Flag("fair_tenants", false);
  out->preempt = form.Flag("preempt", false);

  out->worker_rule =
      ChoiceOr<policy::WorkerRule>(form, "worker_rule", policy::WorkerRule::kPrefixAware,
                                   {{"least_loaded", policy::WorkerRule::kLeastLoaded},
                                    {"prefix_aware", policy::WorkerRule::kPrefixAware},
                                    {"round_robin", policy::WorkerRule::kRoundRobin}});
  out->unit.rule = ChoiceOr<policy::UnitRule>(form, "unit_rule", policy::UnitRule::kMostHeadroom,
                                              {{"most_headroom", policy::UnitRule::kMostHeadroom},
                                               {"shortest_queue", policy::UnitRule::kShortestQueue},
                                               {"sticky", policy::UnitRule::kSticky}});
  out->unit.flex_prefers_gpu = form.Flag("flex_prefers_gpu", true);
  out->local_prefill.max_fresh_tokens = form.IntegerOr("local_prefill_tokens", 0, 0, kMaxTokens);
  out->overlap = ChoiceOr<engine::Overlap>(form, "overlap", engine::Overlap::kNone,
                                           {{"none", engine::Overlap::kNone},
                                            {"chunk", engine::Overlap::kChunk},
                                            {"layer", engine::Overlap::kLayer}});
  out->reserve = ChoiceOr<engine::Reserve>(
      form, "reserve", engine::Reserve::kAtPrefill,
      {{"at_prefill", engine::Reserve::kAtPrefill}, {"at_handoff", engine::Reserve::kAtHandoff}});
  out->block_tokens = static_cast<uint32_t>(form.IntegerOr("block_tokens", 64, 1, 65536));
  for (YamlForm& draft : form.Has("draft") ? form.List("draft") : std::vector<YamlForm>()) {
    out->speculation.acceptance.push_back(draft.Plain("acceptance", Range{0, 1}));
    draft.RefuseOthers();
  }
  if (out->speculation.acceptance.size() > 16) form.AddError("draft", "is longer than 16 tokens");
  if (!out->speculation.acceptance.empty()) {
    out->speculation.draft_time = MicrosecondsOr(form, "draft_time_us", 0, Range{0, 1e6});
  }
  out->limits.max_restarts = bound("max_restarts", 3);
  if (out->preempt) out->limits.max_preemptions = bound("max_preemptions", 2);
  out->limits.reader_grace = MicrosecondsOr(form, "reader_grace_us", 10e6, Range{0, 1e12});
  out->limits.heartbeat = MicrosecondsOr(form, "handoff_heartbeat_us", 10e3, Range{1, 1e12});
  out->limits.lost_heartbeats =
      static_cast<uint32_t>(form.IntegerOr("handoff_lost_heartbeats", 3, 1, 1 << 20));
  form.RefuseOthers();
}

}  // namespace

LaneConfig ReadLane(YamlForm& form, const std::filesystem::path& folder) {
  LaneConfig out;
  out.model = form.Text("name");
  out.shape = NameOrPath(form.Text("shape"), folder);
  out.context = Tokens(form.IntegerOr("context", 0, 0, kMaxTokens));
  out.prefill = ReadPrefill(form.Map("prefill"), folder);
  for (YamlForm& unit : form.List("decode"))
    out.decode.push_back(ReadDecode(std::move(unit), folder));
  if (form.Has("decode") && out.decode.empty()) form.AddError("decode", "needs at least one entry");
  if (form.Has("link")) out.link = ReadLink(form.Map("link"));
  if (form.Has("scheduling")) {
    YamlForm scheduling = form.Map("scheduling");
    out.states_draft = scheduling.Has("draft");
    ReadScheduling(std::move(scheduling), &out.scheduling);
  }
  out.scheduling.model = out.model;
  return out;
}

}  // namespace waferline::fleet
