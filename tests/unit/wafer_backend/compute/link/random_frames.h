// A random frame of any kind, its arrays fitting together.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/link/frames.h"

namespace waferline::link {

template <typename T>
void Randomise(SeededStream* random, T& value);

template <typename T>
void Randomise(SeededStream* random, std::vector<T>& values) {
  values.resize(random->Next() % 20);
  for (T& value : values) Randomise(random, value);
}

template <typename T>
void Randomise(SeededStream* random, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    value = random->Next() % 2 == 0;
  } else if constexpr (std::is_enum_v<T>) {
    value = static_cast<T>(1 + random->Next() % 3);
  } else if constexpr (std::is_floating_point_v<T>) {
    value = static_cast<T>(random->Uniform() - 0.5);
  } else if constexpr (std::is_integral_v<T>) {
    value = static_cast<T>(random->Next());
  } else if constexpr (std::is_same_v<T, std::string>) {
    value.resize(random->Next() % 30, 'x');
  } else if constexpr (std::is_same_v<T, Row>) {
    value = {static_cast<uint32_t>(random->Next() % 64), static_cast<uint32_t>(random->Next())};
  } else {
    std::apply([random](auto&... field) { (Randomise(random, field), ...); }, T::Fields(value));
  }
}

template <typename Frame>
Frame RandomFrame(SeededStream* random) {
  Frame frame;
  Randomise(random, frame);
  if constexpr (std::is_same_v<Frame, TokenFrame>) frame.tokens.resize(frame.rows.size());
  if constexpr (std::is_same_v<Frame, ActivationFrame>) {
    frame.width %= 50;
    frame.hidden.resize(frame.rows.size() * frame.width);
  }
  if constexpr (std::is_same_v<Frame, LayerRowsFrame>) {
    frame.width = 1 + frame.width % 49;
    size_t rows = 0;
    for (uint32_t& count : frame.counts) rows += count %= 5;
    frame.hidden.resize(rows * frame.width);
  }
  if constexpr (std::is_same_v<Frame, LogitsFrame>) {
    frame.vocabulary = 1 + frame.vocabulary % 90;
    frame.logits.resize(frame.vocabulary * (random->Next() % 5));
  }
  if constexpr (std::is_same_v<Frame, PrefillFrame>) {
    frame.vector %= 3;
    frame.prompt_tokens %= static_cast<uint32_t>(frame.tokens.size() + 1);
  }
  if constexpr (std::is_same_v<Frame, PromptLogprobsFrame>) {
    for (auto& value : frame.values) value.top_logprobs.resize(value.top_ids.size());
  }
  return frame;
}

}  // namespace waferline::link
