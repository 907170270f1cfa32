#include "server/kv_events/publisher.h"

#include <zmq.h>

#include <cerrno>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/status.h"

namespace waferline::kv_events {
namespace {

constexpr int kPollMs = static_cast<int>(Publisher::kFlush.count() / 1'000'000);
constexpr uint64_t kEnd = UINT64_MAX;
constexpr size_t kMaxFrames = 4;  // of a request

std::string BigEndian(uint64_t value) {
  std::string bytes(8, '\0');
  for (int i = 7; i >= 0; --i, value >>= 8) bytes[i] = static_cast<char>(value & 0xff);
  return bytes;
}

uint64_t FromBigEndian(const std::string& bytes) {
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

// A reader that is gone or full loses the message; nothing waits for it.
void Send(void* socket, const std::vector<std::string>& frames) {
  for (size_t i = 0; i < frames.size(); ++i) {
    const int more = i + 1 < frames.size() ? ZMQ_SNDMORE : 0;
    if (zmq_send(socket, frames[i].data(), frames[i].size(), more | ZMQ_DONTWAIT) < 0) return;
  }
}

// The next message, if one is here; frames after kMaxFrames are dropped.
std::vector<std::string> Receive(void* socket) {
  std::vector<std::string> frames;
  zmq_msg_t part;
  int more = 1;
  while (more != 0) {
    zmq_msg_init(&part);
    if (zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) < 0) break;
    if (frames.size() < kMaxFrames) {
      frames.emplace_back(static_cast<const char*>(zmq_msg_data(&part)), zmq_msg_size(&part));
    }
    more = zmq_msg_more(&part);
    zmq_msg_close(&part);
  }
  return frames;
}

class ZmqPublisher final : public Publisher {
 public:
  ZmqPublisher(const Options& options, EventQueue* queue)
      : options_(options), queue_(queue), context_(zmq_ctx_new()) {}
  ~ZmqPublisher() override {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    for (void* socket : {publish_, replay_}) {
      if (socket != nullptr) zmq_close(socket);
    }
    zmq_ctx_term(context_);
  }

  absl::Status Open() {
    WL_ASSIGN_OR_RETURN(publish_, Bind(ZMQ_PUB, options_.bind));
    address_ = AddressOf(publish_);
    if (!options_.replay.empty()) {
      WL_ASSIGN_OR_RETURN(replay_, Bind(ZMQ_ROUTER, options_.replay));
      replay_address_ = AddressOf(replay_);
    }
    thread_ = std::thread([this] { Run(); });
    return absl::OkStatus();
  }

  uint64_t published() const override { return next_; }
  std::string address() const override { return address_; }
  std::string replay_address() const override { return replay_address_; }

 private:
  absl::StatusOr<void*> Bind(int type, const std::string& address) {
    void* socket = zmq_socket(context_, type);
    const int water = kHighWater, linger = 0;
    zmq_setsockopt(socket, ZMQ_SNDHWM, &water, sizeof water);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    if (zmq_bind(socket, address.c_str()) == 0) return socket;
    const int error = zmq_errno();
    zmq_close(socket);
    const std::string message = absl::StrCat("kv_events: ", address, ": ", zmq_strerror(error));
    return error == EINVAL || error == EPROTONOSUPPORT ? absl::InvalidArgumentError(message)
                                                       : absl::UnavailableError(message);
  }

  static std::string AddressOf(void* socket) {
    char text[256] = "";
    size_t size = sizeof text;
    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, text, &size);
    return text;
  }

  void Run() {
    while (!stop_) {
      zmq_pollitem_t item{.socket = replay_, .fd = 0, .events = ZMQ_POLLIN, .revents = 0};
      zmq_poll(&item, replay_ == nullptr ? 0 : 1, kPollMs);
      if (replay_ != nullptr && (item.revents & ZMQ_POLLIN) != 0) Replay();
      for (auto events = queue_->Take(kMaxBatch); !events.empty() && !stop_;
           events = queue_->Take(kMaxBatch)) {
        Publish(EncodeBatch(static_cast<double>(runtime::UnixMicroseconds()) * 1e-6, events));
      }
    }
  }

  void Publish(std::string batch) {
    Send(publish_, {options_.topic, BigEndian(next_), batch});
    if (replay_ != nullptr) {
      kept_.push_back(std::move(batch));
      if (kept_.size() > kKeptBatches) kept_.pop_front();
    }
    ++next_;
  }

  void Replay() {
    std::vector<std::string> request = Receive(replay_);
    // [identity, start], or with an empty frame between.
    if (request.size() < 2 || request.size() > 3 || request.back().size() != 8) return;
    const uint64_t start = FromBigEndian(request.back());
    request.pop_back();
    const auto answer = [&](uint64_t sequence, const std::string& batch) {
      std::vector<std::string> frames = request;
      for (const std::string& frame : {options_.topic, BigEndian(sequence), batch}) {
        frames.push_back(frame);
      }
      Send(replay_, frames);
    };
    const uint64_t oldest = next_ - kept_.size();
    for (size_t i = start > oldest ? start - oldest : 0; i < kept_.size(); ++i) {
      answer(oldest + i, kept_[i]);
    }
    answer(kEnd, "");
  }

  const Options options_;
  EventQueue* const queue_;
  void* const context_;
  void* publish_ = nullptr;
  void* replay_ = nullptr;
  std::string address_, replay_address_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> next_{0};  // sequence
  std::deque<std::string> kept_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Publisher>> Publisher::Start(const Options& options,
                                                            EventQueue* queue) {
  auto publisher = std::make_unique<ZmqPublisher>(options, queue);
  WL_RETURN_IF_ERROR(publisher->Open());
  return publisher;
}

}  // namespace waferline::kv_events
