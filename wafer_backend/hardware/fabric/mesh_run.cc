// The order in which rows take their cycles. A row needs its neighbours' last cycle and no more, so
// a few rows can run several cycles while they are in the cache, and bands of rows can run at once:
//
//   cycle s of a chunk      band 0 | band 1
//        0                  #######..#######
//        1                  ######....######     first of each band what needs no other band (#),
//        2                  #####......#####     then what is left between each two (.)
//
// There are more bands than threads, for some have more to do than others: a thread does its own
// and then what it finds of the others'.
// Within # some rows go first, each cycle one row further back (a parallelogram), then the next.
#include "wafer_backend/hardware/fabric/mesh_run.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/spin_pause.h"
#include "wafer_backend/hardware/fabric/core_steps.h"
#include "wafer_backend/hardware/fabric/row_stepper.h"

namespace waferline::fabric {
namespace {

constexpr int kChunk = 4;  // cycles
constexpr int kBandsAThread = 4;
constexpr int64_t kCachedTiles = 512;  // whose state stays in a core's own cache

// Threads that wait for each other, for so short that sleeping does not pay unless others need the
// processor.
class Rendezvous {
 public:
  explicit Rendezvous(int threads) : threads_(static_cast<uint64_t>(threads)) {}
  // `times`: the caller's how-manieth, from 1.
  void Wait(uint64_t times) {
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == times * threads_) return;
    for (int spins = 0; arrived_.load(std::memory_order_acquire) < times * threads_; ++spins) {
      spins < 1000 ? SpinPause() : std::this_thread::yield();
    }
  }

 private:
  const uint64_t threads_;
  std::atomic<uint64_t> arrived_{0};
};

// Rows low - s * low_grows .. high + s * high_grows - 1 in cycle s of a chunk.
struct Region {
  int low, high;
  int low_grows, high_grows;  // -1, 0 or 1
};

class MeshRun {
 public:
  MeshRun(Mesh* mesh, const RunOptions& options)
      : mesh_(*mesh),
        max_cycles_(options.max_cycles),
        threads_(std::clamp(options.threads, 1, MaxBands(mesh->rows))),
        bands_(threads_ == 1 ? 1 : std::min(MaxBands(mesh->rows), threads_ * kBandsAThread)),
        block_(static_cast<int>(std::max<int64_t>(1, kCachedTiles / mesh->columns))),
        running_(StartCores(mesh)),
        rendezvous_(threads_),
        claimed_(static_cast<size_t>(bands_)) {
    for (auto& tallies : tallies_) tallies.resize(static_cast<size_t>(threads_));
  }

  absl::StatusOr<RunResult> Run() {
    std::vector<std::jthread> others;
    for (int i = 1; i < threads_; ++i)
      others.emplace_back([this, i] { RunThread(i).IgnoreError(); });
    absl::StatusOr<RunResult> result = RunThread(0);
    others.clear();  // joins
    if (result.ok()) result->in_flight = mesh_.InFlight();
    return result;
  }

 private:
  // Of each cycle of a chunk.
  struct alignas(64) ChunkTally {
    std::array<Tally, kChunk> cycles;
  };

  // A band keeps rows of its own to a chunk's end.
  static int MaxBands(int rows) { return std::max(1, rows / (2 * kChunk + 4)); }

  // Every thread comes to the same end.
  absl::StatusOr<RunResult> RunThread(int thread) {
    RunResult result;
    int64_t running = running_;
    uint64_t waits = 0;
    StepTime time;
    int32_t& now = time.now;
    for (uint32_t chunk = 0; running > 0; ++chunk, time.step += kChunk) {
      if (now >= max_cycles_) {
        return absl::ResourceExhaustedError(absl::StrCat("not done after ", now, " cycles"));
      }
      RunChunk(thread, time, &tallies_[chunk % 2][static_cast<size_t>(thread)], &waits);
      Tally last;
      for (size_t s = 0; s < kChunk && running > 0; ++s) {
        last = Tally();
        for (const ChunkTally& one : tallies_[chunk % 2]) last.Add(one.cycles[s]);
        result.wavelet_hops += last.hops;
        result.wavelets_sent += last.sent;
        result.wavelets_taken += last.taken;
        running -= last.finished;
        result.cycles = now + static_cast<int32_t>(s) + 1;
      }
      if (running > 0 && last.moved == 0 && last.next_ready == kNever) {
        return absl::FailedPreconditionError(
            absl::StrCat("nothing moves after cycle ", now + kChunk, " and ", running,
                         " core(s) have not finished: a deadlock or a missing route"));
      }
      now = last.moved > 0 ? now + kChunk : last.next_ready;
    }
    return result;
  }

  void RunChunk(int thread, StepTime time, ChunkTally* tally, uint64_t* waits) {
    *tally = ChunkTally();
    const auto first_row = [&](int band) { return mesh_.rows * band / bands_; };
    ShareOut(thread, bands_, *waits, [&](int band) {
      const int top = band != 0, bottom = band + 1 != bands_;
      RunRegion({first_row(band) + top, first_row(band + 1) - bottom, -top, -bottom}, time, tally);
    });
    rendezvous_.Wait(++*waits);
    ShareOut(thread, bands_ - 1, *waits, [&](int band) {
      const int end = first_row(band + 1);
      RunRegion({end - 1, end + 1, 1, 1}, time, tally);
    });
    rendezvous_.Wait(++*waits);
  }

  // Each of `count` parts on one thread. `turn`: which sharing out this is, the same on all
  // threads.
  template <typename F>
  void ShareOut(int thread, int count, uint64_t turn, F run) {
    const int own = count * thread / threads_;
    for (int i = 0; i < count; ++i) {
      const int part = (own + i) % count;
      std::atomic<uint64_t>& claimed = claimed_[static_cast<size_t>(part)];
      uint64_t before = claimed.load(std::memory_order_relaxed);
      if (before <= turn &&
          claimed.compare_exchange_strong(before, turn + 1, std::memory_order_relaxed)) {
        run(part);
      }
    }
  }

  void RunRegion(const Region& region, StepTime time, ChunkTally* tally) {
    const int lowest = region.low - std::max(0, region.low_grows) * (kChunk - 1);
    const int highest = region.high + std::max(0, region.high_grows) * (kChunk - 1);
    for (int block = lowest; block < highest + kChunk - 1; block += block_) {
      for (int s = 0; s < kChunk; ++s) {
        const int low = std::max(region.low - s * region.low_grows, block - s);
        const int high = std::min(region.high + s * region.high_grows, block + block_ - s);
        for (int row = low; row < high; ++row) {
          StepRow(&mesh_, row, {time.step + static_cast<uint32_t>(s), time.now + s},
                  &tally->cycles[static_cast<size_t>(s)]);
        }
      }
    }
  }

  Mesh& mesh_;
  const int32_t max_cycles_;
  const int threads_;
  const int bands_;
  const int block_;        // rows that run a chunk together
  const int64_t running_;  // cores that have a program
  Rendezvous rendezvous_;
  std::vector<std::atomic<uint64_t>> claimed_;      // of each part: turns up to this one
  std::array<std::vector<ChunkTally>, 2> tallies_;  // of each thread in chunks of either parity
};

}  // namespace

absl::StatusOr<RunResult> RunMesh(Mesh* mesh, const RunOptions& options) {
  return MeshRun(mesh, options).Run();
}

}  // namespace waferline::fabric
