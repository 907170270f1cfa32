// Rows of the table usage, for the sources of this folder alone.
#pragma once

#include <string>

#include "server/metering/usage_record.h"
#include "server/store/many_rows.h"

namespace waferline::metering {

inline constexpr size_t kUsageColumns = 26;
inline constexpr char kInsertUsage[] =
    "INSERT INTO usage(epoch, ordinal, choice, status, reason, tenant, project, api_key, plan, "
    "model, asked, tier, endpoint, request_id, admitted_us, ended_us, prompt, cached, generated, "
    "system_ns, accelerator_ns, microjoules, charge_micro, charge_pico, hold_micro, position)";

// Inserts those that are not there.
const store::ManyRows& OpenRows();

// What kInsertUsage inserts, at position 0: of a posted row without its hold, which is the open
// one's to keep.
store::Row UsageRow(const OpenUsage& open, const char* status, const EndedUsage& end);

// Adds to what accounts have spent; held_micro: what is released.
const store::ManyRows& AccountRows();

// PostgreSQL: what changes accounts in their keys' order, sums of hours first, runs this first
// (LockSums).
extern const std::string kShareSums;

}  // namespace waferline::metering
