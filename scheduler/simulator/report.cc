#include "scheduler/simulator/report.h"

namespace waferline::simulator {

double Report::energy_joules() const {
  double joules = 0;
  for (const DeviceUse& device : devices) {
    joules += seconds() * (device.power.watts_busy * device.busy_share +
                           device.power.watts_idle * (1 - device.busy_share));
  }
  return joules;
}

double Report::cost_usd() const {
  double usd = 0;
  for (const DeviceUse& device : devices) usd += device.power.usd_per_hour * seconds() / 3600;
  return usd;
}

double Report::charged_usd() const {
  double usd = 0;
  for (const DeviceUse& device : devices) {
    if (device.devices == 0) continue;
    const double hours = static_cast<double>(device.charged_ns) / device.devices / 3.6e12;
    usd += device.power.usd_per_hour * hours;
  }
  return usd;
}

void Tally::OnOutcome(const engine::OutcomeInfo& info) {
  const Outcome& outcome = *info.outcome;
  report.prompt_tokens += outcome.prompt_tokens;
  report.compute.wafer_ns += outcome.compute.wafer_ns;
  report.compute.accelerator_ns += outcome.compute.accelerator_ns;
  report.compute.microjoules += outcome.compute.microjoules;
  switch (outcome.reason) {
    case FinishReason::kStop:
    case FinishReason::kLength:
      break;
    case FinishReason::kCancelled:
      ++report.cancelled;
      return;
    case FinishReason::kDeadline:
      ++report.deadline_missed;
      return;
    case FinishReason::kFailed:
      ++report.failed;
      return;
  }
  ++report.completed;
  ServedTally& tier = report.by_tier[static_cast<size_t>(outcome.served)];
  ++tier.completed;
  tier.output_tokens += outcome.generated_tokens;
  const Nanoseconds total = outcome.times.total();
  report.e2e.Add(total);
  tier.e2e.Add(total);
  report.queue.Add(outcome.times.queue);
  report.prefill.Add(outcome.times.prefill);
  report.transfer.Add(outcome.times.transfer);
  report.decode.Add(outcome.times.decode);
  if (outcome.generated_tokens == 0) return;
  const Nanoseconds ttft = info.first_token_at - info.sequence.arrival;
  Nanoseconds tpot;
  report.ttft.Add(ttft);
  tier.ttft.Add(ttft);
  if (outcome.generated_tokens > 1) {
    tpot = (info.last_token_at - info.first_token_at) / (outcome.generated_tokens - 1);
    report.tpot.Add(tpot);
    tier.tpot.Add(tpot);
  }
  const auto met = objectives_.Met(ttft, tpot, total);
  report.met_objectives += met;
  tier.met_objectives += met;
}

Tally::Busy& Tally::At(Table* table, engine::LaneIndex lane, engine::DeviceIndex index) {
  if (table->size() <= lane.value) table->resize(lane.value + 1);
  auto& row = (*table)[lane.value];
  if (row.size() <= index.value) row.resize(index.value + 1);
  return row[index.value];
}

Tally::Busy Tally::Get(const Table& table, engine::LaneIndex lane, engine::DeviceIndex index) {
  if (lane.value >= table.size() || index.value >= table[lane.value].size()) return {};
  return table[lane.value][index.value];
}

void Tally::OnPrefillStep(engine::LaneIndex lane, engine::DeviceIndex worker, Tokens tokens,
                          Nanoseconds lasts) {
  Busy& busy = At(&workers_, lane, worker);
  busy.busy += lasts;
  busy.tokens += tokens.count();
}

void Tally::OnBatchStep(engine::LaneIndex lane, engine::DeviceIndex unit, int sequences,
                        Nanoseconds lasts) {
  Busy& busy = At(&batches_, lane, unit);
  busy.busy += lasts;
  busy.tokens += sequences;
}

}  // namespace waferline::simulator
