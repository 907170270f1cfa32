#include "scheduler/simulator/writers.h"

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"

namespace waferline::simulator {
namespace {

std::string Ms(Nanoseconds t) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.6f", t.as_double() * 1e-6);
  return text;
}

// Microseconds with their nanoseconds: the unit of the format.
std::string Us(Nanoseconds t) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f", t.as_double() * 1e-3);
  return text;
}

constexpr const char* kReasons[] = {"stop", "length", "cancelled", "deadline", "failed"};
constexpr const char* kPhaseNames[] = {"queue", "prefill", "transfer", "decode"};
constexpr uint32_t kUnitTracks = 10000;  // tracks of units lie behind those of workers

// Names come from a configuration: what would break out of a JSON string is left out.
std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20) continue;
    out += c;
  }
  return out + "\"";
}

// A cell of a CSV line; names of models come from a trace.
std::string Cell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

}  // namespace

RequestsCsv::RequestsCsv(std::ostream* out) : out_(out) {
  *out_ << "request,model,tenant,arrival_ms,result,prompt_tokens,cached_tokens,output_tokens,"
           "restarts,queue_ms,prefill_ms,transfer_ms,decode_ms,e2e_ms,ttft_ms,tpot_ms,"
           "asked_tier,served_tier\n";
}

void RequestsCsv::OnRefused(const engine::SequenceInfo& s, policy::RefusalCause cause,
                            Nanoseconds retry_after) {
  *out_ << s.ticket.value << ',' << Cell(s.request->model) << ',' << Cell(s.request->tenant) << ','
        << Ms(s.arrival) << ",refused:" << Name(cause) << ",,,,,,,,,,,," << NameOf(s.request->tier)
        << ",\n";
}

void RequestsCsv::OnOutcome(const engine::OutcomeInfo& info) {
  const engine::SequenceInfo& s = info.sequence;
  const Outcome& o = *info.outcome;
  *out_ << s.ticket.value << ',' << Cell(s.request->model) << ',' << Cell(s.request->tenant) << ','
        << Ms(s.arrival) << ',' << kReasons[static_cast<int>(o.reason)] << ',' << o.prompt_tokens
        << ',' << o.cached_tokens << ',' << o.generated_tokens << ',' << info.restarts << ','
        << Ms(o.times.queue) << ',' << Ms(o.times.prefill) << ',' << Ms(o.times.transfer) << ','
        << Ms(o.times.decode) << ',' << Ms(o.times.total()) << ',';
  if (o.generated_tokens > 0) *out_ << Ms(info.first_token_at - s.arrival);
  *out_ << ',';
  if (o.generated_tokens > 1) {
    *out_ << Ms((info.last_token_at - info.first_token_at) / (o.generated_tokens - 1));
  }
  *out_ << ',' << NameOf(s.request->tier) << ',' << NameOf(o.served) << '\n';
}

PerfettoTimeline::PerfettoTimeline(std::ostream* out, const Timeline* clock,
                                   const std::vector<engine::LaneSpec>& lanes)
    : out_(out), clock_(clock), devices_(lanes) {
  *out_ << "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n";
  const auto name = [&](uint32_t lane, uint32_t track, const std::string& text) {
    Next() << "{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":" << lane << ",\"tid\":" << track
           << ",\"args\":{\"name\":" << Quoted(text) << "}}";
  };
  for (uint32_t i = 0; i < lanes.size(); ++i) {
    Next() << "{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":" << i
           << ",\"args\":{\"name\":" << Quoted(lanes[i].model) << "}}";
    for (uint32_t w = 0; w < lanes[i].workers.size(); ++w) name(i, w, lanes[i].workers[w].name);
    for (uint32_t u = 0; u < lanes[i].units.size(); ++u) {
      if (lanes[i].units[u].batch != nullptr) name(i, kUnitTracks + u, lanes[i].units[u].name);
    }
  }
}

PerfettoTimeline::~PerfettoTimeline() { *out_ << "\n]}\n"; }

std::ostream& PerfettoTimeline::Next() {
  if (!first_) *out_ << ",\n";
  first_ = false;
  return *out_;
}

void PerfettoTimeline::Step(engine::LaneIndex lane, uint32_t track, Amount amount,
                            Nanoseconds lasts) {
  Next() << "{\"ph\":\"X\",\"name\":\"" << amount.count << ' ' << amount.name
         << "\",\"pid\":" << lane.value << ",\"tid\":" << track << ",\"ts\":" << Us(clock_->now())
         << ",\"dur\":" << Us(lasts) << "}";
}

void PerfettoTimeline::OnPrefillStep(engine::LaneIndex lane, engine::DeviceIndex worker,
                                     Tokens tokens, Nanoseconds lasts) {
  Step(lane, worker.value, {tokens.count(), "tokens"}, lasts);
}

void PerfettoTimeline::OnBatchStep(engine::LaneIndex lane, engine::DeviceIndex unit, int sequences,
                                   Nanoseconds lasts) {
  Step(lane, kUnitTracks + unit.value, {sequences, "sequences"}, lasts);
}

void PerfettoTimeline::Part(const engine::SequenceInfo& s, engine::Phase phase,
                            Nanoseconds lasted) {
  const char* name = kPhaseNames[static_cast<int>(phase)];
  Next() << "{\"ph\":\"b\",\"cat\":\"request\",\"name\":\"" << name << "\",\"id\":" << s.ordinal
         << ",\"pid\":" << s.lane.value << ",\"tid\":0,\"ts\":" << Us(clock_->now() - lasted)
         << "}";
  Next() << "{\"ph\":\"e\",\"cat\":\"request\",\"name\":\"" << name << "\",\"id\":" << s.ordinal
         << ",\"pid\":" << s.lane.value << ",\"tid\":0,\"ts\":" << Us(clock_->now()) << "}";
}

void PerfettoTimeline::Count(int change) {
  in_flight_ += change;
  Next() << "{\"ph\":\"C\",\"name\":\"in flight\",\"pid\":0,\"ts\":" << Us(clock_->now())
         << ",\"args\":{\"requests\":" << in_flight_ << "}}";
}

void PerfettoTimeline::CountDevices() {
  devices_.Sample(clock_->now(), [this](const DeviceCounters::Values& values) {
    Next() << "{\"ph\":\"C\",\"name\":" << Quoted(values.track) << ",\"pid\":" << values.lane
           << ",\"ts\":" << Us(clock_->now()) << ",\"args\":" << values.json << "}";
  });
}

void PerfettoTimeline::OnToken(const engine::TokenInfo&) { CountDevices(); }

void PerfettoTimeline::OnAdmitted(const engine::SequenceInfo& s) {
  if (present_.size() <= s.slot.value) present_.resize(s.slot.value + 1);
  present_[s.slot.value] = {engine::Phase::kQueue, clock_->now()};
  Count(1);
}

void PerfettoTimeline::OnPhase(const engine::SequenceInfo& s, engine::Phase from,
                               Nanoseconds lasted, engine::Phase phase) {
  CountDevices();
  Part(s, from, lasted);
  present_[s.slot.value] = {phase, clock_->now()};
}

void PerfettoTimeline::OnOutcome(const engine::OutcomeInfo& info) {
  const Present& present = present_[info.sequence.slot.value];
  Part(info.sequence, present.phase, clock_->now() - present.since);
  Count(-1);
}

}  // namespace waferline::simulator
