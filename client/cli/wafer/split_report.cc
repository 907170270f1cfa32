#include "client/cli/wafer/split_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <vector>

#include "client/cli/charts/line_chart.h"
#include "client/cli/charts/page.h"
#include "client/cli/charts/pareto.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using placement::Served;
using placement::SplitRow;
using placement::UncutRow;

void AddServed(const Served& served, json::object* out) {
  (*out)["users"] = served.users;
  (*out)["tokens_per_second_user"] = served.tokens_per_second_user;
  (*out)["aggregate"] = served.aggregate;
  (*out)["usd_per_million"] = served.usd_per_million;
  (*out)["joules"] = served.joules;
  (*out)["fast_enough"] = served.fast_enough;
}

json::object Json(const SplitRow& row) {
  json::object out{{"context", row.context},
                   {"ratio", row.ratio},
                   {"attention_devices", row.attention_devices},
                   {"ffn_devices", row.ffn_devices},
                   {"micro_batches", row.micro_batches},
                   {"link_us", row.link_us},
                   {"bound", std::string(NameOf(row.bound))},
                   {"attention_idle_share", row.attention_idle},
                   {"ffn_idle_share", row.ffn_idle}};
  AddServed(row.served, &out);
  return out;
}

json::object Json(const UncutRow& row) {
  json::object out{{"context", row.context}, {"hardware", row.hardware}, {"devices", row.devices}};
  AddServed(row.served, &out);
  return out;
}

std::vector<std::string> RowCells(const SplitRow& row) {
  return {fmt::format("{}", row.context),
          fmt::format("{} : {}", row.attention_devices, row.ffn_devices),
          fmt::format("{}", row.micro_batches),
          fmt::format("{:g}", row.link_us),
          fmt::format("{}", row.served.users),
          fmt::format("{:.1f}", row.served.tokens_per_second_user),
          fmt::format("{:.0f}", row.served.aggregate),
          std::string(NameOf(row.bound)),
          fmt::format("{:.3f}", row.served.usd_per_million),
          fmt::format("{:.3f}", row.served.joules)};
}

}  // namespace

std::string_view NameOf(placement::SplitBound bound) {
  switch (bound) {
    case placement::SplitBound::kAttention:
      return "attention";
    case placement::SplitBound::kFfn:
      return "ffn";
    case placement::SplitBound::kLink:
      return "link";
    case placement::SplitBound::kLatency:
      return "latency";
  }
  return "";
}

// Against one sort of machine, uncut.
std::string VerdictAgainst(const SplitFindings& found, const std::string& hardware,
                           const std::optional<int64_t>& from) {
  const std::string speed =
      found.task.min_user_speed > 0
          ? fmt::format(" at {:g} tokens/s a user or more", found.task.min_user_speed)
          : "";
  if (from) {
    return fmt::format("a split is cheaper than {} uncut from context {} on{}", hardware, *from,
                       speed);
  }
  const int64_t longest = found.task.contexts.back();
  const SplitRow* const split = found.sweep.Best(longest);
  const UncutRow* const uncut = found.sweep.Uncut(longest, hardware);
  if (split == nullptr) {
    return fmt::format("a split loses: at context {} no combination is fast enough{}", longest,
                       speed);
  }
  return fmt::format(
      "a split loses against {0} uncut{1}: at context {2} a million tokens cost {3:.3f} USD split "
      "and {4:.3f} USD on {5} x {0}",
      hardware, speed, longest, split->served.usd_per_million, uncut->served.usd_per_million,
      uncut->devices);
}

std::string VerdictOf(const SplitFindings& found) {
  const std::string& ffn = found.task.ffn.name;
  const std::string& attention = found.task.attention.name;
  std::string verdict = VerdictAgainst(found, ffn, found.sweep.breaks_even_context);
  if (ffn == attention || found.sweep.Best(found.task.contexts.back()) == nullptr) return verdict;
  const auto& both = found.sweep.beats_both_context;
  if (both && both == found.sweep.breaks_even_context) {
    return verdict + ", and than " + attention + " uncut";
  }
  return verdict + "; " + VerdictAgainst(found, attention, both);
}

json::object SplitJson(const SplitFindings& found) {
  json::array rows, best, against;
  for (const SplitRow& row : found.sweep.rows) rows.push_back(Json(row));
  for (const int64_t context : found.task.contexts) {
    if (const SplitRow* row = found.sweep.Best(context)) best.push_back(Json(*row));
  }
  for (const UncutRow& row : found.sweep.uncut) against.push_back(Json(row));
  json::object out{{"model", found.task.shape.name},
                   {"attention", found.task.attention.name},
                   {"ffn", found.task.ffn.name},
                   {"verdict", VerdictOf(found)},
                   {"did_not_fit", found.sweep.did_not_fit},
                   {"best", std::move(best)},
                   {"against", std::move(against)},
                   {"rows", std::move(rows)}};
  const auto number = [](const std::optional<int64_t>& context) {
    return context ? json::value(*context) : json::value(nullptr);
  };
  out["breaks_even_context"] = number(found.sweep.breaks_even_context);
  out["beats_both_context"] = number(found.sweep.beats_both_context);
  return out;
}

std::string DrawFrontier(const SplitFindings& found) {
  std::vector<ParetoPoint> points;
  for (const SplitRow& row : found.sweep.rows) {
    points.push_back(
        {fmt::format("split {} : {}, {} micro-batches, {:g} us, context {}", row.attention_devices,
                     row.ffn_devices, row.micro_batches, row.link_us, row.context),
         row.served.tokens_per_second_user, row.served.usd_per_million});
  }
  for (const UncutRow& row : found.sweep.uncut) {
    points.push_back(
        {fmt::format("uncut, {} x {}, context {}", row.devices, row.hardware, row.context),
         row.served.tokens_per_second_user, row.served.usd_per_million});
  }
  MarkFront(true, false, &points);
  return DrawPareto({.title = found.title,
                     .x_label = "tokens/s of a user",
                     .y_label = "USD a million tokens",
                     .points = std::move(points)});
}

std::string DrawPingPong(const placement::SplitModel& model, const SplitRow& row) {
  const placement::SplitTimes times = placement::TimesOf(
      model, {static_cast<int>(row.served.users), row.served.users * row.context, 1});
  const size_t layers = std::min<size_t>(2, model.kind_of.size());
  std::vector<timing::SplitLayer> pair;
  for (size_t i = 0; i < layers; ++i) pair.push_back(times.kinds[model.kind_of[i]]);
  SpanChart chart{
      .title =
          fmt::format("Two layers of a step: {} users, {} micro-batches, {} : {}", row.served.users,
                      times.micro_batches, row.attention_devices, row.ffn_devices),
      .x_label = "microseconds",
      .rows = {
          {"attention", {}}, {"to feed-forward", {}}, {"feed-forward", {}}, {"to attention", {}}}};
  for (const timing::SplitSpan& span : timing::SplitSpans(
           pair, times.micro_batches, {model.attention.by_layer, model.ffn.by_layer})) {
    Nanoseconds end = span.end;  // on its way until it arrives
    if (span.stop == timing::SplitStop::kOut || span.stop == timing::SplitStop::kBack) {
      end += model.link_latency;
    }
    chart.rows[static_cast<size_t>(span.stop)].spans.push_back(
        {span.begin.as_double() / 1e3, end.as_double() / 1e3,
         fmt::format("{}.{}", span.micro_batch + 1, span.layer + 1),
         static_cast<size_t>(span.micro_batch)});
  }
  return DrawSpans(chart);
}

std::string SplitPage(const SplitFindings& found, const SplitPictures& pictures) {
  Page page(found.title);
  page.Paragraph(VerdictOf(found) + ".");
  if (!pictures.ping_pong.empty()) {
    page.Picture(pictures.ping_pong,
                 "Micro-batch and layer, of the best row at the longest context.");
  }
  page.Picture(pictures.frontier, "Every row, and what the same machines do uncut.");
  std::vector<std::vector<std::string>> rows, against;
  for (const int64_t context : found.task.contexts) {
    if (const SplitRow* row = found.sweep.Best(context)) rows.push_back(RowCells(*row));
  }
  for (const UncutRow& row : found.sweep.uncut) {
    against.push_back({fmt::format("{}", row.context),
                       fmt::format("{} x {}", row.devices, row.hardware),
                       fmt::format("{}", row.served.users),
                       fmt::format("{:.1f}", row.served.tokens_per_second_user),
                       fmt::format("{:.3f}", row.served.usd_per_million),
                       fmt::format("{:.3f}", row.served.joules)});
  }
  page.Heading("Best split of each context");
  page.Table({"context", "attention : ffn", "micro-batches", "link, us", "users", "tokens/s a user",
              "tokens/s", "bound", "USD a million", "J a token"},
             rows);
  page.Heading("Uncut");
  page.Table({"context", "machines", "users", "tokens/s a user", "USD a million", "J a token"},
             against);
  return page.Finish();
}

}  // namespace waferline::cli
