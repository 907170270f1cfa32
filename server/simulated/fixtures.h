// What all runs of simulated clouds share: made once, then only read, by any thread.
#pragma once

#include "server/simulated/asks.h"
#include "server/simulated/tiny_model.h"
#include "server/store/simulated/disk.h"

namespace waferline::simulated {

struct Fixtures {
  TinyModel model;
  Texts texts;                // from a run without faults; empty: this is that run
  Instants instants;          // likewise
  store::DiskImage database;  // a usage database without records
};

}  // namespace waferline::simulated
