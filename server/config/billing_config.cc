#include "server/config/billing_config.h"

#include <string_view>

#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/yaml_optional.h"

namespace waferline::config {
namespace {

void ReadDates(YamlForm& form, BillingConfig* out) {
  out->emulated =
      ChoiceOr<bool>(form.About("dates of records; emulated: the same trace, the same invoice"),
                     "clock", false, {{"wall", false}, {"emulated", true}});
  if (out->emulated && out->prices.empty()) form.AddError("clock", "emulated needs prices");
  if (form.About("clock: emulated; the instant at which a trace begins").Has("emulated_from")) {
    const std::string text = form.Text("emulated_from");
    const absl::StatusOr<int64_t> from = ParseInstant(text);
    if (!from.ok()) form.AddError("emulated_from", std::string(from.status().message()));
    if (!out->emulated) form.AddError("emulated_from", "needs clock: emulated");
    out->emulated_from_us = from.value_or(0);
  }
}

}  // namespace

BillingConfig ReadBilling(YamlForm form, const std::filesystem::path& folder) {
  constexpr std::string_view kSqlite = "sqlite:";
  BillingConfig out{
      .on = true,
      .store = TextOr(form.About("sqlite:PATH, or postgresql://HOST/DATABASE for several servers"),
                      "store", "")};
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
        ChoiceOr<bool>(form.About("what a record survives: the process, or a loss of power"),
                       "durability", false, {{"process", false}, {"power", true}});
  }
  const std::string prices = TextOr(
      form.About("a price book, by name or path; usage is not priced without one"), "prices", "");
  const bool path = prices.find_first_of("/.") != std::string::npos;
  out.prices = path ? (folder / prices).lexically_normal().string() : prices;
  out.show_cost =
      form.About("answers say what they cost: usage.cost, in dollars").Flag("show_cost", false);
  if (out.show_cost && out.prices.empty()) form.AddError("show_cost", "needs prices");
  ReadDates(form, &out);
  out.credit_unconfirmed = ChoiceOr<bool>(
      form.About("what a server recorded and perhaps did not send before it died: charged or not"),
      "unconfirmed", false, {{"charge", false}, {"credit", true}});
  out.store_patience = Milliseconds(
      form.About("how long an answer waits for the database")
          .IntegerOr("store_patience_ms", out.store_patience.count() / 1'000'000, 10, 600'000));
  form.RefuseOthers();
  return out;
}

}  // namespace waferline::config
