#include "client/cli/serving/live_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <string_view>
#include <vector>

#include "client/cli/frame/output.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using Align = Table::Align;

const json::value* At(const json::object& object, std::string_view key) {
  return object.if_contains(json::string_view(key.data(), key.size()));
}

double NumberAt(const json::object& object, std::string_view key, double otherwise = 0) {
  const json::value* value = At(object, key);
  return value != nullptr && value->is_number() ? value->to_number<double>() : otherwise;
}

std::string TextAt(const json::object& object, std::string_view key) {
  const json::value* value = At(object, key);
  return value != nullptr && value->is_string() ? std::string(value->as_string().c_str()) : "";
}

bool FlagAt(const json::object& object, std::string_view key) {
  const json::value* value = At(object, key);
  return value != nullptr && value->is_bool() && value->as_bool();
}

// The objects of an array; none if it is something else.
std::vector<json::object> ObjectsAt(const json::object& object, std::string_view key) {
  std::vector<json::object> all;
  const json::value* value = At(object, key);
  if (value == nullptr || !value->is_array()) return all;
  for (const json::value& one : value->as_array()) {
    if (one.is_object()) all.push_back(one.as_object());
  }
  return all;
}

double NumberIn(const json::object& object, std::string_view key, size_t index) {
  const json::value* value = At(object, key);
  if (value == nullptr || !value->is_array() || index >= value->as_array().size()) return 0;
  const json::value& one = value->as_array()[index];
  return one.is_number() ? one.to_number<double>() : 0;
}

std::string Milliseconds(double ms) {
  if (ms >= 1e3) return fmt::format("{:.2f} s", ms * 1e-3);
  return ms >= 1 ? fmt::format("{:.1f} ms", ms) : fmt::format("{:.0f} us", ms * 1e3);
}

std::string Bar(double share, int width) {
  const int filled = static_cast<int>(std::clamp(share, 0.0, 1.0) * width + 0.5);
  return "[" + std::string(static_cast<size_t>(filled), '#') +
         std::string(static_cast<size_t>(width - filled), '.') + "]";
}

std::string ConditionOf(const json::object& part) {
  if (!FlagAt(part, "alive")) return "LOST";
  if (At(part, "reachable") != nullptr && !FlagAt(part, "reachable")) return "UNREACHABLE";
  const double slow = NumberAt(part, "slowdown", 1);
  if (slow > 1) return fmt::format("{:.2f}x slow", slow);
  const double link = NumberAt(part, "link_share", 1);
  if (link < 1) return fmt::format("link at {:.0f} %", 100 * link);
  return "healthy";
}

double RunningOf(const json::object& model) {
  return NumberAt(model, "prefilling") + NumberAt(model, "transferring") +
         NumberAt(model, "decoding");
}

// Tokens a second of host time since the look before.
double RateOf(const json::object& before, const json::object& look, const json::object& model) {
  const double seconds = (NumberAt(look, "host_ms") - NumberAt(before, "host_ms")) * 1e-3;
  if (before.empty() || seconds <= 0) return 0;
  for (const json::object& old : ObjectsAt(before, "models")) {
    if (TextAt(old, "model") != TextAt(model, "model")) continue;
    return std::max(0.0, NumberAt(model, "tokens") - NumberAt(old, "tokens")) / seconds;
  }
  return 0;
}

std::string ModelTable(const json::object& before, const json::object& look) {
  Table table({"MODEL", "TOKENS/S", "WAITING", "PREFILL", "HAND-OFF", "DECODE", "TTFT P50",
               "GAP P50", "FINISHED"});
  for (const json::object& model : ObjectsAt(look, "models")) {
    const bool first = NumberIn(model, "first_token_ms", 2) > 0;
    const bool gaps = NumberIn(model, "gap_us", 2) > 0;
    table.Add({TextAt(model, "model"), fmt::format("{:.0f}", RateOf(before, look, model)),
               fmt::format("{:.0f}", NumberAt(model, "waiting")),
               fmt::format("{:.0f}", NumberAt(model, "prefilling")),
               fmt::format("{:.0f}", NumberAt(model, "transferring")),
               fmt::format("{:.0f}", NumberAt(model, "decoding")),
               first ? Milliseconds(NumberIn(model, "first_token_ms", 0)) : "-",
               gaps ? Milliseconds(NumberIn(model, "gap_us", 0) * 1e-3) : "-",
               fmt::format("{:.0f}", NumberAt(model, "finished"))});
  }
  return table.Text(0);
}

std::string PartTable(const json::object& look) {
  Table table({"PART", "STATE", "LOAD", ""}, {Align::kLeft});
  for (const json::object& model : ObjectsAt(look, "models")) {
    for (const json::object& worker : ObjectsAt(model, "workers")) {
      table.Add({TextAt(worker, "name"), ConditionOf(worker),
                 FlagAt(worker, "stepping") ? "computing" : "idle",
                 fmt::format("{:.0f} tokens to do", NumberAt(worker, "pending_tokens"))});
    }
    for (const json::object& unit : ObjectsAt(model, "units")) {
      const double capacity = std::max(1.0, NumberIn(unit, "pages", 2));
      const double used = NumberIn(unit, "pages", 0) / capacity;
      table.Add(
          {TextAt(unit, "name"), ConditionOf(unit),
           fmt::format("{:.0f} of {:.0f}", NumberAt(unit, "running"), NumberAt(unit, "slots")),
           fmt::format("KV {} {:.0f} %", Bar(used, 20), 100 * used)});
    }
  }
  return table.Text(0);
}

// Emulated, on the timeline of the request's model.
double NowOf(const json::object& look, const json::object& request) {
  for (const json::object& model : ObjectsAt(look, "models")) {
    if (TextAt(model, "model") == TextAt(request, "model")) return NumberAt(model, "now_ms");
  }
  return 0;
}

// From its arrival until it ended or now.
double AgeOf(const json::object& look, const json::object& request) {
  const bool ended = At(request, "ended_ms") != nullptr;
  return (ended ? NumberAt(request, "ended_ms") : NowOf(look, request)) -
         NumberAt(request, "arrival_ms");
}

// Below 0: it is in flight.
double SinceEnd(const json::object& look, const json::object& request) {
  if (At(request, "ended_ms") == nullptr) return -1;
  return std::max(0.0, NowOf(look, request) - NumberAt(request, "ended_ms"));
}

std::string Summary(const json::object& look) {
  return fmt::format("{}, {:.0f} in flight, {:.0f} finished, {:.0f} refused, {} emulated\n",
                     TextAt(look, "state"), NumberAt(look, "in_flight"), NumberAt(look, "finished"),
                     NumberAt(look, "refused"), Milliseconds(NumberAt(look, "now_ms")));
}

// Its id, and which answer of it where it asks for several.
std::string NameOf(const json::object& request) {
  const bool one = At(request, "choice") == nullptr;
  return TextAt(request, "id") +
         (one ? "" : fmt::format(" choice {:.0f}", NumberAt(request, "choice")));
}

}  // namespace

std::string TopText(const json::object& before, const json::object& look, const Screen& screen) {
  const std::string all = Summary(look) + "\n" + ModelTable(before, look) + "\n" + PartTable(look) +
                          "\n" + RequestsText(look, kMaxTopEnded);
  std::string text;
  int rows = 0;
  for (size_t begin = 0; begin < all.size() && rows < screen.rows; ++rows) {
    const size_t end = all.find('\n', begin);
    text += all.substr(begin, std::min<size_t>(end - begin, static_cast<size_t>(screen.columns)));
    text += '\n';
    begin = end + 1;
  }
  return text;
}

std::string StatusText(const json::object& look) {
  std::string wrong;
  const auto cannot_be_served = [&look](const json::object& model) {
    const json::value* const impaired = look.if_contains("impaired");
    return impaired != nullptr && impaired->is_object() &&
           impaired->get_object().contains(TextAt(model, "model"));
  };
  if (look.contains("why")) wrong += "not ready: " + TextAt(look, "why") + "\n";
  if (const json::value* impaired = look.if_contains("impaired");
      impaired != nullptr && impaired->is_object()) {
    for (const auto& [model, why] : impaired->get_object()) {
      wrong +=
          std::string(model) + " cannot be served: " + TextAt(impaired->get_object(), model) + "\n";
    }
  }
  Table table({"MODEL", "WAITING", "RUNNING", "FINISHED", "REFUSED", "A NEW REQUEST WAITS"});
  for (const json::object& model : ObjectsAt(look, "models")) {
    table.Add({TextAt(model, "model"), fmt::format("{:.0f}", NumberAt(model, "waiting")),
               fmt::format("{:.0f}", RunningOf(model)),
               fmt::format("{:.0f}", NumberAt(model, "finished")),
               fmt::format("{:.0f}", NumberAt(model, "refused")),
               cannot_be_served(model) ? "-" : Milliseconds(NumberAt(model, "expected_queue_ms"))});
  }
  return Summary(look) + wrong + "\n" + table.Text(0) + "\n" + PartTable(look);
}

std::string RequestsText(const json::object& look, size_t max_ended) {
  Table table({"REQUEST", "STATE", "MODEL", "PROMPT", "TOKENS", "TIME", "RESTARTS", "LATE"},
              {Align::kLeft, Align::kLeft, Align::kLeft, Align::kRight});
  std::vector<json::object> requests = ObjectsAt(look, "requests");
  std::stable_sort(requests.begin(), requests.end(), [&](const auto& a, const auto& b) {
    return SinceEnd(look, a) < SinceEnd(look, b);
  });
  for (const json::object& request : requests) {
    const std::string end = TextAt(request, "end");
    if (!end.empty() && max_ended-- == 0) break;  // they come last
    table.Add(
        {NameOf(request), end.empty() ? TextAt(request, "phase") : end, TextAt(request, "model"),
         fmt::format("{:.0f}", NumberAt(request, "prompt_tokens")),
         fmt::format("{:.0f}/{:.0f}", NumberAt(request, "tokens"), NumberAt(request, "max_tokens")),
         Milliseconds(AgeOf(look, request)), fmt::format("{:.0f}", NumberAt(request, "restarts")),
         fmt::format("{:.0f}", NumberAt(request, "late_tokens"))});
  }
  return table.Text(0);
}

}  // namespace waferline::cli
