// Lets readers of /metrics who ask for the same families together share one text: making it takes
// the io thread time, up to milliseconds. A reader gets a text that was begun after it asked, so
// what a client has seen end is counted there. Texts of the same families are begun kApart apart;
// who asks sooner waits for the next one. Owner: the front ends; thread: io. Bounds: as many
// readers as there are connections; texts begun within kApart, and one more.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "wafer_backend/base/units.h"

namespace waferline::app {

class SharedScrapes {
 public:
  static constexpr Nanoseconds kApart = Milliseconds(20);
  using Names = std::vector<std::string>;  // of families; none: all
  using Reply = std::function<void(std::string)>;
  struct Source {
    std::function<void(const Names& names)> make;  // starts it; Put is called, perhaps later
    std::function<Nanoseconds()> now;
    std::function<void(Nanoseconds delay, std::function<void()> task)> after;
  };

  explicit SharedScrapes(Source source) : source_(std::move(source)) {}

  void Get(const Names& names, Reply reply) {
    // Not the one that is asked for: making a text is slower if the memory of the last one is gone.
    const Nanoseconds now = source_.now();
    std::erase_if(texts_, [&](const auto& each) {
      const Text& text = each.second;
      return each.first != names && text.asked.empty() && text.served.empty() && now >= text.next;
    });
    Text& text = texts_[names];
    text.asked.push_back(std::move(reply));
    if (text.asked.size() == 1 && text.served.empty()) BeginOrWait(names, &text);
  }

  void Put(const Names& names, std::string made) {
    Text& text = texts_[names];
    text.last = std::move(made);
    for (const Reply& reply : std::exchange(text.served, {})) reply(text.last);
    if (!text.asked.empty()) BeginOrWait(names, &text);
  }

 private:
  struct Text {
    std::vector<Reply> asked;   // since the text that is being made was begun
    std::vector<Reply> served;  // by the text that is being made; none: no text is
    Nanoseconds next;           // may be begun from here on
    std::string last;
  };

  void BeginOrWait(const Names& names, Text* text) {
    const Nanoseconds now = source_.now();
    if (now < text->next) {
      source_.after(text->next - now, [this, names] { BeginOrWait(names, &texts_[names]); });
      return;
    }
    text->next = now + kApart;
    text->served = std::exchange(text->asked, {});
    source_.make(names);
  }

  const Source source_;
  std::map<Names, Text> texts_;
};

}  // namespace waferline::app
