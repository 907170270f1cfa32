// fuzzes: wafer_backend/compute/link
// Bytes as a peer might send them, through every inlet: no crash, no reservation beyond the input,
// and what decodes encodes back to the same bytes.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "wafer_backend/compute/link/typed_link.h"

namespace {

template <typename Inlet>
void Through(std::span<const uint8_t> bytes) {
  Inlet inlet;
  (void)inlet.Accept(bytes, [bytes](const auto& frame) {
    std::vector<uint8_t> again;
    waferline::link::Encode(frame, &again);
    if (again.size() != bytes.size()) std::abort();
    for (size_t i = 0; i < again.size(); ++i) {
      if (again[i] != bytes[i]) std::abort();
    }
    return absl::OkStatus();
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // The length is set right, so that the fuzzer spends itself on what follows.
  std::vector<uint8_t> bytes(data, data + size);
  if (bytes.size() >= waferline::link::kHeaderBytes && bytes[7] == 0) {
    const auto length = static_cast<uint32_t>(bytes.size() - waferline::link::kLengthBytes);
    for (int i = 0; i < 4; ++i) bytes[i] = static_cast<uint8_t>(length >> (8 * i));
    bytes[4] = waferline::link::kFrameVersion;
    bytes[6] = 0;
  }
  Through<waferline::link::GreetingInlet>(bytes);
  Through<waferline::link::ActivationInlet>(bytes);
  Through<waferline::link::LayerRowsInlet>(bytes);
  Through<waferline::link::ShardFromDriver>(bytes);
  Through<waferline::link::DriverFromShard>(bytes);
  Through<waferline::link::KvInlet>(bytes);
  Through<waferline::link::KvReceiptInlet>(bytes);
  Through<waferline::link::PrefillFromDriver>(bytes);
  Through<waferline::link::DriverFromPrefill>(bytes);
  return 0;
}
