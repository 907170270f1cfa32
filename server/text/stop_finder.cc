#include "server/text/stop_finder.h"

#include <utility>

#include "wafer_backend/base/check.h"

namespace waferline::text {

StopFinder::StopFinder(std::string wanted) : wanted_(std::move(wanted)) {
  WL_CHECK(!wanted_.empty());
  border_.assign(wanted_.size() + 1, 0);
  for (size_t length = 2; length <= wanted_.size(); ++length) {
    size_t border = border_[length - 1];
    while (border > 0 && wanted_[border] != wanted_[length - 1]) border = border_[border];
    border_[length] = wanted_[border] == wanted_[length - 1] ? border + 1 : 0;
  }
}

bool StopFinder::Feed(char byte) {
  if (matched_ == wanted_.size()) matched_ = border_[matched_];
  while (matched_ > 0 && wanted_[matched_] != byte) matched_ = border_[matched_];
  if (wanted_[matched_] == byte) ++matched_;
  return matched_ == wanted_.size();
}

}  // namespace waferline::text
