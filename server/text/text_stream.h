// Token ids of one sequence become text that may be shown: incomplete UTF-8 and possible beginnings
// of stop strings are held back, a stop string is cut off. A resource of one sequence: one thread
// at a time.
//
// Laws: the texts of all Feed and Finish calls together are valid UTF-8 and, without a stop, equal
// to the tokens' bytes with each invalid part as U+FFFD; how the bytes are spread over tokens
// changes nothing. The stop string that is complete first, after min_tokens, ends the text. A call
// of a tool is not text, so that none is cut in two: from where one begins only `ends` count. Held
// back at most: the longest stop string and one character. A call takes time in proportion to the
// token's bytes and the number of stop strings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/text/stop_finder.h"
#include "wafer_backend/base/ids.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::text {

struct TextStreamOptions {
  std::vector<std::string> stop;  // the request's; valid UTF-8, none of them empty
  std::vector<std::string> ends;  // the same, of the chat template: they end any answer
  std::string calls_begin;        // what a call begins with; "": there is none
  bool calls_alone = false;       // only at the begin of the text
  bool only_calls = false;        // there is no text
  bool include_stop = false;  // the stop string is part of the text (include_stop_str_in_output)
  uint32_t min_tokens = 0;    // a stop string that one of the first so many completes is text
  bool skip_special = true;   // control tokens give no text, else their names
  std::vector<TokenId> always_shown;  // control tokens that give their names all the same
  bool drop_first_space = false;      // of the sequence; see ChatTemplate::reply_begins_with_space
};

class TextStream {
 public:
  struct Delta {
    std::string text;      // to be shown now; may be empty
    bool stopped = false;  // a stop string is complete: no further text will come
    std::string stop;      // which one
  };

  TextStream(std::shared_ptr<const model::Tokenizer> tokenizer, TextStreamOptions options);

  // After a stop, and after Finish, tokens give nothing.
  Delta Feed(TokenId id);
  // No further token will come: what was held back is shown, an incomplete character as U+FFFD.
  Delta Finish();

  bool stopped() const { return stopped_; }
  // Unicode characters of all tokens so far, held ones included: where the text of the next token
  // begins (logprobs.text_offset).
  size_t characters() const { return characters_; }

 private:
  Delta Advance(bool last);
  // Appends one character to held_; true if that completes a stop string.
  bool Hold(std::string_view character, Delta& delta);
  // Whether a call begins with this byte.
  bool BeginsCall(char byte);
  size_t PossibleStop() const;

  std::shared_ptr<const model::Tokenizer> tokenizer_;
  TextStreamOptions options_;
  std::vector<StopFinder> finders_;  // of `stop`, unless a call has begun, then of `ends`
  std::optional<StopFinder> calls_;  // until one has begun
  size_t bytes_ = 0;                 // of the text, as far as calls_ has read
  std::string undecoded_;            // the beginning of a UTF-8 character
  std::string held_;                 // valid UTF-8 that may be the beginning of a stop string
  size_t characters_ = 0;
  uint32_t tokens_ = 0;
  bool first_ = true;
  bool stopped_ = false;
  bool finished_ = false;
};

// One token by itself, for log-probabilities: its bytes, and its text with U+FFFD for what is not
// UTF-8 by itself.
struct TokenText {
  std::string bytes;
  std::string text;
};
TokenText TextOf(const model::Tokenizer& tokenizer, TokenId id);

}  // namespace waferline::text
