// Lets readers of /metrics who ask for the same families together, or within kFresh, share one
// text: making it takes the io thread time, up to milliseconds. Owner: the front ends; thread: io.
// Bounds: as many readers as there are connections; texts made within kFresh, and one more.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "wafer_backend/base/units.h"

namespace waferline::app {

class ScrapeCache {
 public:
  static constexpr Nanoseconds kFresh = Milliseconds(20);
  using Names = std::vector<std::string>;  // of families; none: all
  using Reply = std::function<void(std::string)>;

  // `make` starts making the text of these families, for which Put is called, perhaps later.
  void Get(Nanoseconds now, const Names& names, Reply reply, const std::function<void()>& make) {
    // Not the one that is asked for: making a text is slower if the memory of the last one is gone.
    std::erase_if(texts_, [&](const auto& each) {
      return each.first != names && each.second.waiting.empty() && now >= each.second.fresh_until;
    });
    Text& text = texts_[names];
    if (now < text.fresh_until) return reply(text.text);
    text.waiting.push_back(std::move(reply));
    if (text.waiting.size() == 1) make();
  }
  void Put(Nanoseconds now, const Names& names, std::string made) {
    Text& text = texts_[names];
    text.text = std::move(made);
    text.fresh_until = now + kFresh;
    for (const Reply& reply : std::exchange(text.waiting, {})) reply(text.text);
  }

 private:
  struct Text {
    std::string text;
    Nanoseconds fresh_until;
    std::vector<Reply> waiting;
  };
  std::map<Names, Text> texts_;
};

}  // namespace waferline::app
