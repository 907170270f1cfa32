#include "wafer_backend/hardware/timing/measurements.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/hardware/timing/weight_types.h"

namespace waferline::timing {
namespace {

constexpr int kMaxRows = 100'000;

// One line of a file by column name. A bad field adds an error and yields 1.
struct CsvRow {
  std::string place;  // "mesh_gemv.csv:9"
  std::map<std::string, std::string> fields;
  std::vector<std::string>* errors;

  double Number(const std::string& column) const {
    const std::string& text = fields.at(column);
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (!text.empty() && *end == '\0' && value > 0 && value < 1e15) return value;
    errors->push_back(
        absl::StrCat(place, ": ", column, ": \"", text, "\" must be a positive number below 1e15"));
    return 1;
  }
  int64_t Integer(const std::string& column) const {
    const double value = Number(column);
    if (value == std::floor(value)) return static_cast<int64_t>(value);
    errors->push_back(absl::StrCat(place, ": ", column, ": must be a whole number"));
    return 1;
  }
  const std::string& Text(const std::string& column) const { return fields.at(column); }
  double BytesPerWeight(const std::string& column) const {
    // "fp16/fp8 weights", "int4/fp8 weights": most weights have the smaller type.
    double least = 1e9;
    const absl::string_view text = absl::StripSuffix(fields.at(column), " weights");
    for (const absl::string_view type : absl::StrSplit(text, '/')) {
      const absl::StatusOr<double> bytes = timing::BytesPerWeight(Std(type));
      if (bytes.ok()) {
        least = std::min(least, *bytes);
        continue;
      }
      errors->push_back(absl::StrCat(place, ": ", column, ": ", bytes.status().message()));
      return 1;
    }
    return least;
  }
  int64_t Choice(const std::string& column, const std::vector<std::string>& allowed) const {
    for (size_t i = 0; i < allowed.size(); ++i) {
      if (allowed[i] == fields.at(column)) return static_cast<int64_t>(i);
    }
    errors->push_back(absl::StrCat(place, ": ", column, ": \"", fields.at(column),
                                   "\" must be one of: ", absl::StrJoin(allowed, ", ")));
    return 0;
  }
};

struct CsvFile {
  std::string name;
  std::vector<std::string> columns;
};

// `take` gets each line. Bad lines and fields add to `errors`.
absl::Status ReadCsv(const std::string& folder, const CsvFile& file,
                     std::vector<std::string>* errors,
                     const std::function<void(const CsvRow&)>& take) {
  const auto& [name, columns] = file;
  const std::string path = absl::StrCat(folder, "/", name);
  WL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::istringstream in(text);
  std::string line;
  bool header = true;
  for (int number = 1; std::getline(in, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line[0] == '#') continue;
    if (number > kMaxRows) return absl::InvalidArgumentError(absl::StrCat(path, ": too long"));
    const std::vector<std::string> cells =
        absl::StrSplit(line, absl::MaxSplits(',', static_cast<int>(columns.size()) - 1));
    const std::string place = absl::StrCat(name, ":", number);
    if (header) {
      if (cells != columns) {
        return absl::InvalidArgumentError(
            absl::StrCat(place, ": columns must be: ", absl::StrJoin(columns, ",")));
      }
      header = false;
      continue;
    }
    if (cells.size() != columns.size()) {
      errors->push_back(
          absl::StrCat(place, ": has ", cells.size(), " fields instead of ", columns.size()));
      continue;
    }
    CsvRow row{place, {}, errors};
    for (size_t i = 0; i < cells.size(); ++i) row.fields[columns[i]] = cells[i];
    take(row);
  }
  if (header) return absl::InvalidArgumentError(absl::StrCat(path, ": has no line of columns"));
  return absl::OkStatus();
}

KernelMeasurement GemvOf(const CsvRow& row) {
  const bool chain = row.Choice("algorithm", {"k_tree", "pipeline"}) == 1;
  const GemvSize size = {chain ? Allreduce::kChain : Allreduce::kTree, row.Integer("P"),
                         row.Integer("m"), row.Integer("n")};
  return {
      "wse-3", size, row.Number("cycles"),
      absl::StrCat("gemv ", row.Text("algorithm"), " P=", size.grid, " m=", size.m, " n=", size.n)};
}

KernelMeasurement GemmOf(const CsvRow& row) {
  const GemmSize size = {row.Integer("P"), row.Integer("N")};
  return {"wse-3", size, row.Number("cycles"),
          absl::StrCat("gemm P=", size.grid, " N=", size.size)};
}

KernelMeasurement DecodeLayerOf(const CsvRow& row) {
  const DecodeLayerSize size = {row.Integer("P"), row.Integer("d"), row.Integer("ffn"),
                                row.Integer("seq")};
  return {
      row.Text("machine"), size, row.Number("cycles"),
      absl::StrCat("decode-layer ", row.Text("machine"), " ", row.Text("shape"), " P=", size.grid)};
}

KernelMeasurement PrefillLayerOf(const CsvRow& row) {
  // The padded benchmark's models; see the head of prefill_layer.csv.
  static constexpr int64_t kHidden[] = {4096, 5120, 8192, 8192};
  static constexpr int64_t kFfn[] = {14336, 13824, 22016, 29568};
  const int64_t shape = row.Choice("shape", {"8B", "13B", "34B", "72B"});
  const PrefillLayerSize size = {row.Integer("P"), kHidden[shape], kFfn[shape],
                                 row.Integer("tokens")};
  return {row.Text("machine"), size, row.Number("cycles"),
          absl::StrCat("prefill-layer ", row.Text("machine"), " ", row.Text("shape"),
                       " P=", size.grid, " tokens=", size.tokens)};
}

ModelMeasurement ModelOf(const CsvRow& row) {
  ModelMeasurement m;
  m.model = row.Text("model");
  m.date = row.Text("date");
  m.wafers = row.Text("wafers").empty() ? 0 : static_cast<int>(row.Integer("wafers"));
  m.bytes_per_weight = row.BytesPerWeight("weights");
  m.tokens_per_second = row.Number("tokens_per_s");
  row.Choice("spec", {"yes", "no", "unknown"});
  m.speculation = row.Text("spec");
  m.independent = absl::StartsWith(row.Text("source"), "independent");
  return m;
}

struct KernelFile {
  CsvFile csv;
  KernelMeasurement (*read)(const CsvRow&);
};

}  // namespace

absl::StatusOr<Measurements> ReadMeasurements(const std::string& folder) {
  const KernelFile files[] = {
      {{"mesh_gemv.csv", {"algorithm", "P", "m", "n", "cycles"}}, GemvOf},
      {{"mesh_gemm.csv", {"P", "N", "cycles"}}, GemmOf},
      {{"decode_layer.csv", {"machine", "shape", "P", "d", "ffn", "seq", "cycles"}}, DecodeLayerOf},
      {{"prefill_layer.csv", {"machine", "shape", "P", "tokens", "cycles"}}, PrefillLayerOf}};
  const CsvFile models = {"vendor.csv",
                          {"model", "date", "wafers", "weights", "tokens_per_s", "spec", "source"}};
  Measurements all;
  std::vector<std::string> errors;
  for (const KernelFile& file : files) {
    WL_RETURN_IF_ERROR(ReadCsv(folder, file.csv, &errors,
                               [&](const CsvRow& row) { all.kernels.push_back(file.read(row)); }));
  }
  WL_RETURN_IF_ERROR(ReadCsv(folder, models, &errors,
                             [&](const CsvRow& row) { all.models.push_back(ModelOf(row)); }));
  if (!errors.empty()) return absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
  return all;
}

}  // namespace waferline::timing
