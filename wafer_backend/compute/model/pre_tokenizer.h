// Cuts a text into the words that byte-level BPE works on, by the regular expression that the
// model was trained with. Immutable; any thread.
//
// The expressions are those that the models' authors published (GPT-2's encoder.py, the
// tokenizer.json files of Llama 3 and Qwen2); run by PCRE2 with Unicode properties. Bytes that are
// not UTF-8 are words of their own.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;

namespace waferline::model {

class PreTokenizer {
 public:
  // gpt-2, llama-bpe (llama3, llama-v3), qwen2. Unimplemented naming those for another name.
  static absl::StatusOr<std::unique_ptr<PreTokenizer>> Find(std::string_view name);
  ~PreTokenizer();

  const std::string& name() const { return name_; }

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
    void FindRun();
    size_t MatchLength();

    const PreTokenizer& owner_;
    std::string_view text_;
    size_t done_ = 0;
    size_t run_begin_ = 0;  // of bytes that are all valid UTF-8, or all invalid
    size_t run_end_ = 0;
    bool run_valid_ = false;
    pcre2_real_match_data_8* match_;
    pcre2_real_match_context_8* context_;
  };

 private:
  PreTokenizer(std::string name, pcre2_real_code_8* code) : name_(std::move(name)), code_(code) {}
  const std::string name_;
  pcre2_real_code_8* const code_;
};

}  // namespace waferline::model
