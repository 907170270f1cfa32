// Names of things that live long enough to be referred to. Plain values, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace waferline {

template <typename Kind, typename Number>
struct Id {
  Number value{};
  constexpr auto operator<=>(const Id&) const = default;
};

// One accepted request is one sequence (n > 1 becomes n sequences). Unique in a process, never
// reused; assigned by the engine in order of admission. Random numbers are keyed by the request's
// own seed, never by this.
using SequenceId = Id<struct SequenceKind, uint64_t>;

// An index into the vocabulary of the sequence's model.
using TokenId = int32_t;

}  // namespace waferline

template <typename Kind, typename Number>
struct std::hash<waferline::Id<Kind, Number>> {
  size_t operator()(waferline::Id<Kind, Number> id) const { return std::hash<Number>()(id.value); }
};
