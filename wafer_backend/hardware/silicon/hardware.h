// What a machine is: the facts of one hardware file (deploy/hardware/*.yaml), each with its mark
// and source. Plain values, any thread. Two kinds exist: a wafer, which the timing and placement
// models know in detail, and an accelerator (GPU, TPU, pipeline of SRAM chips), which a roofline
// describes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "wafer_backend/base/fact.h"

namespace waferline::silicon {

// One wafer-scale engine with its system.
struct WaferSpec {
  // Geometry and manufacture: what drawing a wafer with its defects needs.
  Fact side_mm;
  Fact die_columns;
  Fact die_rows;
  Fact cores_physical;
  Fact cores_working;
  Fact core_area_mm2;
  Fact defects_per_mm2;
  Fact defect_clustering;       // alpha of the negative binomial law; large means Poisson
  TextFact repair_granularity;  // core, row-of-die, row-of-wafer

  // The mesh that a program sees, fabric and cores.
  Fact grid_columns;
  Fact grid_rows;
  Fact clock_hz;
  Fact simd_fp16_lanes;  // multiply-accumulates per core and cycle
  Fact sram_per_core_bytes;
  Fact sram_per_wafer_bytes;
  Fact sram_bytes_per_core_cycle;
  Fact
      sram_weight_fraction;  // of the SRAM, what may hold weights and KV; the rest is code, buffers
  Fact hop_cycles;
  Fact ramp_cycles;
  Fact link_bytes_per_cycle;  // one wavelet per direction and cycle
  Fact route_colours;

  // The system around it.
  Fact io_bytes_per_second;
  Fact wafer_to_wafer_seconds;  // latency of handing an activation on
  Fact power_nameplate_watts;
  Fact power_decode_watts;
  Fact price_usd;
  Fact bill_of_materials_usd;
  Fact usd_per_system_hour;
};

// Public figures of one model on a machine, from the `check:` list of its file: what predictions
// are held against.
struct PublishedFigures {
  enum class Measure : uint8_t { kTokensPerSecond, kFirstTokenMs, kTokenMs };
  // Requests of `prompt` and `generate` tokens; `users` at once, or 0: as many as make most tokens
  // (maximum load).
  struct Figure {
    int64_t prompt = 0, generate = 0, users = 0;
    Measure measure = Measure::kTokensPerSecond;  // of all users together
    double value = 0;
  };
  // Where a vendor says only how many times as fast a machine is as another one: each value is this
  // machine's figure over that of `devices` of `hardware`, a built-in accelerator.
  struct Baseline {
    std::string hardware, weights;
    int devices = 1;
  };
  std::string model;    // a name of deploy/model-shapes
  std::string weights;  // a number type: fp16, fp8, ...
  std::string kv;       // of keys and values, likewise
  int devices = 1;
  std::optional<Baseline> over;
  bool fitted = false;  // the file's compute_efficiency and layer_seconds follow from them
  double within = 0;    // a prediction lies in [value / (1 + within), value * (1 + within)]
  Mark mark = Mark::kUnknown;
  std::string source;
  std::vector<Figure> figures;
};

// One device of a prefill pool, or of a decode unit.
struct AcceleratorSpec {
  Fact peak_fp16_flops;  // dense, a multiply and an add are two
  // Where the device has such products; else they run at the rate of the next wider type.
  std::optional<Fact> peak_fp8_flops, peak_fp4_flops;
  Fact memory_bytes;
  Fact memory_bytes_per_second;
  Fact power_watts;
  Fact network_bytes_per_second;  // out of the device, for KV
  Fact compute_efficiency;        // of the peak, reached with many rows
  Fact memory_efficiency;
  Fact layer_seconds;  // what a layer of a step takes beyond the roofline: launching its kernels
  Fact usd_per_hour;
  // Devices that share all layers (tensor parallelism): an allreduce takes so long for a few bytes,
  // and more for its bytes each way. Not of chips.
  Fact allreduce_seconds;
  Fact link_bytes_per_second;
  // Chips that a token passes one after another, each layer on chips of its own: from one chip to
  // the next.
  std::optional<Fact> chip_hop_seconds;
  std::vector<PublishedFigures> checks;

  // Of products with weights of this many bytes.
  const Fact& PeakFlops(double bytes_per_weight) const {
    if (bytes_per_weight <= 0.5 && peak_fp4_flops) return *peak_fp4_flops;
    return bytes_per_weight <= 1 && peak_fp8_flops ? *peak_fp8_flops : peak_fp16_flops;
  }
};

struct Hardware {
  std::string name;
  std::string title;
  std::variant<WaferSpec, AcceleratorSpec> spec;

  // Null if it is of the other kind.
  const WaferSpec* wafer() const { return std::get_if<WaferSpec>(&spec); }
  const AcceleratorSpec* accelerator() const { return std::get_if<AcceleratorSpec>(&spec); }
};

}  // namespace waferline::silicon
