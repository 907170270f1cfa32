// waferctl wafer split: attention on one kind of machine, feed-forward on another, against both
// uncut.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/frame/output.h"
#include "client/cli/wafer/model_flags.h"
#include "client/cli/wafer/split_report.h"
#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/profile_file.h"
#include "wafer_backend/hardware/timing/weight_types.h"

namespace waferline::cli {
namespace {

using placement::SplitRow;
using placement::SplitSweep;
using placement::SplitSweepTask;
using placement::UncutRow;

// What a flag's values may be, and whether the next one is twice as large or one more.
struct Scale {
  double min = 1, max = 1;
  bool doubling = false;
};

std::optional<double> NumberOf(std::string_view text) {
  double factor = 1;
  if (text.ends_with('k')) factor = 1024;
  if (text.ends_with('M')) factor = 1024 * 1024;
  if (factor > 1) text.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value * factor;
}

// "3", or "1:8": both ends and what lies between.
absl::StatusOr<std::vector<double>> ValuesOf(const Arguments& arguments, const char* flag,
                                             const Scale& scale) {
  const std::string& text = arguments.Text(flag);
  const std::vector<std::string> ends = absl::StrSplit(text, ':');
  const auto wrong = [&](const char* what) {
    return UsageError(fmt::format("--{}: '{}' {}; allowed is N or LOW:HIGH in [{:.10g}, {:.10g}]",
                                  flag, text, what, scale.min, scale.max));
  };
  const auto low = NumberOf(ends.front()), high = NumberOf(ends.back());
  if (ends.size() > 2 || !low || !high) return wrong("is not a range");
  if (*low > *high) return wrong("has LOW above HIGH");
  if (!(*low >= scale.min && *high <= scale.max)) return wrong("is out of range");
  std::vector<double> values;
  for (double value = *low; value < *high; value = scale.doubling ? 2 * value : value + 1) {
    values.push_back(value);
  }
  values.push_back(*high);
  return values;
}

template <typename Number>
absl::Status Read(const Arguments& arguments, const char* flag, const Scale& scale,
                  std::vector<Number>* out) {
  WL_ASSIGN_OR_RETURN(const std::vector<double> values, ValuesOf(arguments, flag, scale));
  for (const double value : values) out->push_back(static_cast<Number>(value));
  return absl::OkStatus();
}

void PrintBest(const SplitSweepTask& task, const SplitSweep& sweep) {
  Table table({"context", "attention : ffn", "micro-batches", "link, us", "users",
               "tokens/s a user", "tokens/s", "bound", "idle, %", "USD/M tokens", "J/token"},
              {Table::Align::kRight});
  for (const int64_t context : task.contexts) {
    const SplitRow* const row = sweep.Best(context);
    if (row == nullptr) {
      table.Add({fmt::format("{}", context), "none is fast enough"});
      continue;
    }
    table.Add({fmt::format("{}", context),
               fmt::format("{} : {}", row->attention_devices, row->ffn_devices),
               fmt::format("{}", row->micro_batches), fmt::format("{:g}", row->link_us),
               fmt::format("{}", row->served.users),
               fmt::format("{:.1f}", row->served.tokens_per_second_user),
               fmt::format("{:.0f}", row->served.aggregate), std::string(NameOf(row->bound)),
               fmt::format("{:.0f} : {:.0f}", 100 * row->attention_idle, 100 * row->ffn_idle),
               fmt::format("{:.3f}", row->served.usd_per_million),
               fmt::format("{:.3f}", row->served.joules)});
  }
  table.Print();
}

void PrintUncut(const SplitSweep& sweep) {
  Table table(
      {"context", "uncut", "users", "tokens/s a user", "tokens/s", "USD/M tokens", "J/token"},
      {Table::Align::kRight});
  for (const UncutRow& row : sweep.uncut) {
    table.Add({fmt::format("{}", row.context), fmt::format("{} x {}", row.devices, row.hardware),
               fmt::format("{}", row.served.users),
               fmt::format("{:.1f}{}", row.served.tokens_per_second_user,
                           row.served.fast_enough ? "" : " (too slow)"),
               fmt::format("{:.0f}", row.served.aggregate),
               fmt::format("{:.3f}", row.served.usd_per_million),
               fmt::format("{:.3f}", row.served.joules)});
  }
  table.Print();
}

absl::Status Report(const Arguments& arguments, const SplitFindings& found) {
  const SplitRow* const best = found.sweep.Best(found.task.contexts.back());
  SplitPictures pictures;
  if (best != nullptr) {
    WL_ASSIGN_OR_RETURN(const placement::SplitModel model,
                        placement::SplitOfRow(found.task, *best));
    pictures.ping_pong = DrawPingPong(model, *best);
  }
  pictures.frontier = DrawFrontier(found);
  if (arguments.Has("svg")) {
    if (best == nullptr) return absl::NotFoundError("--svg: " + VerdictOf(found));
    WL_RETURN_IF_ERROR(WriteFile(arguments.Text("svg"), pictures.ping_pong));
  }
  if (arguments.Has("frontier")) {
    WL_RETURN_IF_ERROR(WriteFile(arguments.Text("frontier"), pictures.frontier));
  }
  if (arguments.Has("html")) {
    WL_RETURN_IF_ERROR(WriteFile(arguments.Text("html"), SplitPage(found, pictures)));
  }
  if (arguments.json()) {
    PrintText(JsonText(SplitJson(found)) + "\n");
    return absl::OkStatus();
  }
  Print("{}; {} combinations, {} more do not fit\n", found.title, found.sweep.rows.size(),
        found.sweep.did_not_fit);
  PrintBest(found.task, found.sweep);
  PrintUncut(found.sweep);
  Print("{}\n", VerdictOf(found));
  return absl::OkStatus();
}

absl::Status RunSplit(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const timing::ModelSizes shape, ReadShape(arguments.operand(0)));
  WL_ASSIGN_OR_RETURN(const silicon::Hardware attention,
                      silicon::LoadHardware(arguments.Text("attention")));
  WL_ASSIGN_OR_RETURN(const silicon::Hardware ffn, silicon::LoadHardware(arguments.Text("ffn")));
  WL_ASSIGN_OR_RETURN(const timing::Profile profile,
                      timing::LoadProfile(arguments.Text("profile")));
  SplitSweepTask task{.shape = shape, .attention = attention, .ffn = ffn, .profile = profile};
  WL_RETURN_IF_ERROR(Read(arguments, "context", {1, 1 << 30, true}, &task.contexts));
  WL_RETURN_IF_ERROR(Read(arguments, "ratio", {1, 64}, &task.ratios));
  WL_RETURN_IF_ERROR(Read(arguments, "micro-batches", {1, 64}, &task.micro_batches));
  WL_RETURN_IF_ERROR(Read(arguments, "link-us", {0.01, 1e6, true}, &task.link_us));
  task.link_bytes_per_second = arguments.Number("link-gbps") * 1e9 / 8;
  WL_ASSIGN_OR_RETURN(task.bytes_per_weight, timing::BytesPerWeight(arguments.Text("weights")));
  task.max_users = arguments.Integer("users");
  task.min_user_speed = arguments.Number("min-speed");
  WL_ASSIGN_OR_RETURN(const SplitSweep sweep, placement::SweepSplits(task));
  return Report(arguments, {absl::StrCat(shape.name, ": attention on ", attention.name,
                                         ", feed-forward on ", ffn.name),
                            task, sweep});
}

}  // namespace

Command SplitCommand() {
  const auto side = [](const char* name, const char* summary, const char* fallback) {
    return TextFlag(name, "NAME|FILE", summary)
        .Suggest(silicon::BuiltInHardware())
        .Default(fallback);
  };
  return {
      .words = "wafer split",
      .summary = "Run attention on one kind of machine and feed-forward on another: does it pay",
      .operands = {{"MODEL", "a name of deploy/model-shapes, a YAML file, config.json or GGUF"}},
      .flags =
          {side("attention", "machines of attention and KV: wafers or accelerators", "h200"),
           side("ffn", "machines of the feed-forward parts, as few as fit", "wse-3"), ProfileFlag(),
           TextFlag("context", "LOW:HIGH", "cached tokens of each user, doubling; 1k is 1024")
               .Default("1k:256k"),
           TextFlag("ratio", "LOW:HIGH",
                    "attention machines for each feed-forward machine; a pipeline of chips is one")
               .Default("1:8"),
           TextFlag("micro-batches", "LOW:HIGH", "in flight").Default("1:6"),
           TextFlag("link-us", "LOW:HIGH", "latency of one way, microseconds, doubling")
               .Default("2:20"),
           NumberFlag("link-gbps", "G", "bandwidth each way, Gb/s", {0.001, 1e6}).Default(1200),
           IntegerFlag("users", "N", "users at once, at most", {1, 1 << 20}).Default(256),
           NumberFlag("min-speed", "S", "tokens/s that each user has at least", {0, 1e6})
               .Default(50),
           ChoiceFlag("weights", "TYPE", "number format of the weights",
                      absl::StrSplit(timing::WeightTypeNames(), ", "))
               .Default("fp16"),
           OutputFlag("svg", "also draw two layers of the best row's step"),
           OutputFlag("frontier", "also draw speed against price of every row"),
           OutputFlag("html", "also write all of it as one page of HTML")},
      .examples = {"waferctl wafer split llama-3.1-70b --attention h200 --ffn wse-3",
                   "waferctl wafer split deepseek-v3 --weights fp8 --context 4k:128k --ratio 1:4"},
      .run = RunSplit};
}

}  // namespace waferline::cli
