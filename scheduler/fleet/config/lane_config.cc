#include "scheduler/fleet/config/lane_config.h"

#include <map>
#include <utility>

#include "wafer_backend/base/yaml_optional.h"

namespace waferline::fleet {
namespace {

constexpr int64_t kMaxTokens = int64_t{1} << 40;

PrefillConfig ReadPrefill(YamlForm form, const std::filesystem::path& folder) {
  PrefillConfig out;
  out.hardware =
      NameOrPath(form.About("accelerator of the prefill pool: a name of deploy/hardware or a path")
                     .Text("hardware"),
                 folder);
  out.workers = static_cast<int>(
      form.About("prefill workers").IntegerOr("workers", out.workers, 1, kMaxDevices));
  out.devices_per_worker =
      static_cast<int>(form.About("accelerators that share the model in a worker")
                           .IntegerOr("devices_per_worker", out.devices_per_worker, 1, 65536));
  out.step_tokens = Tokens(form.About("prompt tokens of one step of a worker")
                               .IntegerOr("step_tokens", out.step_tokens.count(), 1, kMaxTokens));
  out.backlog_tokens =
      Tokens(form.About("a worker takes another prompt while less than this is pending")
                 .IntegerOr("backlog_tokens", out.backlog_tokens.count(), 1, kMaxTokens));
  out.cache_tokens =
      Tokens(form.About("prefix cache of a worker; 0: none")
                 .IntegerOr("cache_tokens", out.cache_tokens.count(), 0, kMaxTokens));
  out.memory_tokens =
      Tokens(form.About("KV of prompts in prefill or waiting for their hand-off")
                 .IntegerOr("memory_tokens", out.memory_tokens.count(), 1, kMaxTokens));
  form.RefuseOthers();
  return out;
}

// Of a unit whose machines are all of one kind.
void ReadHardware(YamlForm& form, const std::filesystem::path& folder, DecodeConfig* decode) {
  DecodeConfig& out = *decode;
  out.hardware = NameOrPath(form.About("wafer (a pipeline) or accelerator (a batch device): a name "
                                       "of deploy/hardware or a path")
                                .Text("hardware"),
                            folder);
  out.profile = NameOrPath(
      TextOr(form.About("kernels of a wafer: a name of deploy/profiles or a path"), "profile", ""),
      folder);
  out.wafers_per_unit =
      static_cast<int>(form.About("wafers of a pipeline; 0: the fewest that fit")
                           .IntegerOr("wafers_per_unit", out.wafers_per_unit, 0, 256));
  out.devices_per_unit =
      static_cast<int>(form.About("accelerators that share the model in a unit")
                           .IntegerOr("devices_per_unit", out.devices_per_unit, 1, 65536));
}

DecodeConfig ReadDecode(YamlForm form, const std::filesystem::path& folder) {
  DecodeConfig out;
  out.name = TextOr(form.About("units are called NAME-0, NAME-1, ..."), "name", "wafer");
  const bool split = ChoiceOr<bool>(
      form.About("whole: each layer on one machine; split: attention and feed-forward on two"),
      "kind", false, {{"whole", false}, {"split", true}});
  if (split) {
    out.split = ReadSplit(form, folder);
  } else {
    ReadHardware(form, folder, &out);
  }
  out.units = static_cast<int>(
      form.About("units, each with the whole model").IntegerOr("units", out.units, 1, kMaxDevices));
  out.max_running = static_cast<int>(form.About("sequences that hold a slot of a unit")
                                         .IntegerOr("max_running", out.max_running, 1, 65536));
  out.prefix_cache =
      form.About("keep the KV of ended prompts in free SRAM").Flag("prefix_cache", false);
  if (form.About("of service; left out: wafers, in a split unit too, and pipelines of chips are "
                 "fast, accelerators slow")
          .Has("tier")) {
    out.tier = ChoiceOr<UnitTier>(form, "tier", UnitTier::kFast,
                                  {{"fast", UnitTier::kFast}, {"slow", UnitTier::kSlow}});
  }
  form.RefuseOthers();
  return out;
}

LinkConfig ReadLink(YamlForm form) {
  LinkConfig out;
  out.bytes_per_second = PlainOr(form.About("bandwidth from the prefill pool to the units"),
                                 "bytes_per_second", 5e10, Range{1e3, 1e15});
  out.latency = MicrosecondsOr(form.About("latency of that link"), "latency_us", 10, Range{0, 1e9});
  out.shared =
      form.About("one link for all units of the model; false: one each").Flag("shared", true);
  form.RefuseOthers();
  return out;
}

uint32_t Bound(YamlForm& form, const std::string& field, uint32_t otherwise, const char* about) {
  return static_cast<uint32_t>(form.About(about).IntegerOr(field, otherwise, 0, 1 << 22));
}

// Who waits, and in which order.
void ReadQueue(YamlForm& form, engine::LaneSpec* out) {
  out->admission.max_waiting = {
      Bound(form, "max_waiting_priority", 1024, "requests of tier priority that wait at most"),
      Bound(form, "max_waiting_default", 4096, "the same of tier default"),
      Bound(form, "max_waiting_flex", 4096, "the same of tier flex")};
  out->admission.refuse_missed_deadlines = form.About("refuse what would miss its deadline anyway")
                                               .Flag("refuse_missed_deadlines", true);

  out->order.rule = ChoiceOr<policy::OrderRule>(form.About("who is prefilled first"), "order",
                                                policy::OrderRule::kArrival,
                                                {{"arrival", policy::OrderRule::kArrival},
                                                 {"priority", policy::OrderRule::kPriority},
                                                 {"deadline", policy::OrderRule::kDeadline}});
  // A field of a rule that is not chosen would have no effect, so it is not known there.
  if (out->order.rule == policy::OrderRule::kPriority) {
    out->order.aging =
        MicrosecondsOr(form.About("order: priority; waiting so long is worth one priority number"),
                       "aging_us", 10e6, Range{1, 1e12});
  }
  out->order.fair_tenants = form.About("between tenants first by the tokens that they were served")
                                .Flag("fair_tenants", false);
  out->preempt = form.About("may end a sequence for one of better priority; it is prefilled again")
                     .Flag("preempt", false);
}

// A field of a rule that is not chosen would have no effect, so it is not known there.
void ReadTiers(YamlForm form, policy::TierSettings* out) {
  using policy::TierRule;
  out->rule =
      ChoiceOr<TierRule>(form.About("of tiers default and auto; priority always is, flex is not"),
                         "who", TierRule::kAll,
                         {{"all", TierRule::kAll},
                          {"paid", TierRule::kPaid},
                          {"deadline", TierRule::kDeadline},
                          {"short_answer", TierRule::kShortAnswer},
                          {"long_answer", TierRule::kLongAnswer},
                          {"cached", TierRule::kCached},
                          {"share", TierRule::kShare}});
  if (out->rule == TierRule::kShortAnswer || out->rule == TierRule::kLongAnswer) {
    out->output_tokens = form.About(
                                 "who: short_answer, long_answer; max_tokens up to which an "
                                 "answer is short")
                             .IntegerOr("output_tokens", 256, 1, kMaxTokens);
  }
  if (out->rule == TierRule::kCached) {
    out->cached_share = PlainOr(form.About("who: cached; least part of the prompt that a fast "
                                           "unit's prefix cache has"),
                                "cached_share", 0.5, Range{0, 1});
  }
  if (out->rule == TierRule::kShare) {
    out->share = PlainOr(form.About("who: share; the fast units' part of all answers' tokens"),
                         "share", 0.1, Range{0, 1});
  }
  out->default_spills = form.About("default and auto, when no fast unit has room, take a slow one")
                            .Flag("default_spills", true);
  out->priority_spills =
      form.About("priority does, and is charged as default").Flag("priority_spills", false);
  out->slow_spills = form.About("who is for the slow units, when none has room, takes a fast one")
                         .Flag("slow_spills", false);
  form.RefuseOthers();
}

// Which device serves what, and when KV moves.
void ReadRules(YamlForm& form, engine::LaneSpec* out) {
  out->worker_rule = ChoiceOr<policy::WorkerRule>(
      form.About("which worker prefills a prompt"), "worker_rule", policy::WorkerRule::kPrefixAware,
      {{"least_loaded", policy::WorkerRule::kLeastLoaded},
       {"prefix_aware", policy::WorkerRule::kPrefixAware},
       {"round_robin", policy::WorkerRule::kRoundRobin}});
  out->unit_rule = ChoiceOr<policy::UnitRule>(form.About("which unit decodes a sequence"),
                                              "unit_rule", policy::UnitRule::kMostHeadroom,
                                              {{"most_headroom", policy::UnitRule::kMostHeadroom},
                                               {"shortest_queue", policy::UnitRule::kShortestQueue},
                                               {"sticky", policy::UnitRule::kSticky}});
  out->tiers.flex_prefers_slow =
      form.About("requests of tier flex go to slow units (accelerators); false: as default")
          .Flag("flex_prefers_gpu", true);
  ReadTiers(form.About("who is decoded by the fast units, where the model has slow ones too")
                .OptionalMap("fast_tier"),
            &out->tiers);
  out->local_prefill.max_fresh_tokens = form.About(
                                                "prompts of at most so many new tokens are "
                                                "computed on their accelerator unit; 0: never")
                                            .IntegerOr("local_prefill_tokens", 0, 0, kMaxTokens);
  out->overlap = ChoiceOr<engine::Overlap>(
      form.About("when a prompt's KV moves: after prefill, after each chunk, with each layer"),
      "overlap", engine::Overlap::kNone,
      {{"none", engine::Overlap::kNone},
       {"chunk", engine::Overlap::kChunk},
       {"layer", engine::Overlap::kLayer}});
  out->reserve = ChoiceOr<engine::Reserve>(
      form.About("when room on the unit is taken"), "reserve", engine::Reserve::kAtPrefill,
      {{"at_prefill", engine::Reserve::kAtPrefill}, {"at_handoff", engine::Reserve::kAtHandoff}});
  out->block_tokens = static_cast<uint32_t>(
      form.About("tokens of a block of the prefix caches").IntegerOr("block_tokens", 64, 1, 65536));
}

void ReadDraft(YamlForm& form, engine::LaneSpec* out) {
  for (YamlForm& draft :
       form.About("guesses of the emulated machine ahead of each token, first one first")
               .Has("draft")
           ? form.List("draft")
           : std::vector<YamlForm>()) {
    out->speculation.acceptance.push_back(
        draft.About("share of such guesses that are right").Plain("acceptance", Range{0, 1}));
    draft.RefuseOthers();
  }
  if (out->speculation.acceptance.size() > 16) form.AddError("draft", "is longer than 16 tokens");
  if (!out->speculation.acceptance.empty()) {
    out->speculation.draft_time =
        MicrosecondsOr(form.About("draft; added to each beat"), "draft_time_us", 0, Range{0, 1e6});
  }
}

void ReadLimits(YamlForm& form, engine::LaneSpec* out) {
  out->limits.max_restarts =
      Bound(form, "max_restarts", 3, "prefills again after faults, then the request fails");
  if (out->preempt)
    out->limits.max_preemptions =
        Bound(form, "max_preemptions", 2, "preempt; times that one sequence may be preempted");
  out->limits.reader_grace = MicrosecondsOr(
      form.About("real clock; wall time that a reader may take no token before its request ends"),
      "reader_grace_us", 10e6, Range{0, 1e12});
  out->limits.heartbeat = MicrosecondsOr(form.About("between two looks at a hand-off's progress"),
                                         "handoff_heartbeat_us", 10e3, Range{1, 1e12});
  out->limits.lost_heartbeats =
      static_cast<uint32_t>(form.About("heartbeats without a byte after which a hand-off is lost")
                                .IntegerOr("handoff_lost_heartbeats", 3, 1, 1 << 20));
}

void ReadScheduling(YamlForm form, engine::LaneSpec* out) {
  ReadQueue(form, out);
  ReadRules(form, out);
  ReadDraft(form, out);
  ReadLimits(form, out);
  form.RefuseOthers();
}

}  // namespace

LaneConfig ReadLane(YamlForm& form, const std::filesystem::path& folder) {
  LaneConfig out;
  out.model = form.About("the name that clients use").Text("name");
  out.shape = NameOrPath(
      form.About("what is timed: a name of deploy/model-shapes, a shape file, config.json or GGUF")
          .Text("shape"),
      folder);
  out.context = Tokens(form.About("positions of the longest sequence; 0: what the tokens' file, or "
                                  "else the shape, says")
                           .IntegerOr("context", 0, 0, kMaxTokens));
  out.prefill = ReadPrefill(form.About("the pool that computes prompts").Map("prefill"), folder);
  for (YamlForm& unit : form.About("decode units, an entry for each kind").List("decode"))
    out.decode.push_back(ReadDecode(std::move(unit), folder));
  if (form.Has("decode") && out.decode.empty()) form.AddError("decode", "needs at least one entry");
  out.link = ReadLink(form.About("network from the prefill pool to the units").OptionalMap("link"));
  YamlForm scheduling = form.About("who is served when, and where").OptionalMap("scheduling");
  out.states_draft = scheduling.Has("draft");
  ReadScheduling(std::move(scheduling), &out.scheduling);
  out.scheduling.model = out.model;
  return out;
}

}  // namespace waferline::fleet
