// Waits for an answer that comes on another thread, for services whose calls are rare.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <utility>

#include "absl/status/status.h"

namespace waferline::rpc {

// The answer to `ask`, which gets a function to call once with it; Unavailable with `late` after
// `patience`. The promise is shared: the answer may come after that.
template <typename Answer, typename Ask>
Answer Awaited(const Ask& ask, std::chrono::seconds patience, const char* late) {
  auto answer = std::make_shared<std::promise<Answer>>();
  std::future<Answer> coming = answer->get_future();
  ask([answer](Answer given) { answer->set_value(std::move(given)); });
  if (coming.wait_for(patience) != std::future_status::ready) return absl::UnavailableError(late);
  return coming.get();
}

}  // namespace waferline::rpc
