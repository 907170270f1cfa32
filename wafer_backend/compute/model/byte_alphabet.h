// The printable characters that stand for bytes in byte-level BPE vocabularies (Radford et al.
// 2019, encoder.py): visible Latin-1 characters for themselves, then U+0100 onwards for the other
// bytes in their order. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace waferline::model {

// The bytes that `token` stands for; nothing if one of its characters stands for no byte.
std::optional<std::string> BytesOfToken(std::string_view token);

}  // namespace waferline::model
