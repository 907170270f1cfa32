// Cuts a text into the words that byte-level BPE works on, by the regular expressions that the
// model was trained with (pre_tokenizer_table.h), one after the other: the later ones see each
// piece by itself. Immutable; any thread.
//
// The expressions are run by PCRE2 with Unicode properties. Bytes that are not UTF-8 are words of
// their own.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/model/pre_tokenizer_table.h"

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;

namespace waferline::model {

class PreTokenizer {
 public:
  // Unimplemented, listing the names that there are, for another one.
  static absl::StatusOr<std::unique_ptr<PreTokenizer>> Find(std::string_view name);
  ~PreTokenizer();

  const PreTokenizerRow& row() const { return row_; }

  // The words of one text, one after the other; together they are the whole text. Linear time. The
  // text and the pre-tokenizer must outlive it; one thread.
  class Words {
   public:
    Words(const PreTokenizer& owner, std::string_view text);
    ~Words();
    Words(const Words&) = delete;
    Words& operator=(const Words&) = delete;
    // Empty at the end.
    std::string_view Next();

   private:
    struct Range {
      size_t begin = 0;
      size_t end = 0;
      bool empty() const { return begin == end; }
    };
    // What one step is cutting: `piece` from `done` on. `match` is the next match that is known.
    struct Cutting {
      Range piece;
      size_t done = 0;
      Range match;
      pcre2_real_match_data_8* space = nullptr;
      std::vector<size_t> cuts;  // kThousands: where the piece is cut, the next last
    };

    Range NextRun();
    Range NextPiece(size_t step);
    Range TakeUntil(Cutting& cutting, size_t end);
    bool FindMatch(size_t step, size_t begin, Cutting& cutting);
    void FindCuts(size_t step, Cutting& cutting);

    const PreTokenizer& owner_;
    std::string_view text_;
    size_t runs_done_ = 0;
    std::vector<Cutting> cuttings_;  // one a step
    pcre2_real_match_context_8* context_;
  };

 private:
  explicit PreTokenizer(const PreTokenizerRow& row) : row_(row) {}
  const PreTokenizerRow& row_;
  std::vector<pcre2_real_code_8*> codes_;  // one a step
};

}  // namespace waferline::model
