// A snapshot of the cloud (/admin/live) as text for a terminal: a screen of `waferctl top`, tables
// of `status` and `requests`. Pure. Names from the server may hold control characters, which the
// code that prints the text removes.
#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <string>

namespace waferline::cli {

// At most `rows` lines of at most `columns` letters, with at most kMaxTopEnded requests that ended.
// `before`: the previous snapshot, for rates; empty: there is none.
inline constexpr size_t kMaxTopEnded = 40;
struct Screen {
  int columns = 80;
  int rows = 24;
};
std::string TopText(const boost::json::object& before, const boost::json::object& look,
                    const Screen& screen);

// Models with what waits and runs, then their workers and units with what is wrong with them.
std::string StatusText(const boost::json::object& look);

// Requests in flight, and after them at most `max_ended` that ended last, the newest first.
std::string RequestsText(const boost::json::object& look, size_t max_ended);

}  // namespace waferline::cli
