// The published measurements that profiles are fitted to: a folder of CSV files with '#' comments,
// mesh_gemv.csv, mesh_gemm.csv, decode_layer.csv, prefill_layer.csv and vendor.csv. Their first
// line names the columns; see each file's head for what they mean. Plain values, any thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/timing/kernels.h"

namespace waferline::timing {

struct KernelMeasurement {
  std::string machine;  // a hardware file's name
  KernelSize size;
  double cycles = 0;
  std::string label;  // "gemv k_tree P=120 m=4320 n=4320"
};

struct ModelMeasurement {
  std::string model;  // a model shape's name
  std::string date;
  int wafers = 0;               // 0: not known
  double bytes_per_weight = 2;  // of most of them: "int4/fp8 weights" counts as int4
  double tokens_per_second = 0;
  std::string speculation;   // yes, no, unknown
  bool independent = false;  // read by an independent benchmark, no claim of the vendor
};

struct Measurements {
  std::vector<KernelMeasurement> kernels;
  std::vector<ModelMeasurement> models;
};

// NotFound for a missing file, InvalidArgument with "file:line: field: ..." for every bad field of
// all files at once.
absl::StatusOr<Measurements> ReadMeasurements(const std::string& folder);

}  // namespace waferline::timing
