// Asks for one answer, shows it as it comes, and lets Ctrl-C end it without ending the program.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>

#include "client/sdk/token_client.h"

namespace waferline::cli {

struct Answer {
  std::string text;
  sdk::Ending ending;
  bool interrupted = false;  // by Ctrl-C; `text` is what came until then
};

// Shows the text on stdout if `show`.
Answer Ask(sdk::TokenClient& client, const sdk::GenerateSpec& spec, bool show);

// {"finish_reason", "usage": {...}, "time_info": {...}}, what of it is known.
boost::json::object Describe(const sdk::Ending& ending);

// "32 tokens in 12.3 ms of emulated time: 2600 tokens/s", "" if that is not known.
std::string Pace(const sdk::Ending& ending);

// While one lives, Ctrl-C is recorded instead of ending the program; kBoth: SIGTERM as well. One at
// a time.
class InterruptWatch {
 public:
  enum class Signals : uint8_t { kInterrupt, kBoth };
  explicit InterruptWatch(Signals signals = Signals::kInterrupt);
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;
  // Since the last call.
  static bool Take();
  // Waits until `file` can be read, or has ended; false: an interrupt came first, and is taken.
  static bool AwaitInput(int file);

 private:
  const Signals signals_;
};

}  // namespace waferline::cli
