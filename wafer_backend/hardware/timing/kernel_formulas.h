// What a kernel costs on a square grid of cores, in cycles: the formulas, over sizes that were
// checked before. kernels.h is the checked way in for whoever has sizes from outside.
//
// Sources. Structure: WaferLLM (OSDI'25) for the K-tree product, the shift GEMM and the layers; the
// reduce model of HPDC'24 (contention, distance, depth) for what grows with the side. Constants:
// fitted (profile.h). `side` is the number of cores along one edge of the grid.
//
// Left out: congestion between neighbouring regions, thermal throttling, defects (the fabric that
// software sees is perfect; rerouting is added by placement as extra hops).
#pragma once

#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/profile.h"

namespace waferline::timing {

// A profile's constants as one machine runs them. A value, any thread.
struct KernelModel {
  KernelConstants constants;
  double mac_cycles = 0;    // on this machine's lanes
  double start_factor = 1;  // of everything that is instructions, not MACs or hops
  double side_cycles = 0;   // an allreduce, per core of the side
  double ramp_cycles = 0;
  double softmax_score_cycles = 0;
};

// A core of four FP16 lanes or fewer is taken as WSE-2's, any other as WSE-3's: no other was
// measured.
KernelModel ModelFor(const silicon::WaferSpec& wafer, const Profile& profile);

// K-tree allreduce (K=2) of a vector along one edge: N hops in and out, routing stages that grow
// with the side, every element up and down each end's ramp once.
inline double AllreduceCycles(const KernelModel& m, double side) {
  return 4 * m.ramp_cycles + m.side_cycles * side;
}

// y[out] = x[in] W with in * out elements of W on each core, partial sums reduced by a K-tree.
inline double GemvTreeCycles(const KernelModel& m, double side, double in, double out) {
  return m.start_factor * m.constants.gemv_start_cycles + AllreduceCycles(m, side) + 2 * out +
         m.mac_cycles * in * out;
}

// The same with the chain of the vendor's sample: every element passes every core's stage, one
// behind another. Where the three published points leave open whether a stage forwards before it
// has its whole vector, this takes the middle: half of the vectors' time on the links of half the
// side (side/2 stages * out/2 cycles * 1/2).
double GemvChainCycles(const KernelModel& m, double side, double in, double out);

// One step of the shift GEMM: a tile of [rows, inner] times one of [inner, columns]; all steps of a
// product are alike and there are `side` of them. Shifting both tiles by two hops hides behind the
// arithmetic. Rows are padded to half of WSE-3's eight lanes (a 64-bit word).
double GemmStepCycles(const KernelModel& m, double rows, double inner, double columns);

// One decode layer on its grid, one token of one sequence. The work is per core.
struct DecodeWork {
  double weight_macs = 0;     // every matrix the token meets
  double attention_macs = 0;  // scores and values over the cached positions
  double scores = 0;          // exponentials
  int allreduces = 0;         // over a row or a column
};
// Allreduces of a dense layer with ordinary attention: one each for the two norms, the projections
// to queries, keys and values together, the scores, the largest score, the sum, the values, the
// output, the two up-projections together, the down-projection.
inline constexpr int kDenseLayerAllreduces = 10;

struct DecodeCost {
  double start = 0;
  double allreduces = 0;
  double weights = 0;
  double attention = 0;
  double total() const { return start + allreduces + weights + attention; }
};
DecodeCost DecodeLayerCost(const KernelModel& m, double side, const DecodeWork& work);

// The side between `least` and `most` at which a decode layer is fastest: hops grow with the side,
// arithmetic falls with its square. `macs` is the layer's whole work, over all cores. O(1).
double TunedSide(const KernelModel& m, double macs, int allreduces, double least, double most);

}  // namespace waferline::timing
