// "did you mean": the known word that a mistyped one is nearest to. Pure; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace waferline::cli {

// Of `known`, the word that `word` begins or differs from in a few letters; empty if there is none.
std::string Nearest(std::string_view word, std::span<const std::string> known);

}  // namespace waferline::cli
