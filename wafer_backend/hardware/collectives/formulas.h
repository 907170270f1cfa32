// Closed formulas of communication on a line of cores (a row or column of a mesh), in cycles.
// hardware/timing builds kernels of them, hardware/fabric holds them against its simulator: one
// code, so what the simulator judges is what predictions use.
//
// All have the contention / distance / depth form of HPDC'24 ("Near-optimal wafer-scale reduce"):
// the most wavelets that one core or link must pass, plus hops on the longest path, plus a
// hand-over for each core that works in turn. Lengths are wavelets a core. Pure, any thread.
#pragma once

namespace waferline::collectives {

// What a wire and a core cost. A hand-over is a way down a core's ramp, one operation, the way up,
// and what software adds to it.
struct Costs {
  double hop = 1;
  double ramp = 2;      // between router and core, one way
  double software = 0;  // of a hand-over; nothing on the simulator, fitted for real kernels
  double hand_over() const { return 2 * ramp + 1 + software; }
};

// `cores` cores, `stride` apart, hand a sum down the line.
double ChainCycles(int cores, int stride, double length, const Costs& costs);
// One core's vector to a line of `cores`, by multicast.
double BroadcastCycles(int cores, double length, const Costs& costs);

// The K-tree with K = 2 (WaferLLM, OSDI'25; the two-phase reduce of HPDC'24): chains within groups
// of about the square root of the line, then one chain over the groups' first cores.
int GroupOf(int cores);  // size of a group: the square root, rounded up
double TwoPhaseCycles(int cores, double length, const Costs& costs);

// A reduce and a broadcast of the sum.
double TreeAllreduceCycles(int cores, double length, const Costs& costs);
// Down the line and back up it, each core handing the sum on to the next.
double ChainAllreduceCycles(int cores, double length, const Costs& costs);

// One step of a cyclic shift with neighbours interleaved, at most two hops: both tiles leave over
// one ramp, their lengths together.
double ShiftStepCycles(double length, const Costs& costs);

}  // namespace waferline::collectives
