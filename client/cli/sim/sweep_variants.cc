#include "client/cli/sim/sweep_variants.h"

#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/frame/progress.h"
#include "client/cli/sim/sim_run.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
constexpr size_t kMaxVariants = 100'000;
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
  std::vector<Variant> variants(1);
  for (const std::string& text : varied) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
      return UsageError("--vary \"" + text + "\" is not PATH=VALUE,VALUE,...");
    }
    const std::string path = text.substr(0, equals);
    for (const auto& [earlier, value] : variants.front().overrides) {
      if (earlier == path) return UsageError("--vary: " + path + " is given twice");
    }
    std::vector<Variant> next;
    std::istringstream values(text.substr(equals + 1));
    for (std::string value; std::getline(values, value, ',');) {
      for (const Variant& variant : variants) {
        Variant with = variant;
        with.overrides.emplace_back(path, value);
        with.label += (with.label.empty() ? "" : " ") + path + "=" + value;
        next.push_back(std::move(with));
      }
      if (next.size() > kMaxVariants) return UsageError("--vary makes too many combinations");
    }
    variants = std::move(next);
  }
  for (size_t i = 0; i < variants.size(); ++i) variants[i].index = i;
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
