// Workers in this process: on a thread of their own, which several shards share, or on the shard's
// own thread, where they compute when their answer is needed. Frames are encoded as between
// processes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/compute/link/local_pipe.h"
#include "wafer_backend/compute/link/notifier.h"
#include "wafer_backend/compute/link/typed_link.h"
#include "wafer_backend/compute/shard/worker_links.h"

namespace waferline::shard {

// A shard's link to one worker, both ends.
class LocalWorkerLink {
 public:
  // The shard's end.
  void Ask(link::LayerRowsFrame* frame);
  bool TakeAnswer(float* rows);  // false: there is none yet
  void WaitForAnswer() { answered_.Wait(); }
  const link::LinkBytes& sent() const { return ask_.sent(); }
  const link::LinkBytes& received() const { return answer_in_.received(); }

  // The worker's end: answers one frame. False: there is none.
  bool Serve(LayerWorker* worker);

 private:
  static constexpr int kSpinTurns = 2000;
  link::LocalPipe there_{WorkerLinks::kMaxAsked}, back_{WorkerLinks::kMaxAsked};
  link::LayerRowsOutlet ask_{&there_}, answer_{&back_};
  link::LayerRowsInlet ask_in_, answer_in_;
  std::vector<uint8_t> there_bytes_, back_bytes_;
  AskedRows asked_;  // the shard's
  link::Notifier answered_{kSpinTurns};
};

// A worker and the thread that it computes on. Owner: what builds the shards; ends when it dies.
class WorkerThread {
 public:
  explicit WorkerThread(std::unique_ptr<LayerWorker> worker);
  ~WorkerThread();

  // Any thread; the link must outlive this.
  void Connect(LocalWorkerLink* link);
  void OnAsked() { asked_.Notify(); }
  WorkerPart part() const { return worker_->part(); }

 private:
  void Run();

  const std::unique_ptr<LayerWorker> worker_;
  link::Notifier asked_{2000};
  std::atomic<bool> stop_{false};
  Mutex mutex_;
  std::vector<LocalWorkerLink*> links_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

class LocalLayerWorkers : public WorkerLinks {
 public:
  // On the caller's thread.
  explicit LocalLayerWorkers(std::vector<std::unique_ptr<LayerWorker>> workers);
  // On threads, which must die before this.
  explicit LocalLayerWorkers(const std::vector<WorkerThread*>& threads);

  size_t workers() const override { return peers_.size(); }
  WorkerPart part(size_t worker) const override;
  void Send(size_t worker, link::LayerRowsFrame* frame) override;
  void Receive(size_t worker, float* rows) override;
  absl::Status status() const override { return absl::OkStatus(); }
  link::LinkBytes sent() const override;
  link::LinkBytes received() const override;

 private:
  struct Peer {
    std::unique_ptr<LayerWorker> own;  // or
    WorkerThread* thread = nullptr;
    LocalWorkerLink link;
  };
  std::vector<std::unique_ptr<Peer>> peers_;
};

}  // namespace waferline::shard
