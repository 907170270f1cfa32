// One run of a simulated cloud from a seed: it is built, served to clients while faults are
// injected, mended, and checked. What must hold, with the laws of ARCHITECTURE.md:
//   1  each request has exactly one end, the engine's laws hold, all that was accepted has ended
//   2  no shard holds more than its SRAM, every byte has an owner: after the end none is held
//   3  what went between shards is whole rows of hidden values; of a request that is alone, one for
//      each row that was computed
//   4  every token is that of the run without faults
//   5  no token before its instant
//   6  the same seed gives the same run (RunTwice); the tokens of a request that is alone come at
//      the same instants on any number of workers, with any chunks
//   7  the engine, the ledger and the usage records count what the clients got
// and: a request ends within its bound, an error is a named one, after the last fault a request
// succeeds within the recovery bound, and then nothing is held, in no process.
//
// Thread: any; a run stays on the calling thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/simulated/cloud.h"
#include "server/simulated/fixtures.h"
#include "server/simulated/run_options.h"

namespace waferline::simulated {

struct RunResult {
  std::string failure;  // which law is broken, and how; "": all hold
  uint64_t digest = 0;  // of everything that happened
  Texts texts;          // of a run without faults
  Instants instants;    // likewise
  Figures figures;
};

// An empty database, and the texts of all requests from a run without faults.
std::unique_ptr<Fixtures> MakeFixtures();

RunResult RunCloud(const RunOptions& options, const Fixtures& fixtures);
// The same twice: fails too if the second run is not the first one again.
RunResult RunTwice(const RunOptions& options, const Fixtures& fixtures);

}  // namespace waferline::simulated
