// What a machine is: the facts of one hardware file (deploy/hardware/*.yaml), each with its mark
// and source. Plain values, any thread. Two kinds exist: a wafer, which the timing and placement
// models know in detail, and an accelerator (GPU and alike), of which prefill needs a roofline.
#pragma once

#include <string>
#include <variant>

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

// One device of a prefill pool.
struct AcceleratorSpec {
  Fact peak_fp16_flops;  // dense, a multiply and an add are two
  Fact memory_bytes;
  Fact memory_bytes_per_second;
  Fact power_watts;
  Fact network_bytes_per_second;  // out of the device, for KV
  Fact compute_efficiency;        // of the peak, reached on long prompts
  Fact memory_efficiency;
  Fact step_overhead_seconds;  // launching one step over all layers
  Fact usd_per_hour;
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
