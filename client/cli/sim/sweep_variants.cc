#include "client/cli/sim/sweep_variants.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/frame/progress.h"
#include "client/cli/sim/sim_run.h"
#include "scheduler/search/variants.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
constexpr size_t kMaxParts = 100'000;

void Run(const simulator::OfflineInput& input, Variant* variant) {
  auto text = WithOverrides(input.config, variant->overrides);
  variant->status = text.status();
  if (!text.ok()) return;
  simulator::OfflineInput varied = input;
  varied.config = *std::move(text);
  auto run = RunSim(varied, {});
  variant->status = run.status();
  if (!run.ok()) return;
  variant->report = std::move(run->report);
  variant->report.erase("run");
}

bool TakeKnown(const RunJournal* journal, Variant* variant) {
  const json::object* known = journal == nullptr ? nullptr : journal->Find(variant->label);
  if (known == nullptr) return false;
  if (const json::value* report = known->if_contains("report")) {
    variant->report = report->as_object();
  } else {
    variant->status = absl::InvalidArgumentError(json::value_to<std::string>(known->at("error")));
  }
  return true;
}

absl::Status Keep(const Variant& variant, RunJournal* journal) {
  if (journal == nullptr) return absl::OkStatus();
  if (variant.status.ok()) return journal->Add(variant.label, {{"report", variant.report}});
  return journal->Add(variant.label, {{"error", std::string(variant.status.message())}});
}

}  // namespace

absl::StatusOr<std::vector<Variant>> VariantsOf(const std::vector<std::string>& varied) {
  const auto axes = search::ParseAxes(varied);
  if (!axes.ok()) {
    return UsageError(absl::StrCat("--vary: ", std::string(axes.status().message())));
  }
  std::vector<Variant> variants;
  for (const search::Place& place : search::AllPlaces(*axes)) {
    Variant variant{.index = variants.size(), .overrides = search::OverridesOf(*axes, place)};
    variant.label = search::LabelOf(variant.overrides);
    variants.push_back(std::move(variant));
  }
  return variants;
}

absl::StatusOr<Part> PartOf(const Arguments& arguments) {
  Part part;
  if (!arguments.Has("part")) return part;
  const std::string& text = arguments.Text("part");
  const size_t slash = text.find('/');
  if (slash == std::string::npos || !absl::SimpleAtoi(text.substr(0, slash), &part.index) ||
      !absl::SimpleAtoi(text.substr(slash + 1), &part.of) || part.index >= part.of ||
      part.of > kMaxParts) {
    return UsageError(absl::StrCat("--part is \"", text,
                                   "\", must be I/N with I in [0, N) and N at most ", kMaxParts,
                                   ", as 0/8"));
  }
  return part;
}

std::vector<Variant> OnlyPart(std::vector<Variant> variants, const Part& part) {
  std::erase_if(variants,
                [&](const Variant& variant) { return variant.index % part.of != part.index; });
  return variants;
}

absl::Status RunAll(const simulator::OfflineInput& input, int64_t threads, RunJournal* journal,
                    std::vector<Variant>* variants) {
  int64_t done = 0;
  Mutex show;
  absl::Status kept;
  Progress progress("runs", static_cast<int64_t>(variants->size()));
  InParallel(variants->size(), static_cast<size_t>(threads), [&](size_t i) {
    Variant& variant = (*variants)[i];
    const bool known = TakeKnown(journal, &variant);
    if (!known) Run(input, &variant);
    const MutexLock lock(&show);
    if (!known && kept.ok()) kept = Keep(variant, journal);
    progress.Show(++done);
  });
  return kept;
}

}  // namespace waferline::cli
