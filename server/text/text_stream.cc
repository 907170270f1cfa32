#include "server/text/text_stream.h"

#include <algorithm>
#include <utility>

#include "wafer_backend/compute/model/utf8.h"

namespace waferline::text {

using model::StartOf;
using model::Utf8Start;

TextStream::TextStream(std::shared_ptr<const model::Tokenizer> tokenizer, TextStreamOptions options)
    : tokenizer_(std::move(tokenizer)), options_(std::move(options)) {
  if (options_.only_calls) options_.stop.clear();
  for (const std::string& stop : options_.stop) finders_.emplace_back(stop);
  for (const std::string& end : options_.ends) finders_.emplace_back(end);
  if (!options_.stop.empty() && !options_.calls_begin.empty()) calls_.emplace(options_.calls_begin);
}

TextStream::Delta TextStream::Feed(TokenId id) {
  if (stopped_ || finished_) return {};
  ++tokens_;
  std::string_view piece = tokenizer_->Piece(id);
  if (tokenizer_->IsSpecial(id)) {
    const std::vector<TokenId>& shown = options_.always_shown;
    const bool show = std::find(shown.begin(), shown.end(), id) != shown.end();
    if (options_.skip_special && !show) return {};
  } else {
    if (first_ && options_.drop_first_space && piece.starts_with(' ')) piece.remove_prefix(1);
    first_ = false;
  }
  const auto is_ascii = [](char byte) { return static_cast<unsigned char>(byte) < 0x80; };
  if (finders_.empty() && undecoded_.empty() && std::all_of(piece.begin(), piece.end(), is_ascii)) {
    characters_ += piece.size();
    return {.text = std::string(piece)};
  }
  undecoded_ += piece;
  return Advance(/*last=*/false);
}

TextStream::Delta TextStream::Finish() {
  if (stopped_ || finished_) return {};
  finished_ = true;
  Delta delta = Advance(/*last=*/true);
  if (!stopped_) delta.text += std::exchange(held_, {});
  return delta;
}

TextStream::Delta TextStream::Advance(bool last) {
  Delta delta;
  size_t done = 0;
  while (done < undecoded_.size()) {
    const std::string_view left = std::string_view(undecoded_).substr(done);
    const Utf8Start start = StartOf(left);
    if (start.kind == Utf8Start::kIncomplete && !last) break;
    const bool valid = start.kind == Utf8Start::kCharacter;
    done += start.length;
    ++characters_;
    if (Hold(valid ? left.substr(0, start.length) : model::kReplacement, delta)) return delta;
  }
  undecoded_.erase(0, done);
  const size_t shown = held_.size() - PossibleStop();
  delta.text = held_.substr(0, shown);
  held_.erase(0, shown);
  return delta;
}

bool TextStream::BeginsCall(char byte) {
  ++bytes_;
  return calls_->Feed(byte) && (!options_.calls_alone || bytes_ == options_.calls_begin.size());
}

bool TextStream::Hold(std::string_view character, Delta& delta) {
  held_ += character;
  if (calls_ && std::any_of(character.begin(), character.end(),
                            [this](char byte) { return BeginsCall(byte); })) {
    calls_.reset();
    finders_.erase(finders_.begin(),
                   finders_.begin() + static_cast<ptrdiff_t>(options_.stop.size()));
  }
  const std::string* complete = nullptr;  // of those that end here, the longest
  for (StopFinder& finder : finders_) {
    for (char byte : character) {
      // Stop strings are whole characters, so only the last byte can complete one.
      if (!finder.Feed(byte)) continue;
      if (tokens_ <= options_.min_tokens) {
        finder.Pass();
      } else if (complete == nullptr || finder.wanted().size() > complete->size()) {
        complete = &finder.wanted();
      }
    }
  }
  if (complete == nullptr) return false;
  stopped_ = true;
  delta.stopped = true;
  delta.stop = *complete;
  if (!options_.include_stop) held_.resize(held_.size() - complete->size());
  delta.text = std::exchange(held_, {});
  undecoded_.clear();
  return true;
}

size_t TextStream::PossibleStop() const {
  size_t longest = 0;
  for (const StopFinder& finder : finders_) longest = std::max(longest, finder.matched());
  return longest;
}

TokenText TextOf(const model::Tokenizer& tokenizer, TokenId id) {
  const std::string_view bytes = tokenizer.Piece(id);
  return {std::string(bytes), model::Utf8Text(bytes)};
}

}  // namespace waferline::text
