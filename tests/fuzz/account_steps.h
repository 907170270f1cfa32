// What administrators put into the store: tenants, keys, projects, quotas, with names that the
// doors let through, made of a fuzzer's bytes.
#pragma once

#include <cstdint>
#include <cstdio>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "server/accounts/account_tables.h"
#include "server/accounts/names.h"
#include "server/accounts/price_books.h"
#include "server/accounts/project_tables.h"
#include "server/accounts/quota_tables.h"
#include "server/billing/price_book_reader.h"
#include "tests/fuzz/input.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/check.h"

namespace waferline::fuzz {

inline constexpr char kBook[] =
    "currency: USD\n"
    "versions:\n"
    "  - effective: 2026-01-01T00:00:00Z\n"
    "    models:\n"
    "      - {name: m, input: '2.5', cached_input: '0.25', output: '15', tiers: {flex: '0.5'}}\n"
    "      - {name: '*', system_second: '0.01'}\n"
    "    plans:\n"
    "      - {name: prepaid, prepaid: true}\n"
    "      - {name: hours, bill: compute_time}\n"
    "      - {name: paid_hours, bill: compute_time, prepaid: true}\n"
    "      - {name: promised, service: {availability: 0.9, cap_share: 0.5}}\n";

// A refusal, which says what is wrong with what was asked; anything else is our fault.
inline void CheckRefusal(const absl::Status& status) {
  if (status.ok()) return;
  const bool named = absl::IsInvalidArgument(status) || absl::IsNotFound(status) ||
                     absl::IsFailedPrecondition(status) || absl::IsAlreadyExists(status) ||
                     absl::IsResourceExhausted(status) || absl::IsOutOfRange(status);
  if (!named || status.message().empty()) fprintf(stderr, "%s\n", status.ToString().c_str());
  WL_CHECK(named && !status.message().empty());
}

// Owner: one run, which is one transaction of `connection`.
class AccountSteps {
 public:
  AccountSteps(Input input, store::Connection* connection)
      : input_(input),
        db_(*connection),
        book_(billing::ParsePriceBook("book.yaml", kBook).value()) {}

 protected:
  // Mostly one of few, so that steps are about the same things.
  std::string Name(std::string_view field = "name") {
    static constexpr const char* kNames[] = {"acme", "b", "no-tenant", "p", "q"};
    const uint8_t which = input_.Byte();
    if (which < 200) return kNames[which % std::size(kNames)];
    std::string name = input_.Text(130);
    const absl::Status good = accounts::CheckName(field, name, false);  // the doors do
    CheckRefusal(good);
    return good.ok() ? name : "acme";
  }
  std::string Plan() {
    static constexpr const char* kPlans[] = {"", "prepaid", "hours", "paid_hours", "promised"};
    const std::string plan = kPlans[input_.Below(5)];
    return accounts::CheckPlan(book_, plan, now_us_).ok() ? plan : "";
  }
  std::optional<int64_t> Limit() {
    const uint8_t limit = input_.Byte();
    return limit < 128 ? std::nullopt : std::optional<int64_t>(limit % 2 == 0 ? 1000 : 1'000'000);
  }

  void People() {
    const std::string name = Name();
    const uint8_t how = input_.Byte();
    if (how % 4 == 0) return CheckRefusal(accounts::DisableTenant(db_, name, now_us_));
    if (how % 4 == 1) {
      return CheckRefusal(accounts::ImportKey(
          db_, {.id = "file_" + name, .digest = name, .tenant = name, .from_file = true}));
    }
    CheckRefusal(accounts::AddTenant(db_, {.name = name, .plan = Plan(), .now_us = now_us_}));
  }
  void Keys() {
    const std::string id = "key_" + std::to_string(input_.Below(4));
    const uint8_t how = input_.Byte();
    if (how % 4 == 0) return CheckRefusal(accounts::RevokeKey(db_, id, now_us_));
    accounts::Key key{.id = id, .digest = id, .tenant = Name("tenant"), .created_us = now_us_};
    if (how % 4 == 1) {
      key.id += "r" + std::to_string(input_.Below(4));
      key.digest = key.id;
      return CheckRefusal(accounts::RotateKey(db_, id, key, now_us_ + 1));
    }
    if (how >= 128) key.project = Name("project");
    if (accounts::CheckTitle(input_.Text(20)).ok()) key.models = {"m", Name()};
    CheckRefusal(accounts::AddKey(db_, key).status());
  }
  void Projects() {
    const std::string id = Name(), tenant = Name("tenant");
    switch (input_.Byte() % 4) {
      case 0:
        return CheckRefusal(accounts::RenameProject(db_, id, tenant, input_.Text(40)));
      case 1:
        return CheckRefusal(accounts::ArchiveProject(db_, id, tenant, now_us_));
      default:
        CheckRefusal(accounts::AddProject(
            db_, {.id = id, .tenant = tenant, .name = input_.Text(40), .created_us = now_us_}));
    }
  }
  void Quota() {
    accounts::Quota quota{.tenant = Name("tenant"),
                          .requests_day = Limit(),
                          .hard_micro = Limit(),
                          .prepaid_micro = Limit()};
    if (input_.Byte() >= 128) quota.shares[Name()] = static_cast<int64_t>(input_.Below(255));
    CheckRefusal(accounts::SetQuota(db_, quota, now_us_).status());
  }

  Input input_;
  store::Connection& db_;
  billing::PriceBook book_;
  int64_t now_us_ = Month{2026, 9}.begin_us();
};

}  // namespace waferline::fuzz
