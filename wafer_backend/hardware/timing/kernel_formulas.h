// What a kernel costs on a square grid of cores, in cycles: the formulas, over sizes that were
// checked before. kernels.h is the checked way in for sizes from outside.
//
// Communication is hardware/collectives', which hardware/fabric judges; software's overheads are
// fitted (profile.h). Structure: WaferLLM (OSDI'25) for the K-tree product, the shift GEMM and the
// layers. `side` is the number of cores along one edge of the grid.
//
// Left out: congestion between neighbouring regions, thermal throttling, defects (the fabric that
// software sees is perfect; rerouting is added by placement as extra hops).
#pragma once

#include "wafer_backend/hardware/collectives/formulas.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/profile.h"

namespace waferline::timing {

// A profile's constants as one machine runs them. A value, any thread.
struct KernelModel {
  KernelConstants constants;
  double mac_cycles = 0;         // on this machine's lanes
  bool narrow = false;           // four lanes or fewer
  double instruction_scale = 1;  // of everything in a matrix-vector kernel that is not a MAC
  collectives::Costs line;       // of what cores in a row or column do together
  double softmax_score_cycles = 0;
};

// MACs take their share of eight lanes. Beyond that a core of four lanes is taken as WSE-2's, any
// other as WSE-3's: no other was measured.
KernelModel ModelFor(const silicon::WaferSpec& wafer, const Profile& profile);

// K-tree allreduce (K=2) of a vector along one edge, a wavelet an element.
double AllreduceCycles(const KernelModel& m, double side, double length);

// y[out] = x[in] W with in * out elements of W on each core, partial sums reduced by a K-tree.
double GemvTreeCycles(const KernelModel& m, double side, double in, double out);

// With the chain of the vendor's sample: the sum goes down the line and back up it, no multicast,
// and a core hands one element on after another, each for as long as a hand-over takes. So it needs
// no constant beyond its start: software's part of a hand-over is the K-tree's.
double GemvChainCycles(const KernelModel& m, double side, double in, double out);

// One step of the shift GEMM: a tile of [rows, inner] times one of [inner, columns]; all steps of a
// product are alike and there are `side` of them. Both tiles are shifted during the arithmetic, two
// elements a wavelet. Eight lanes take rows in 64-bit words, so rows are padded to four; WSE-2's
// runs show neither that nor the start of a step.
double GemmStepCycles(const KernelModel& m, double rows, double inner, double columns);

// One decode layer on its grid, one token of one sequence. The work is per core.
struct DecodeWork {
  double weight_macs = 0;     // every matrix the token meets
  double columns = 0;         // of those matrices' tiles: one vector instruction each
  double attention_macs = 0;  // scores and values over the cached positions
  double scores = 0;          // exponentials
  int allreduces = 0;         // over a row or a column
  double words = 0;           // summed in them together
  double start_share = 1;     // of the start of a whole layer
};
// Allreduces of a dense layer with ordinary attention: one each for the two norms, the projections
// to queries, keys and values together, the scores, the largest score, the sum, the values, the
// output, the two up-projections together, the down-projection.
inline constexpr int kDenseLayerAllreduces = 10;
// Of which this many are attention's, its norm included; the rest is the feed-forward part's.
inline constexpr int kDenseLayerAttentionAllreduces = 7;
// So many sum a single number: two norms, the largest score, the sum; three are attention's.
inline constexpr int kDenseLayerScalars = 4;
inline constexpr int kDenseLayerAttentionScalars = 3;

struct DecodeCost {
  double start = 0;
  double allreduces = 0;
  double weights = 0;
  double attention = 0;
  double total() const { return start + allreduces + weights + attention; }
};
DecodeCost DecodeLayerCost(const KernelModel& m, double side, const DecodeWork& work);

// From the rows of activations of a prefill to the layout of decode (the phase transition of
// WaferLLM): half of a row's bytes cross its middle link; the last of them comes from the far end.
double TransitionCycles(const silicon::WaferSpec& wafer, double side, double bytes_per_core);

// A decode layer's work over all cores of any grid: what lies on one core falls with the side
// (columns, words) or with its square (MACs).
struct WholeWork {
  double macs = 0;
  double columns = 0;
  double words = 0;
  int allreduces = 0;
  int scalars = 0;  // allreduces of one number
  double start_share = 1;
};
// Its share on a grid of this side, nothing cached.
DecodeWork WorkOn(const WholeWork& whole, double side);

// The side at which a decode layer is fastest, at least 1 and as large as it likes, by the formulas
// without their steps at whole groups: hops grow with the side, arithmetic falls with its square.
// On smaller sides the larger one is faster, on larger ones the smaller. Some five steps of
// Newton's.
double FastestSide(const KernelModel& m, const WholeWork& whole);

}  // namespace waferline::timing
