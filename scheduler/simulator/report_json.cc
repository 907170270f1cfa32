#include "scheduler/simulator/report_json.h"

#include <boost/json.hpp>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "scheduler/engine/snapshot.h"
#include "wafer_backend/base/json_text.h"

namespace waferline::simulator {
namespace {

namespace json = boost::json;

// Nine significant digits: more is noise of the last bit.
json::value Number(double value) {
  if (!std::isfinite(value)) return nullptr;
  char text[32];
  std::snprintf(text, sizeof(text), "%.9g", value);
  return std::strtod(text, nullptr);
}

double Milliseconds(Nanoseconds t) { return t.as_double() * 1e-6; }

json::object Distribution(const LogHistogram& h) {
  json::object out;
  out["count"] = h.count();
  out["mean"] = Number(h.mean_ns() * 1e-6);
  for (const auto& [name, share] :
       {std::pair("p50", 0.5), {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}}) {
    out[name] = Number(Milliseconds(h.Percentile(share)));
  }
  out["min"] = Number(Milliseconds(h.min()));
  out["max"] = Number(Milliseconds(h.max()));
  return out;
}

json::object Requests(const Report& report) {
  json::object out;
  out["offered"] = report.requests;
  out["completed"] = report.completed;
  out["deadline_missed"] = report.deadline_missed;
  out["cancelled"] = report.cancelled;
  out["failed"] = report.failed;
  json::object refused;
  for (int c = 0; c < policy::kRefusalCauses; ++c) {
    if (report.refused[c] == 0) continue;
    const std::string_view name = Name(static_cast<policy::RefusalCause>(c));
    refused[json::string_view(name.data(), name.size())] = report.refused[c];
  }
  out["refused"] = std::move(refused);
  json::object restarts;
  constexpr const char* kNames[engine::kRestartCauses] = {"preempted", "worker_lost", "unit_lost",
                                                          "lease_expired"};
  for (int c = 0; c < engine::kRestartCauses; ++c) {
    if (report.restarts[c] > 0) restarts[kNames[c]] = report.restarts[c];
  }
  out["restarted"] = std::move(restarts);
  return out;
}

json::object Sides(const DeviceUse& device) {
  constexpr const char* kNames[kSides] = {"attention", "ffn", "link"};
  json::object sides;
  for (size_t i = 0; i < kSides; ++i) {
    const double busy = device.side_share.at(i);
    sides[kNames[i]] = json::object{{"busy_share", Number(busy)}, {"idle_share", Number(1 - busy)}};
  }
  sides["link_bytes"] = Number(device.bytes);
  return sides;
}

json::array Devices(const Report& report) {
  json::array out;
  for (const DeviceUse& device : report.devices) {
    json::object d;
    d["name"] = device.name;
    d["model"] = device.model;
    d["kind"] = device.kind;
    if (!device.tier.empty()) d["tier"] = device.tier;
    d["busy_share"] = Number(device.busy_share);
    if (!device.stage_share.empty()) {
      double busy = 0;
      json::array stages;
      for (const double share : device.stage_share) {
        stages.push_back(Number(share));
        busy += share;
      }
      d["bubble_share"] = Number(1 - busy / static_cast<double>(device.stage_share.size()));
      d["stage_busy_share"] = std::move(stages);
    }
    if (!device.side_share.empty()) d["sides"] = Sides(device);
    if (device.max_kv_share > 0) {
      d["kv_share"] = Number(device.kv_share);
      d["most_kv_share"] = Number(device.max_kv_share);
    }
    if (device.kind == "link") {
      d["bytes"] = Number(device.bytes);
    } else {
      d["tokens"] = device.tokens;
      d["devices"] = device.devices;
      d["charged_ns"] = device.charged_ns;
      d["idle_ns"] = device.idle_ns;
    }
    out.push_back(std::move(d));
  }
  return out;
}

// As short as the digits allow: Boost.JSON would write every double with an exponent.
void Leaf(const json::value& value, std::string* out) {
  if (const auto* array = value.if_array()) {
    *out += '[';
    for (size_t i = 0; i < array->size(); ++i) {
      if (i > 0) *out += ", ";
      Leaf((*array)[i], out);
    }
    *out += ']';
  } else if (const auto* number = value.if_double()) {
    AppendJsonNumber(*out, *number);
  } else {
    *out += json::serialize(value);
  }
}

void Indent(const json::value& value, int depth, std::string* out) {
  const std::string pad(static_cast<size_t>(depth) * 2 + 2, ' ');
  const std::string end(static_cast<size_t>(depth) * 2, ' ');
  if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
    *out += "{\n";
    for (auto it = object->begin(); it != object->end(); ++it) {
      *out += pad + json::serialize(json::value(it->key())) + ": ";
      Indent(it->value(), depth + 1, out);
      *out += std::next(it) == object->end() ? "\n" : ",\n";
    }
    *out += end + "}";
  } else if (const auto* array = value.if_array();
             array != nullptr && !array->empty() && array->front().is_object()) {
    *out += "[\n";
    for (size_t i = 0; i < array->size(); ++i) {
      *out += pad;
      Indent((*array)[i], depth + 1, out);
      *out += i + 1 == array->size() ? "\n" : ",\n";
    }
    *out += end + "]";
  } else {
    Leaf(value, out);
  }
}

std::string Printed(const json::value* value) {
  std::string out;
  if (value != nullptr) Leaf(*value, &out);
  return out;
}

void Walk(const std::string& path, const json::value* a, const json::value* b,
          std::vector<Difference>* out) {
  const auto key_of = [&](json::string_view key) {
    return (path.empty() ? "" : path + ".") + std::string(key.data(), key.size());
  };
  if (a != nullptr && b != nullptr && a->is_object() && b->is_object()) {
    for (const auto& [key, value] : a->get_object()) {
      Walk(key_of(key), &value, b->get_object().if_contains(key), out);
    }
    for (const auto& [key, value] : b->get_object()) {
      if (!a->get_object().contains(key)) Walk(key_of(key), nullptr, &value, out);
    }
    return;
  }
  if (a != nullptr && b != nullptr && a->is_array() && b->is_array() &&
      a->get_array().size() == b->get_array().size()) {
    for (size_t i = 0; i < a->get_array().size(); ++i) {
      Walk(absl::StrCat(path, "[", i, "]"), &a->get_array()[i], &b->get_array()[i], out);
    }
    return;
  }
  if (a != nullptr && b != nullptr && *a == *b) return;
  Difference d{path, Printed(a), Printed(b), 0};
  if (a != nullptr && b != nullptr && a->is_number() && b->is_number()) {
    const double x = a->to_number<double>();
    if (x != 0) d.relative = (b->to_number<double>() - x) / x;
  }
  out->push_back(std::move(d));
}

// Requests by the service tier that served them, if any were.
json::object Tiers(const Report& report) {
  json::object out;
  for (int i = 0; i < kServiceTiers; ++i) {
    const ServedTally& tier = report.by_tier[i];
    if (tier.completed == 0) continue;
    json::object entry{{"completed", tier.completed}, {"output_tokens", tier.output_tokens}};
    if (report.has_objectives) entry["met_objectives"] = tier.met_objectives;
    entry["ttft_ms"] = Distribution(tier.ttft);
    entry["tpot_ms"] = Distribution(tier.tpot);
    entry["e2e_ms"] = Distribution(tier.e2e);
    const std::string_view name = NameOf(static_cast<ServiceTier>(i));
    out[json::string_view(name.data(), name.size())] = std::move(entry);
  }
  return out;
}

// What requests occupied; what stood idle is not in it.
json::object Compute(const Report& report) {
  json::object out{{"wafer_ns", report.compute.wafer_ns},
                   {"accelerator_ns", report.compute.accelerator_ns},
                   {"microjoules", report.compute.microjoules}};
  if (report.output_tokens == 0) return out;  // no price or energy of a token
  const auto tokens = static_cast<double>(report.output_tokens);
  if (report.compute.microjoules > 0) {
    out["joules_per_output_token"] =
        Number(static_cast<double>(report.compute.microjoules) * 1e-6 / tokens);
  }
  if (report.cost_usd() > 0) {
    out["usd_per_million_output_tokens"] = Number(report.charged_usd() * 1e6 / tokens);
  }
  return out;
}

json::object PrefixCache(const Report& report) {
  const auto queried = static_cast<double>(report.cache_queried_tokens);
  const double share = queried == 0 ? 0 : static_cast<double>(report.cache_hit_tokens) / queried;
  return {{"queried_tokens", report.cache_queried_tokens},
          {"hit_tokens", report.cache_hit_tokens},
          {"hit_share", Number(share)}};
}

}  // namespace

json::object ToJson(const Report& report) {
  json::object out;
  out["requests"] = Requests(report);
  out["emulated_seconds"] = Number(report.seconds());
  const double seconds = report.seconds() > 0 ? report.seconds() : 1;
  out["prompt_tokens"] = report.prompt_tokens;
  out["output_tokens"] = report.output_tokens;
  out["requests_per_second"] = Number(static_cast<double>(report.completed) / seconds);
  out["output_tokens_per_second"] = Number(static_cast<double>(report.output_tokens) / seconds);
  out["ttft_ms"] = Distribution(report.ttft);
  out["inter_token_ms"] = Distribution(report.inter_token);
  out["tpot_ms"] = Distribution(report.tpot);
  out["e2e_ms"] = Distribution(report.e2e);
  json::object parts;
  parts["queue_ms"] = Distribution(report.queue);
  parts["prefill_ms"] = Distribution(report.prefill);
  parts["transfer_ms"] = Distribution(report.transfer);
  parts["decode_ms"] = Distribution(report.decode);
  out["parts"] = std::move(parts);
  // Little's law: requests inside on average = rate times time inside.
  out["mean_in_flight"] = Number(report.e2e.sum_ns() * 1e-9 / seconds);
  if (report.has_objectives) {
    json::object goodput;
    goodput["met"] = report.met_objectives;
    goodput["requests_per_second"] = Number(static_cast<double>(report.met_objectives) / seconds);
    goodput["share"] = Number(static_cast<double>(report.met_objectives) /
                              static_cast<double>(std::max<uint64_t>(1, report.requests)));
    out["goodput"] = std::move(goodput);
  }
  out["prefix_cache"] = PrefixCache(report);
  out["tiers"] = Tiers(report);
  out["compute"] = Compute(report);
  out["devices"] = Devices(report);
  const auto tokens = static_cast<double>(report.output_tokens);
  if (report.energy_joules() > 0) {
    out["energy_kwh"] = Number(report.energy_joules() / 3.6e6);
    if (tokens > 0) out["joules_per_output_token"] = Number(report.energy_joules() / tokens);
  }
  if (report.cost_usd() > 0) {
    out["cost_usd"] = Number(report.cost_usd());
    if (tokens > 0) {
      out["usd_per_million_output_tokens"] = Number(report.cost_usd() * 1e6 / tokens);
    }
  }
  json::object receipt;
  receipt["seed"] = report.seed;
  receipt["speed_up"] = Number(report.speed_up);
  receipt["repeat"] = report.repeat;
  receipt["trace_hash"] = engine::DigestText(report.trace_hash);
  receipt["digest"] = engine::DigestText(report.digest);
  receipt["events"] = report.events;
  out["receipt"] = std::move(receipt);
  return out;
}

std::string Pretty(const json::value& value) {
  std::string out;
  Indent(value, 0, &out);
  return out + "\n";
}

std::vector<Difference> Compare(const json::value& a, const json::value& b) {
  std::vector<Difference> out;
  Walk("", &a, &b, &out);
  return out;
}

}  // namespace waferline::simulator
