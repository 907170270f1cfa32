// How each pre-tokenizer that a file may name (tokenizer.ggml.pre) cuts a text: as the
// tokenizer.json of its model does. Constants; any thread.
//
// Sources: the pre_tokenizer and normalizer of the models' published tokenizer.json files, and
// which names there are: llama.cpp, src/llama-vocab.cpp (facts; "default", which belongs to no
// model, is defined there). Punctuation and Digits steps are written as the expressions that they
// stand for.
#pragma once

#include <span>
#include <string_view>

namespace waferline::model {

// What is done to each piece that the step before left.
struct CutStep {
  enum Kind {
    kIsolate,       // each match is a piece, and so is what is between two matches
    kIsolateBytes,  // the same, by bytes instead of characters; so must be all later steps
    kThousands,     // matches are runs of digits; cut before each three, counted from the end
  };
  Kind kind = kIsolate;
  // Perl-like, as Oniguruma and PCRE2 both read it, except for \s and \S: the White_Space property.
  const char* pattern = nullptr;
  // The expression of tokenizer.json where it is another (ours takes linear time); "" where the
  // step before already says it.
  const char* published = nullptr;
};

struct PreTokenizerRow {
  std::string_view name;
  std::span<const CutStep> steps;
  bool nfc = false;          // the text is normalised first (Unicode, form C)
  bool whole_words = false;  // a word that is a token is never put together by merges
  bool adds_bos = false;     // where the file does not say it
};

std::span<const PreTokenizerRow> PreTokenizerRows();

}  // namespace waferline::model
