#include "server/config/config_fields.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/config/server_config.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/strings.h"

namespace waferline::config {
namespace {

// Files in which the readers ask for every field there is: what is asked depends on what is chosen.
// They name hardware and models that nothing loads.
constexpr const char* kFiles[] = {
    R"(listen: {hosts: [{name: h}], admin_port: 1}
clock: {kind: real}
billing: {store: "sqlite:usage.db", prices: p}
tls: {cert: c, key: k, ca: a}
api_keys: [{key: k, tenant: t}]
models:
  - name: m
    shape: s
    prefill: {hardware: h}
    decode: [{hardware: h}]
    scheduling: {order: priority, preempt: true, draft: [{acceptance: 0.5}]}
    tokens: {from: shards, file: f, experts: {over: 2}, speculation: draft, draft_file: f}
)",
    R"(clock: {kind: stepped}
cell: {name: c, registry: {kind: etcd, endpoints: [{address: "h:3"}]}}
models:
  - name: m
    shape: s
    prefill: {hardware: h}
    decode: [{hardware: h}]
    tokens: {from: remote, file: f, prefill_worker: "h:1", shard_workers: [{address: "h:2"}], standby_workers: [{address: "h:3"}]}
  - name: n
    shape: s
    prefill: {hardware: h}
    decode: [{hardware: h}]
    scheduling: {fast_tier: {who: long_answer}}
    tokens: {from: remote, file: f, chains: [{prefill_worker: "h:1", prefill_workers: [{address: "h:1"}], shard_workers: [{address: "h:2"}]}]}
  - name: p
    shape: s
    prefill: {hardware: h}
    decode: [{hardware: h}]
    tokens: {from: split, file: f}
  - name: o
    shape: s
    prefill: {hardware: h}
    decode: [{hardware: h}]
    scheduling: {fast_tier: {who: cached}}
    tokens: {from: split, file: f, prefill_workers: [{address: "h:1"}], attention_workers: [{address: "h:2"}]}
)",
    R"(cell: {name: c, registry: {kind: file, path: f}}
kv_events: [{bind: "tcp://h:4"}]
engine_api: {vllm: true}
kv_transfer: {key: "0123456789abcdef"}
models:
  - name: m
    shape: s
    prefill: {hardware: h}
    decode: [{kind: split, attention: {hardware: h}, ffn: {hardware: h}}]
    scheduling: {fast_tier: {who: share}}
    tokens: {from: cheap, file: f}
)"};

std::string WithoutIndexes(std::string path) {
  for (size_t open = path.find('['); open != std::string::npos; open = path.find('[', open + 1)) {
    path.erase(open + 1, path.find(']', open) - open - 1);
  }
  return path;
}

// What a number counts, by the end of its name.
std::string_view UnitOf(std::string_view path) {
  constexpr std::pair<std::string_view, std::string_view> kUnits[] = {
      {"_us", "microseconds"},
      {"ttl_s", "seconds"},
      {"_ms", "milliseconds"},
      {"bytes_per_second", "bytes a second"},
      {"_bytes", "bytes"},
      {"_tokens", "tokens"},
      {"context", "positions"},
      {"keep_s", "seconds"},
      {"per_minute", "tokens a minute"},
      {"per_day", "requests a day"}};
  for (const auto& [end, unit] : kUnits) {
    if (path.ends_with(end)) return unit;
  }
  return "";
}

std::string TypeText(const FieldFacts& field) {
  const std::string_view unit = UnitOf(field.path);
  const std::string type = field.type.empty() ? "text" : field.type;
  const bool counts = type == "number" || type == "whole number";
  return unit.empty() || !counts ? type : absl::StrCat(type, ", ", Absl(unit));
}

std::string DefaultText(const FieldFacts& field) {
  if (field.required) return "required";
  return field.otherwise.empty() ? "none" : field.otherwise;
}

// Where "models.0.context" stands in the file's paths: "models[0].context".
std::string PathOf(const std::string& dotted) {
  std::string path;
  for (size_t begin = 0; begin <= dotted.size();) {
    const size_t end = std::min(dotted.find('.', begin), dotted.size());
    const std::string step = dotted.substr(begin, end - begin);
    const bool index = !step.empty() && step.find_first_not_of("0123456789") == std::string::npos;
    absl::StrAppend(&path, index ? "[" : path.empty() ? "" : ".", step, index ? "]" : "");
    begin = end + 1;
  }
  return path;
}

// "models[].prefill" of "models[].prefill.workers"; "" at the top.
std::string SectionOf(const FieldFacts& field) {
  const size_t dot = field.path.rfind('.');
  return dot == std::string::npos ? "" : field.path.substr(0, dot);
}

bool IsSection(const FieldFacts& field) {
  return field.type == "mapping" || field.type == "list of mappings";
}

std::string AboutSection(const FieldFacts& field) {
  return absl::StrCat("\n\nA ", field.type, field.required ? "" : ", which may be left out",
                      field.about.empty() ? "" : ": ", field.about, ".");
}

}  // namespace

std::vector<FieldFacts> AllFields() {
  std::vector<FieldFacts> all;
  for (const char* text : kFiles) {
    std::vector<FieldFacts> fields;
    ParseServerConfig("reference", text, &fields).IgnoreError();
    for (FieldFacts& field : fields) {
      field.path = WithoutIndexes(field.path);
      const auto known = std::find_if(
          all.begin(), all.end(), [&](const FieldFacts& one) { return one.path == field.path; });
      if (known != all.end()) {
        if (known->type.empty()) known->type = field.type;  // it was only asked whether it is there
        continue;
      }
      // After the last of the same mapping, so that sections stay together.
      const std::string section = field.path.substr(0, field.path.rfind('.') + 1);
      const auto last = std::find_if(all.rbegin(), all.rend(), [&](const FieldFacts& one) {
        return one.path.starts_with(section);
      });
      all.insert(section.empty() || last == all.rend() ? all.end() : last.base(), std::move(field));
    }
  }
  return all;
}

std::vector<std::string> AlwaysRequired() {
  std::map<std::string, std::set<std::string>> sections;  // with indexes, by the path without
  std::map<std::string, size_t> required;
  for (size_t i = 0; i < std::size(kFiles); ++i) {
    const std::string file = absl::StrCat(i, ":");
    for (const FieldFacts& field : ReadServerConfigText("reference", kFiles[i]).fields) {
      sections[WithoutIndexes(SectionOf(field))].insert(file + SectionOf(field));
      required[WithoutIndexes(field.path)] += field.required;
    }
  }
  std::vector<std::string> always;
  for (const auto& [path, times] : required) {
    const FieldFacts field{.path = path};
    if (times == sections[SectionOf(field)].size()) always.push_back(path);
  }
  return always;
}

std::string ReferenceText() {
  std::string text =
      "# Configuration of waferd\n\n"
      "Written by `waferd --explain all` from the readers of the file; a test compares them. "
      "`waferd --explain FIELD` says the same of one field, `--check-config` names the faults "
      "of a file, `--print-config` shows what it means. `--set models.0.context=8192` replaces a "
      "field, "
      "as does `WAFERLINE_SET_MODELS__0__CONTEXT=8192`. `waferd --explain schema` is the same as a "
      "JSON schema: an editor that knows `# yaml-language-server: $schema=waferd.schema.json` "
      "completes and checks fields.\n";
  std::vector<FieldFacts> all = AllFields();
  // A section's own fields together, in front of those of what is in it.
  std::map<std::string, size_t> order;
  for (const FieldFacts& field : all) order.try_emplace(SectionOf(field), order.size());
  std::stable_sort(all.begin(), all.end(), [&](const FieldFacts& a, const FieldFacts& b) {
    return order[SectionOf(a)] < order[SectionOf(b)];
  });
  std::map<std::string, std::string> about;  // of sections
  for (const FieldFacts& field : all) {
    if (IsSection(field))
      about[field.path + (field.type == "mapping" ? "" : "[]")] = AboutSection(field);
  }
  std::string section = "-";
  for (const FieldFacts& field : all) {
    const size_t dot = field.path.rfind('.');
    const std::string own = SectionOf(field);
    if (IsSection(field)) continue;
    if (own != section) {
      section = own;
      absl::StrAppend(
          &text, "\n## ", own.empty() ? "The file itself" : "`" + own + "`", about[own],
          "\n\n| field | type | default | allowed | what it does |\n|---|---|---|---|---|\n");
    }
    absl::StrAppend(&text, "| `", field.path.substr(dot == std::string::npos ? 0 : dot + 1), "` | ",
                    TypeText(field), " | ", DefaultText(field), " | ", field.allowed, " | ",
                    field.about, " |\n");
  }
  return text;
}

absl::StatusOr<std::string> Explain(std::string_view field) {
  const std::vector<FieldFacts> all = AllFields();
  const std::string wanted = WithoutIndexes(PathOf(std::string(field)));
  std::string text;
  std::vector<std::string_view> paths;
  for (const FieldFacts& one : all) {
    paths.push_back(one.path);
    const bool end = one.path.ends_with(wanted) && one.path.size() > wanted.size() &&
                     one.path[one.path.size() - wanted.size() - 1] == '.';
    if (one.path != wanted && !end) continue;
    absl::StrAppend(&text, text.empty() ? "" : "\n", one.path, "\n  ", TypeText(one), "; ",
                    one.required ? "required" : "default " + DefaultText(one),
                    one.allowed.empty() ? "" : "; allowed: " + one.allowed, "\n",
                    one.about.empty() ? "" : "  " + one.about + "\n");
  }
  if (!text.empty()) return text;
  return absl::NotFoundError(
      absl::StrCat("there is no field ", Absl(field), Absl(DidYouMean(wanted, paths))));
}

std::string PrintedFields(const std::string& file, const std::vector<FieldFacts>& fields,
                          const std::vector<std::pair<std::string, std::string>>& where) {
  std::map<std::string, std::string> from;
  for (const auto& [dotted, who] : where) from[PathOf(dotted)] = who;
  std::string text;
  for (const FieldFacts& field : fields) {
    if (IsSection(field)) continue;
    const bool given = field.line > 0;
    if (!given && field.otherwise.empty()) continue;  // absent, and nothing stands in its place
    const auto who = from.find(field.path);
    absl::StrAppend(&text, field.path, ": ", given ? field.value : field.otherwise, "  # ",
                    who != from.end() ? who->second
                    : given           ? file
                                      : "default",
                    "\n");
  }
  return text;
}

std::vector<Override> OverridesOf(const char* const* environment) {
  constexpr std::string_view kPrefix = "WAFERLINE_SET_";
  std::vector<Override> overrides;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    const size_t equals = entry.find('=');
    if (!entry.starts_with(kPrefix) || equals == std::string_view::npos) continue;
    const std::string name(entry.substr(kPrefix.size(), equals - kPrefix.size()));
    overrides.emplace_back(absl::StrReplaceAll(absl::AsciiStrToLower(name), {{"__", "."}}),
                           entry.substr(equals + 1));
  }
  return overrides;
}

}  // namespace waferline::config
