#include "wafer_backend/hardware/timing/measurements.h"

#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"

namespace waferline::timing {
namespace {

constexpr int kMaxRows = 100'000;

// One line of a file by column name. A bad field adds an error and yields 1.
struct Row {
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
  int64_t Choice(const std::string& column, const std::vector<std::string>& allowed) const {
    for (size_t i = 0; i < allowed.size(); ++i) {
      if (allowed[i] == fields.at(column)) return static_cast<int64_t>(i);
    }
    errors->push_back(absl::StrCat(place, ": ", column, ": \"", fields.at(column),
                                   "\" must be one of: ", absl::StrJoin(allowed, ", ")));
    return 0;
  }
};

absl::Status ReadCsv(const std::string& folder, const std::string& name,
                     const std::vector<std::string>& columns, std::vector<std::string>* errors,
                     const std::function<void(const Row&)>& take) {
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
    Row row{place, {}, errors};
    for (size_t i = 0; i < cells.size(); ++i) row.fields[columns[i]] = cells[i];
    take(row);
  }
  if (header) return absl::InvalidArgumentError(absl::StrCat(path, ": has no line of columns"));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Measurements> ReadMeasurements(const std::string& folder) {
  Measurements all;
  std::vector<std::string> errors;
  const auto add = [&all](std::string machine, KernelSize size, double cycles, std::string label) {
    all.kernels.push_back({std::move(machine), size, cycles, std::move(label)});
  };
  WL_RETURN_IF_ERROR(
      ReadCsv(folder, "mesh_gemv.csv", {"algorithm", "P", "m", "n", "cycles"}, &errors,
              [&](const Row& row) {
                const bool chain = row.Choice("algorithm", {"k_tree", "pipeline"}) == 1;
                const GemvSize size = {chain ? Allreduce::kChain : Allreduce::kTree,
                                       row.Integer("P"), row.Integer("m"), row.Integer("n")};
                add("wse-3", size, row.Number("cycles"),
                    absl::StrCat("gemv ", row.Text("algorithm"), " P=", size.grid, " m=", size.m,
                                 " n=", size.n));
              }));
  WL_RETURN_IF_ERROR(
      ReadCsv(folder, "mesh_gemm.csv", {"P", "N", "cycles"}, &errors, [&](const Row& row) {
        const GemmSize size = {row.Integer("P"), row.Integer("N")};
        add("wse-3", size, row.Number("cycles"),
            absl::StrCat("gemm P=", size.grid, " N=", size.size));
      }));
  WL_RETURN_IF_ERROR(
      ReadCsv(folder, "decode_layer.csv", {"machine", "shape", "P", "d", "ffn", "seq", "cycles"},
              &errors, [&](const Row& row) {
                const DecodeLayerSize size = {row.Integer("P"), row.Integer("d"),
                                              row.Integer("ffn"), row.Integer("seq")};
                add(row.Text("machine"), size, row.Number("cycles"),
                    absl::StrCat("decode-layer ", row.Text("machine"), " ", row.Text("shape"),
                                 " P=", size.grid));
              }));
  // The padded benchmark's models; see the head of prefill_layer.csv.
  static constexpr int64_t kHidden[] = {4096, 5120, 8192, 8192};
  static constexpr int64_t kFfn[] = {14336, 13824, 22016, 29568};
  WL_RETURN_IF_ERROR(
      ReadCsv(folder, "prefill_layer.csv", {"machine", "shape", "P", "tokens", "cycles"}, &errors,
              [&](const Row& row) {
                const int64_t shape = row.Choice("shape", {"8B", "13B", "34B", "72B"});
                const PrefillLayerSize size = {row.Integer("P"), kHidden[shape], kFfn[shape],
                                               row.Integer("tokens")};
                add(row.Text("machine"), size, row.Number("cycles"),
                    absl::StrCat("prefill-layer ", row.Text("machine"), " ", row.Text("shape"),
                                 " P=", size.grid, " tokens=", size.tokens));
              }));
  WL_RETURN_IF_ERROR(
      ReadCsv(folder, "vendor.csv",
              {"model", "date", "wafers", "weights", "tokens_per_s", "spec", "source"}, &errors,
              [&](const Row& row) {
                ModelMeasurement m;
                m.model = row.Text("model");
                m.date = row.Text("date");
                m.wafers = row.Text("wafers").empty() ? 0 : static_cast<int>(row.Integer("wafers"));
                m.weights = row.Text("weights");
                m.tokens_per_second = row.Number("tokens_per_s");
                row.Choice("spec", {"yes", "no", "unknown"});
                m.speculation = row.Text("spec");
                all.models.push_back(std::move(m));
              }));
  if (!errors.empty()) return absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
  return all;
}

}  // namespace waferline::timing
