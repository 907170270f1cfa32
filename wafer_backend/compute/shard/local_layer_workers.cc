#include "wafer_backend/compute/shard/local_layer_workers.h"

#include <algorithm>
#include <utility>

#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"

namespace waferline::shard {

// Both ends of a link are ours: what fails here is a bug.
void LocalWorkerLink::Ask(link::LayerRowsFrame* frame) {
  asked_.Ask(frame);
  WL_CHECK(ask_.Send(*frame).ok());
}

bool LocalWorkerLink::TakeAnswer(float* rows) {
  if (!back_.Take(&back_bytes_)) return false;
  const auto take = [&](const link::LayerRowsFrame& answer) {
    WL_RETURN_IF_ERROR(asked_.Take(answer));
    std::copy(answer.hidden.begin(), answer.hidden.end(), rows);
    return absl::OkStatus();
  };
  WL_CHECK(answer_in_.Accept(back_bytes_, take).ok());
  return true;
}

bool LocalWorkerLink::Serve(LayerWorker* worker) {
  if (!there_.Take(&there_bytes_)) return false;
  const auto compute = [&](link::LayerRowsFrame& frame) {
    WL_RETURN_IF_ERROR(worker->Compute(&frame));
    return answer_.Send(frame);
  };
  WL_CHECK(ask_in_.Accept(there_bytes_, compute).ok());
  answered_.Notify();
  return true;
}

WorkerThread::WorkerThread(std::unique_ptr<LayerWorker> worker)
    : worker_(std::move(worker)), thread_([this] { Run(); }) {}

WorkerThread::~WorkerThread() {
  stop_ = true;
  asked_.Notify();
  thread_.join();
}

void WorkerThread::Connect(LocalWorkerLink* link) {
  const MutexLock lock(&mutex_);
  links_.push_back(link);
}

void WorkerThread::Run() {
  std::vector<LocalWorkerLink*> links;
  while (!stop_) {
    asked_.Wait();
    {
      const MutexLock lock(&mutex_);
      links = links_;
    }
    // One frame of each link in turn, so that no shard waits for all frames of another.
    for (bool any = true; any;) {
      any = false;
      for (LocalWorkerLink* link : links) any |= link->Serve(worker_.get());
    }
  }
}

LocalLayerWorkers::LocalLayerWorkers(std::vector<std::unique_ptr<LayerWorker>> workers) {
  for (auto& worker : workers) {
    peers_.push_back(std::make_unique<Peer>());
    peers_.back()->own = std::move(worker);
  }
}

LocalLayerWorkers::LocalLayerWorkers(const std::vector<WorkerThread*>& threads) {
  for (WorkerThread* const thread : threads) {
    peers_.push_back(std::make_unique<Peer>());
    peers_.back()->thread = thread;
    thread->Connect(&peers_.back()->link);
  }
}

WorkerPart LocalLayerWorkers::part(size_t worker) const {
  const Peer& peer = *peers_[worker];
  return peer.own != nullptr ? peer.own->part() : peer.thread->part();
}

void LocalLayerWorkers::Send(size_t worker, link::LayerRowsFrame* frame) {
  Peer& peer = *peers_[worker];
  peer.link.Ask(frame);
  if (peer.thread != nullptr) peer.thread->OnAsked();
}

void LocalLayerWorkers::Receive(size_t worker, float* rows) {
  Peer& peer = *peers_[worker];
  while (!peer.link.TakeAnswer(rows)) {
    if (peer.own != nullptr) {
      WL_CHECK(peer.link.Serve(peer.own.get()));
    } else {
      peer.link.WaitForAnswer();
    }
  }
}

link::LinkBytes LocalLayerWorkers::sent() const {
  link::LinkBytes sum;
  for (const auto& peer : peers_) sum += peer->link.sent();
  return sum;
}

link::LinkBytes LocalLayerWorkers::received() const {
  link::LinkBytes sum;
  for (const auto& peer : peers_) sum += peer->link.received();
  return sum;
}

}  // namespace waferline::shard
