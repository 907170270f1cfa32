// What a usage record says. Plain values.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "server/billing/transfer.h"
#include "server/billing/usage_record.h"
#include "server/money/money.h"

namespace waferline::metering {

// Names one sequence's record, never reused: the epoch is the database's, the ordinal counts the
// server's requests within it, the choice those of a request. Written "12.345.0".
struct UsageId {
  int64_t epoch = 0;
  int64_t ordinal = 0;
  int64_t choice = 0;

  auto operator<=>(const UsageId&) const = default;
  std::string Text() const;
};

// Who pays for what: the same for all choices of a request.
struct UsageSubject {
  std::string tenant;  // "" without API keys
  std::string project;
  std::string api_key;  // its id
  std::string plan;     // the tenant's, of the price book; "": pay as you go
  std::string model;
  std::string asked;  // the tier: flex, default, priority
  std::string tier;   // that is charged (ChargedTier); while it is open, the one asked for
  std::string endpoint;
  std::string request_id;  // the client's; not the identity
};

struct UsageCounts {
  int64_t prompt = 0;
  int64_t cached = 0;  // of the prompt
  int64_t generated = 0;
};

// Emulated: what the sequence occupied of the devices (token_sink.h).
struct UsageCompute {
  int64_t system_ns = 0;
  int64_t accelerator_ns = 0;
  int64_t microjoules = 0;
};

// Whole microdollars, rounded up: what is held is never too small.
int64_t MicroRoundedUp(Money money);

// How a sequence ended.
struct EndedUsage {
  std::string reason;  // stop, length, cancelled, deadline, failed
  UsageCounts counts;
  UsageCompute compute;
  int64_t ended_us = 0;                       // Unix time
  Money charge;                               // billing::CountedCost
  bool prepaid = false;                       // it is taken from the tenant's balance
  std::vector<billing::LedgerEntry> entries;  // what the charge is in the ledger
};

// A request that was admitted.
struct OpenUsage {
  UsageId id;  // of choice 0, or of the one that a function is about
  UsageSubject subject;
  int64_t admitted_us = 0;
  int64_t choices = 1;
  int64_t hold_micro = 0;    // a choice; microdollars, rounded up
  int64_t prompt_micro = 0;  // the part of that without any token of the answer
  int64_t max_tokens = 0;    // of a choice's answer, for which the rest is
  bool capped = false;
};

// As bills see it.
billing::UsageRecord RecordOf(const OpenUsage& open, const EndedUsage& end);
// Of a posted record's reason.
billing::UsageEnd EndOf(const std::string& reason);

}  // namespace waferline::metering
