#include "server/metering/usage_record.h"

#include "absl/strings/str_cat.h"

namespace waferline::metering {

std::string UsageId::Text() const { return absl::StrCat(epoch, ".", ordinal, ".", choice); }

int64_t MicroRoundedUp(Money money) {
  const Money::Columns columns = money.ToColumns();
  return columns.micro + (columns.pico > 0 ? 1 : 0);
}

billing::UsageEnd EndOf(const std::string& reason) {
  if (reason == "cancelled") return billing::UsageEnd::kCancelled;
  if (reason == "deadline") return billing::UsageEnd::kDeadline;
  return reason == "failed" ? billing::UsageEnd::kFailed : billing::UsageEnd::kFinished;
}

billing::UsageRecord RecordOf(const OpenUsage& open, const EndedUsage& end) {
  const UsageSubject& subject = open.subject;
  const billing::Tier served = billing::TierNamed(subject.tier).value_or(billing::Tier::kDefault);
  return {.id = open.id.Text(),
          .tenant = subject.tenant,
          .plan = subject.plan,
          .project = subject.project,
          .key = subject.api_key,
          .model = subject.model,
          .asked = billing::TierNamed(subject.asked).value_or(served),
          .served = served,
          .end = EndOf(end.reason),
          .admitted_us = open.admitted_us,
          .ended_us = end.ended_us,
          .prompt_tokens = end.counts.prompt,
          .cached_tokens = end.counts.cached,
          .generated_tokens = end.counts.generated,
          .system_ns = end.compute.system_ns,
          .accelerator_ns = end.compute.accelerator_ns,
          .microjoules = end.compute.microjoules};
}

}  // namespace waferline::metering
