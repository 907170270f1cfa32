// The two halves of a decoder layer, which may run on different machines: attention (its norm, the
// projections, the KV) and the feed-forward part (its norm, the dense matrices or router and
// experts). Pure, any thread.
#pragma once

#include <cstdint>

#include "wafer_backend/hardware/timing/model_shape.h"

namespace waferline::timing {

enum class LayerPart : uint8_t { kWhole, kAttention, kFeedForward };

// What of a layer belongs to the part. Weights, KV, arithmetic, allreduces and the share of a
// layer's start of the two halves add up to the whole.
LayerKind PartOf(const LayerKind& whole, LayerPart part);

// Embedding and output matrix go with attention: that side turns hidden states into tokens.
constexpr bool HasVocabulary(LayerPart part) { return part != LayerPart::kFeedForward; }

}  // namespace waferline::timing
