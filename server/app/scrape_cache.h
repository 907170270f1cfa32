// Lets readers of /metrics who come together, or within kFresh, share one text: making it takes the
// io thread milliseconds. Owner: the front ends; thread: io.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "wafer_backend/base/units.h"

namespace waferline::app {

class ScrapeCache {
 public:
  static constexpr Nanoseconds kFresh = Milliseconds(20);
  using Reply = std::function<void(std::string)>;

  // `make` starts making a text, for which Put is called, perhaps later.
  void Get(Nanoseconds now, Reply reply, const std::function<void()>& make) {
    if (now < fresh_until_) return reply(text_);
    waiting_.push_back(std::move(reply));
    if (waiting_.size() == 1) make();
  }
  void Put(Nanoseconds now, std::string text) {
    text_ = std::move(text);
    fresh_until_ = now + kFresh;
    for (const Reply& reply : std::exchange(waiting_, {})) reply(text_);
  }

 private:
  std::string text_;
  Nanoseconds fresh_until_;
  std::vector<Reply> waiting_;
};

}  // namespace waferline::app
