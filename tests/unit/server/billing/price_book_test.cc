#include "server/billing/price_book.h"

#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
#include "server/billing/price_book_reader.h"
#include "wafer_backend/base/calendar.h"

namespace waferline::billing {
namespace {

std::string ErrorOf(std::string_view text) {
  const auto book = ParsePriceBook("p.yaml", text);
  return book.ok() ? "" : std::string(book.status().message());
}

std::string WithModel(std::string_view fields) {
  return absl::StrCat(
      "currency: USD\nversions:\n  - effective: 2026-06-01\n    models:\n      - {name: m, ",
      std::string(fields), "}\n");
}

TEST_CASE("the built-in price book is read") {
  const PriceBook book = LoadPriceBook("demo").value();
  const PriceVersion* version = book.At(ParseInstant("2026-06-01").value()).value();
  const ModelPrices* model = version->TokensOf("waferline-demo").value();
  CHECK(model->TokensFor(Tier::kDefault, 131'072).input.pico() == 100'000);
  CHECK(model->TokensFor(Tier::kDefault, 131'073).input.pico() == 200'000);
  CHECK(model->TokensFor(Tier::kDefault, 131'073).cached_input.pico() == 100'000);
  CHECK(model->TokensFor(Tier::kPriority, 131'073).output.pico() == 300'000);
  CHECK(model->TokensFor(Tier::kBatch, 1).cached_input.pico() == 25'000);
  CHECK(version->SystemSecondOf("llama-3.1-8b").value().FormatPerUnit() == "0.01166");
  CHECK(version->PlanNamed("developer").value()->prepaid);
  CHECK(version->PlanNamed("reserved-70b").value()->reserved[0].tokens_per_minute == 1'000'000);
  CHECK(version->PlanNamed("enterprise").value()->volume.size() == 3);
  CHECK(version->TokensOf("waferline-dem").status().message() ==
        "no price of tokens for model \"waferline-dem\" from 2026-01-01T00:00:00Z on; did you mean "
        "'waferline-demo'?");
  CHECK(version->PlanNamed("develper").status().message().find("did you mean 'developer'?") !=
        std::string::npos);
  CHECK(book.At(ParseInstant("2025-12-31T23:59:59Z").value()).status().message() ==
        "deploy/prices/demo.yaml: no prices are in force at 2025-12-31T23:59:59Z; the first are "
        "from 2026-01-01T00:00:00Z");
}

TEST_CASE("faults are named with line and field") {
  CHECK(ErrorOf(WithModel("input: \"0.0000001\", output: 1")) ==
        "p.yaml:5: versions[0].models[0].input: \"0.0000001\" has more than 6 decimals");
  CHECK(
      ErrorOf(WithModel("input: \"0.000001\", output: 1, tiers: {flex: 0.5}")) ==
      "p.yaml:5: versions[0].models[0].input: 0.000001 $ a million x 0.5 is not a whole picodollar "
      "a unit");
  CHECK(ErrorOf(WithModel("input: -1, output: 1")) ==
        "p.yaml:5: versions[0].models[0].input: \"-1\" lies outside 0 to 1000000 $ a unit");
  CHECK(ErrorOf(WithModel("input: 1, output: 1, outptu: 2")) ==
        "p.yaml:5: versions[0].models[0].outptu: is not known here; known: cached_input, input, "
        "long_prompt, name, output, source, system_second, tiers; did you mean 'output'?");
  CHECK(ErrorOf(WithModel("input: 1, output: 1, tiers: {prority: 2}")) ==
        "p.yaml:5: versions[0].models[0].tiers.prority: is not known here; known: batch, "
        "default, flex, priority; did you mean 'priority'?");
  CHECK(ErrorOf(WithModel("input: 1")) == "p.yaml:5: versions[0].models[0].output: is missing");
  CHECK(ErrorOf(WithModel("tiers: {flex: 1}")) ==
        "p.yaml:5: versions[0].models[0].tiers: needs input and output next to it\n"
        "p.yaml:5: versions[0].models[0].name: has no price: needs input and output, or "
        "system_second");
  CHECK(ErrorOf("currency: EUR\nversions: []\n") ==
        "p.yaml:1: currency: must be USD\np.yaml:2: versions: needs at least one version");
}

TEST_CASE("versions that overlap, and names given twice, are refused") {
  const std::string one = "  - {effective: 2026-06-01, models: [{name: m, input: 1, output: 1}]}\n";
  CHECK(ErrorOf("currency: USD\nversions:\n" + one + one) ==
        "p.yaml:4: versions[1].effective: overlaps the version before it, which is from "
        "2026-06-01T00:00:00Z; must be later");
  CHECK(
      ErrorOf("currency: USD\nversions:\n  - effective: 2026-06-01\n    models:\n"
              "      - {name: m, input: 1, output: 1}\n      - {name: m, input: 1, output: 1}\n") ==
      "p.yaml:6: versions[0].models[1].name: is \"m\", which is given twice");
}

TEST_CASE("plans are checked") {
  const auto plan = [](std::string_view fields) {
    return ErrorOf(absl::StrCat(WithModel("input: 1, output: 1"), "    plans:\n      - {name: p, ",
                                std::string(fields), "}\n"));
  };
  CHECK(plan("prepaid: true, bill: tokens") == "");
  CHECK(plan("bill: token") ==
        "p.yaml:7: versions[0].plans[0].bill: is \"token\", must be one of: tokens, compute_time; "
        "did you mean 'tokens'?");
  CHECK(plan("volume: [{up_to: 10, off: 0}, {up_to: 20, off: 0.1}]") ==
        "p.yaml:7: versions[0].plans[0].volume[1].up_to: the last step has no end");
  CHECK(plan("volume: [{up_to: 10, off: 0}, {up_to: 10, off: 0.1}, {off: 1.001}]") ==
        "p.yaml:7: versions[0].plans[0].volume[1].up_to: must be above 10.00\n"
        "p.yaml:7: versions[0].plans[0].volume[2].off: must lie in [0, 1]");
  CHECK(plan("reserved: [{model: n, tokens_per_minute: 5, per_minute: 1}]") ==
        "p.yaml:7: versions[0].plans: plan \"p\": no price of tokens for model \"n\" from "
        "2026-06-01T00:00:00Z on; did you mean 'm'?");
}

}  // namespace
}  // namespace waferline::billing
