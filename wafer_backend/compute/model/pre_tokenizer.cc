#define PCRE2_CODE_UNIT_WIDTH 8
#include "wafer_backend/compute/model/pre_tokenizer.h"

#include <pcre2.h>

#include <array>
#include <limits>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/model/metadata.h"
#include "wafer_backend/compute/model/utf8.h"

namespace waferline::model {
namespace {

// The White_Space property, in which PCRE2's own \s has one character too many (U+180E).
#define WL_SPACE                                                                       \
  "\\x{09}-\\x{0d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}" \
  "\\x{202f}\\x{205f}\\x{3000}"
#define WL_S "[" WL_SPACE "]"
#define WL_SPACES_AT_END WL_S "+(?![^" WL_SPACE "])|" WL_S "+"
#define WL_CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define WL_AFTER_NUMBER     \
  "| ?[^" WL_SPACE          \
  "\\p{L}\\p{N}]+[\\r\\n]*" \
  "|" WL_S "*[\\r\\n]+|" WL_SPACES_AT_END

struct Expression {
  std::string_view name;
  const char* pattern;
};

constexpr const char* kGpt2 =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" WL_SPACE "\\p{L}\\p{N}]+|" WL_SPACES_AT_END;
constexpr const char* kLlama3 =
    WL_CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" WL_AFTER_NUMBER;
constexpr const char* kQwen2 =
    WL_CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" WL_AFTER_NUMBER;

constexpr std::array<Expression, 5> kExpressions = {{{"gpt-2", kGpt2},
                                                     {"llama-bpe", kLlama3},
                                                     {"llama3", kLlama3},
                                                     {"llama-v3", kLlama3},
                                                     {"qwen2", kQwen2}}};

}  // namespace

absl::StatusOr<std::unique_ptr<PreTokenizer>> PreTokenizer::Find(std::string_view name) {
  for (const Expression& expression : kExpressions) {
    if (expression.name != name) continue;
    int error = 0;
    size_t offset = 0;
    pcre2_code* code =
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.pattern), PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
    WL_CHECK(code != nullptr);
    // Where memory may not be executable this fails, and matching is slower.
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    return std::unique_ptr<PreTokenizer>(new PreTokenizer(std::string(name), code));
  }
  return absl::UnimplementedError(
      absl::StrCat("pre-tokeniser ", Quoted(name),
                   " (tokenizer.ggml.pre) is not supported; gpt-2, llama-bpe and qwen2 are"));
}

PreTokenizer::~PreTokenizer() { pcre2_code_free(code_); }

PreTokenizer::Words::Words(const PreTokenizer& owner, std::string_view text)
    : owner_(owner),
      text_(text),
      match_(pcre2_match_data_create(1, nullptr)),
      context_(pcre2_match_context_create(nullptr)) {
  WL_CHECK(match_ != nullptr && context_ != nullptr);
  // Going back over a run of spaces takes one step a space, once a run: linear, so no limit.
  pcre2_set_match_limit(context_, std::numeric_limits<uint32_t>::max());
}

PreTokenizer::Words::~Words() {
  pcre2_match_data_free(match_);
  pcre2_match_context_free(context_);
}

std::string_view PreTokenizer::Words::Next() {
  if (done_ == text_.size()) return {};
  if (done_ == run_end_) FindRun();
  const size_t length = run_valid_ ? MatchLength() : run_end_ - done_;
  done_ += length;
  return text_.substr(done_ - length, length);
}

void PreTokenizer::Words::FindRun() {
  const auto valid_at = [this](size_t i) {
    const Utf8Start start = StartOf(text_.substr(i));
    return start.kind == Utf8Start::kCharacter ? start.length : 0;
  };
  run_begin_ = done_;
  run_end_ = done_;
  run_valid_ = valid_at(done_) != 0;
  while (run_end_ < text_.size()) {
    const size_t length = valid_at(run_end_);
    if ((length != 0) != run_valid_) break;
    run_end_ += run_valid_ ? length : 1;
  }
}

size_t PreTokenizer::Words::MatchLength() {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text_.data() + run_begin_);
  const size_t begin = done_ - run_begin_;
  const auto match = [&](uint32_t options) {
    return pcre2_match(owner_.code_, subject, run_end_ - run_begin_, begin,
                       PCRE2_NO_UTF_CHECK | PCRE2_ANCHORED | options, match_, context_);
  };
  int found = match(0);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = match(PCRE2_NO_JIT);
  const size_t* bounds = pcre2_get_ovector_pointer(match_);
  if (found > 0 && bounds[1] > begin) return bounds[1] - begin;
  // Every character is matched by one of the alternatives, so this is a lack of memory: the word is
  // one character, which costs nothing but a different choice of tokens.
  return StartOf(text_.substr(done_)).length;
}

}  // namespace waferline::model
