// Where encoded frames go in and come out: in a process a bounded queue, between processes a TCP
// connection. Interface; typed_link.h decides which frames may pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace waferline::link {

// What passed a link in one direction, in bytes. `payload` is the load of the frames, `framing`
// everything else; both count whole frames as they were handed over.
struct LinkBytes {
  uint64_t frames = 0;
  uint64_t payload = 0;
  uint64_t framing = 0;

  LinkBytes& operator+=(const LinkBytes& o) {
    frames += o.frames;
    payload += o.payload;
    framing += o.framing;
    return *this;
  }
};

class BytePipe {
 public:
  virtual ~BytePipe() = default;

  // Hands one encoded frame over and never waits. `frame` comes back as a spent buffer to be filled
  // again. ResourceExhausted, nothing taken: the send window is full (see HasRoom). Unavailable:
  // the other end is closed.
  virtual absl::Status Push(std::vector<uint8_t>* frame) = 0;

  // The window has room for a next frame, of whatever size. A sender asks before it makes one.
  virtual bool HasRoom() const = 0;
};

}  // namespace waferline::link
