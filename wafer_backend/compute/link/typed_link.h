// A link's type says which frames it can carry; anything else does not compile on the sending side
// and is refused on the receiving side. This is how law 3 is kept: pipeline neighbours share an
// ActivationOutlet and an ActivationInlet and nothing else.
//
// Owner: the worker at that end. Thread: one at a time.
#pragma once

#include <concepts>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/link/byte_pipe.h"
#include "wafer_backend/compute/link/frame_codec.h"
#include "wafer_backend/compute/link/frames.h"
#include "wafer_backend/compute/link/sent_status.h"

namespace waferline::link {

template <typename Frame, typename... Frames>
concept OneOf = (std::same_as<Frame, Frames> || ...);

// The sending end. The pipe must outlive it.
template <typename... Frames>
class Outlet {
 public:
  explicit Outlet(BytePipe* pipe) : pipe_(pipe) {}

  // Errors are BytePipe::Push's.
  template <OneOf<Frames...> Frame>
  absl::Status Send(const Frame& frame) {
    Encode(frame, &buffer_);
    const size_t size = buffer_.size();
    WL_RETURN_IF_ERROR(pipe_->Push(&buffer_));
    const size_t payload = PayloadBytes(frame);
    ++sent_.frames;
    sent_.payload += payload;
    sent_.framing += size - payload;
    return absl::OkStatus();
  }

  bool HasRoom() const { return pipe_->HasRoom(); }
  const LinkBytes& sent() const { return sent_; }

 private:
  BytePipe* pipe_;
  std::vector<uint8_t>
      buffer_;  // goes round with the pipe, so that a steady link allocates nothing
  LinkBytes sent_;
};

// The receiving end: decodes and hands on.
template <typename... Frames>
class Inlet {
 public:
  // Calls `handler` with the decoded frame, a reference that is valid during the call. Returns what
  // the handler returns, or InvalidArgument for bytes that are not a frame of this link.
  template <typename Handler>
  absl::Status Accept(std::span<const uint8_t> bytes, Handler&& handler) {
    WL_ASSIGN_OR_RETURN(const FrameKind kind, KindOf(bytes));
    absl::Status result =
        absl::InvalidArgumentError("a frame of a kind that this link does not carry");
    (void)((Frames::kKind == kind && (result = AcceptOne<Frames>(bytes, handler), true)) || ...);
    return result;
  }

  const LinkBytes& received() const { return received_; }

 private:
  template <typename Frame, typename Handler>
  absl::Status AcceptOne(std::span<const uint8_t> bytes, Handler& handler) {
    Frame& frame = std::get<Frame>(frames_);
    WL_RETURN_IF_ERROR(Decode(bytes, &frame));
    const size_t payload = PayloadBytes(frame);
    ++received_.frames;
    received_.payload += payload;
    received_.framing += bytes.size() - payload;
    return handler(frame);
  }

  std::tuple<Frames...> frames_;
  LinkBytes received_;
};

// The first frame each way on a new connection; then the connection becomes one of those below.
using GreetingOutlet = Outlet<HelloFrame, RefusedFrame>;
class GreetingInlet {
 public:
  // As Inlet::Accept, for a handler of hellos. A refusal is the status that the peer gave.
  template <typename Handler>
  absl::Status Accept(std::span<const uint8_t> bytes, Handler&& handler) {
    return inlet_.Accept(bytes, [&handler](auto& frame) -> absl::Status {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(frame)>, HelloFrame>) {
        return handler(frame);
      } else {
        const absl::Status status = StatusOf(frame.code, frame.message);
        return status.ok() ? absl::InvalidArgumentError("a refusal without reason") : status;
      }
    });
  }

 private:
  Inlet<HelloFrame, RefusedFrame> inlet_;
};

// Between pipeline neighbours: activations and nothing else, one way.
using ActivationOutlet = Outlet<ActivationFrame>;
using ActivationInlet = Inlet<ActivationFrame>;

// Shard and worker that has a part of its layers: rows, and what that part makes of them.
using LayerRowsOutlet = Outlet<LayerRowsFrame>;
using LayerRowsInlet = Inlet<LayerRowsFrame>;

// Driver and shard: tokens into the first, logits out of the last, and control.
using DriverToShard =
    Outlet<AssignFrame, JoinFrame, OpenFrame, CloseFrame, AskMemoryFrame, TokenFrame>;
using ShardFromDriver =
    Inlet<AssignFrame, JoinFrame, OpenFrame, CloseFrame, AskMemoryFrame, TokenFrame>;
using ShardToDriver = Outlet<AnswerFrame, MemoryFrame, LogitsFrame>;
using DriverFromShard = Inlet<AnswerFrame, MemoryFrame, LogitsFrame>;

// Prefill worker and shard: pages one way, receipts the other.
using KvOutlet = Outlet<KvFrame>;
using KvInlet = Inlet<KvFrame>;
using KvReceiptOutlet = Outlet<KvReceivedFrame>;
using KvReceiptInlet = Inlet<KvReceivedFrame>;

// Driver and prefill worker.
using DriverToPrefill = Outlet<ShardsFrame, PrefillFrame, HandOffFrame, CancelFrame>;
using PrefillFromDriver = Inlet<ShardsFrame, PrefillFrame, HandOffFrame, CancelFrame>;
using PrefillToDriver = Outlet<AnswerFrame, PromptLogprobsFrame, PrefilledFrame, HandedOffFrame>;
using DriverFromPrefill = Inlet<AnswerFrame, PromptLogprobsFrame, PrefilledFrame, HandedOffFrame>;

}  // namespace waferline::link
