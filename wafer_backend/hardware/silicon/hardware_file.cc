#include "wafer_backend/hardware/silicon/hardware_file.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/built_in_files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/base/yaml_form.h"

namespace waferline::silicon {
namespace {

// What a field may be: far enough from any machine that is thought of, near enough that a slip of
// a unit or an exponent is found.
constexpr Range kFraction{1e-6, 1};
constexpr Range kBytes{1, 1e16};
constexpr Range kBytesPerSecond{1e3, 1e18};
constexpr Range kBytesPerCycle{1e-3, 1e6};
constexpr Range kFlops{1e6, 1e21};
constexpr Range kWatts{1e-2, 1e8};
constexpr Range kUsd{0, 1e12};

WaferSpec ReadWafer(YamlForm& form) {
  WaferSpec w;
  w.side_mm = form.Number("side_mm", {1, 10000});
  w.die_columns = form.Whole("die_columns", {1, 10000});
  w.die_rows = form.Whole("die_rows", {1, 10000});
  w.cores_physical = form.Whole("cores_physical", {1, 1e9});
  w.cores_working = form.Whole("cores_working", {1, 1e9});
  w.core_area_mm2 = form.Number("core_area_mm2", {1e-6, 1e4});
  w.defects_per_mm2 = form.Number("defects_per_mm2", {0, 1});
  w.defect_clustering = form.Number("defect_clustering", {1e-3, 1e6});
  w.repair_granularity = form.Choice("repair_granularity", {"core", "row-of-die", "row-of-wafer"});

  w.grid_columns = form.Whole("grid_columns", {1, 1e5});
  w.grid_rows = form.Whole("grid_rows", {1, 1e5});
  w.clock_hz = form.Number("clock_hz", {1e6, 1e12});
  w.simd_fp16_lanes = form.Number("simd_fp16_lanes", {1, 1024});
  w.sram_per_core_bytes = form.Number("sram_per_core_bytes", kBytes);
  w.sram_per_wafer_bytes = form.Number("sram_per_wafer_bytes", kBytes);
  w.sram_bytes_per_core_cycle = form.Number("sram_bytes_per_core_cycle", kBytesPerCycle);
  w.sram_weight_fraction = form.Number("sram_weight_fraction", kFraction);
  w.hop_cycles = form.Number("hop_cycles", {1, 1000});
  w.ramp_cycles = form.Number("ramp_cycles", {0, 1000});
  w.link_bytes_per_cycle = form.Number("link_bytes_per_cycle", kBytesPerCycle);
  w.route_colours = form.Number("route_colours", {1, 1024});

  w.io_bytes_per_second = form.Number("io_bytes_per_second", kBytesPerSecond);
  w.wafer_to_wafer_seconds = form.Number("wafer_to_wafer_seconds", {0, 1});
  w.power_nameplate_watts = form.Number("power_nameplate_watts", kWatts);
  w.power_decode_watts = form.Number("power_decode_watts", kWatts);
  w.price_usd = form.Number("price_usd", kUsd);
  w.bill_of_materials_usd = form.Number("bill_of_materials_usd", kUsd);
  w.usd_per_system_hour = form.Number("usd_per_system_hour", kUsd);
  if (w.cores_working.value > w.cores_physical.value) {
    form.AddError("cores_working", "is more than cores_physical");
  }
  return w;
}

using Measure = PublishedFigures::Measure;

PublishedFigures::Figure ReadFigure(YamlForm form) {
  PublishedFigures::Figure figure;
  figure.prompt = form.Integer("prompt", 1, 1 << 24);
  figure.generate = form.Integer("generate", 1, 1 << 24);
  figure.users = form.IntegerOr("users", 0, 0, 1 << 20);
  const std::pair<const char*, Measure> measures[] = {
      {"tokens_per_second", Measure::kTokensPerSecond},
      {"first_token_ms", Measure::kFirstTokenMs},
      {"token_ms", Measure::kTokenMs}};
  int given = 0;
  for (const auto& [field, measure] : measures) {
    if (!form.Has(field)) continue;
    figure.measure = measure;
    figure.value = form.Plain(field, kPositive);
    ++given;
  }
  if (given != 1) {
    form.AddError("prompt", "needs one of tokens_per_second, first_token_ms, token_ms with it");
  }
  if (figure.users == 0 && figure.measure != Measure::kTokensPerSecond) {
    form.AddError("users", "must be at least 1 with first_token_ms and token_ms");
  }
  form.RefuseOthers();
  return figure;
}

PublishedFigures::Baseline ReadBaseline(YamlForm form) {
  PublishedFigures::Baseline over;
  over.hardware = form.Text("hardware");
  over.weights = form.Text("weights");
  over.devices = static_cast<int>(form.Integer("devices", 1, 65536));
  form.RefuseOthers();
  return over;
}

PublishedFigures ReadFigures(YamlForm form) {
  PublishedFigures out;
  out.model = form.Text("model");
  out.weights = form.Text("weights");
  out.kv = form.Text("kv");
  out.devices = static_cast<int>(form.Integer("devices", 1, 65536));
  if (form.Has("over")) out.over = ReadBaseline(form.Map("over"));
  out.fitted = form.Flag("fitted", false);
  if (out.fitted && out.over) form.AddError("fitted", "must be false where `over` is given");
  out.within = form.Plain("within", {1e-3, 10});
  const std::string mark = form.Text("mark");
  if (mark == "P" || mark == "S") {
    out.mark = mark == "P" ? Mark::kPublished : Mark::kSecondary;
  } else {
    form.AddError("mark", "must be P or S");
  }
  out.source = form.Text("source");
  for (YamlForm& figure : form.List("figures")) {
    out.figures.push_back(ReadFigure(std::move(figure)));
  }
  form.RefuseOthers();
  return out;
}

std::optional<Fact> NumberIf(YamlForm& form, const std::string& field, Range range) {
  if (!form.Has(field)) return std::nullopt;
  return form.Number(field, range);
}

AcceleratorSpec ReadAccelerator(YamlForm& form) {
  AcceleratorSpec a;
  a.peak_fp16_flops = form.Number("peak_fp16_flops", kFlops);
  a.memory_bytes = form.Number("memory_bytes", kBytes);
  a.memory_bytes_per_second = form.Number("memory_bytes_per_second", kBytesPerSecond);
  a.power_watts = form.Number("power_watts", kWatts);
  a.network_bytes_per_second = form.Number("network_bytes_per_second", kBytesPerSecond);
  a.compute_efficiency = form.Number("compute_efficiency", kFraction);
  a.memory_efficiency = form.Number("memory_efficiency", kFraction);
  a.layer_seconds = form.Number("layer_seconds", {0, 1});
  a.usd_per_hour = form.Number("usd_per_hour", kUsd);
  a.peak_fp8_flops = NumberIf(form, "peak_fp8_flops", kFlops);
  a.peak_fp4_flops = NumberIf(form, "peak_fp4_flops", kFlops);
  a.chip_hop_seconds = NumberIf(form, "chip_hop_seconds", {0, 1});
  if (!a.chip_hop_seconds) {
    a.allreduce_seconds = form.Number("allreduce_seconds", {0, 1});
    a.link_bytes_per_second = form.Number("link_bytes_per_second", kBytesPerSecond);
  }
  if (form.Has("check")) {
    for (YamlForm& one : form.List("check")) a.checks.push_back(ReadFigures(std::move(one)));
  }
  return a;
}

// `expected`: the only name that the machine may have; "": any.
absl::StatusOr<Hardware> Read(const NamedText& text, std::string_view expected) {
  YamlFile file(text.name, text.text);
  YamlForm form = file.root();
  Hardware hardware;
  hardware.name = form.Text("name");
  if (!expected.empty() && !hardware.name.empty() && hardware.name != expected) {
    form.AddError("name", absl::StrCat("must be the file's name, '", Absl(expected), "'"));
  }
  hardware.title = form.Text("title");
  const std::string kind = form.Text("kind");
  if (kind == "wafer") {
    hardware.spec = ReadWafer(form);
    form.RefuseOthers();
  } else if (kind == "accelerator") {
    hardware.spec = ReadAccelerator(form);
    form.RefuseOthers();
  } else if (form.Has("kind")) {
    form.AddError("kind", "must be wafer or accelerator");
  }
  WL_RETURN_IF_ERROR(file.status());
  return hardware;
}

}  // namespace

absl::StatusOr<Hardware> ParseHardware(const std::string& name, std::string_view yaml) {
  return Read({name, std::string(yaml)}, "");
}

absl::StatusOr<Hardware> LoadHardware(const std::string& name_or_path) {
  WL_ASSIGN_OR_RETURN(const NamedText file, LoadNamedText("hardware", name_or_path));
  return Read(file, std::filesystem::path(file.name).stem().string());
}

std::vector<std::string> BuiltInHardware() { return BuiltInNames("hardware"); }

}  // namespace waferline::silicon
