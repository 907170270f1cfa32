#define PCRE2_CODE_UNIT_WIDTH 8
#include "wafer_backend/compute/model/pre_tokenizer.h"

#include <pcre2.h>

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/model/metadata.h"
#include "wafer_backend/compute/model/utf8.h"

namespace waferline::model {
namespace {

// The White_Space property, in which PCRE2's own \s has one character too many (U+180E).
constexpr std::string_view kWhiteSpace =
    "\\x{09}-\\x{0d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}"
    "\\x{202f}\\x{205f}\\x{3000}";

// A pattern of the table for PCRE2: \s and \S as above, \p{Han} by script alone.
std::string ForPcre2(std::string_view pattern) {
  constexpr std::string_view kHan = "\\p{Han}";
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const std::string_view rest = pattern.substr(i);
    if (rest.starts_with(kHan)) {
      out += "\\p{sc:Han}";
      i += kHan.size() - 1;
    } else if (rest.starts_with("\\s") || rest.starts_with("\\S")) {
      WL_CHECK(rest[1] == 's' || !in_class);
      out += in_class ? "" : rest[1] == 's' ? "[" : "[^";
      out += kWhiteSpace;
      out += in_class ? "" : "]";
      ++i;
    } else if (rest[0] == '\\') {
      out += rest.substr(0, 2);
      ++i;
    } else {
      if (rest[0] == '[') in_class = true;
      if (rest[0] == ']') in_class = false;
      out += rest[0];
    }
  }
  return out;
}

pcre2_code* Compile(const CutStep& step) {
  int error = 0;
  size_t offset = 0;
  const std::string pattern = ForPcre2(step.pattern);
  const uint32_t options = step.kind == CutStep::kIsolateBytes ? 0 : PCRE2_UTF | PCRE2_UCP;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                   options, &error, &offset, nullptr);
  WL_CHECK(code != nullptr);
  // Where memory may not be executable this fails, and matching is slower.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  return code;
}

// The bytes of the character that `text` begins with; 0 if it is not UTF-8.
size_t CharacterAt(std::string_view text) {
  const Utf8Start start = StartOf(text);
  return start.kind == Utf8Start::kCharacter ? start.length : 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PreTokenizer>> PreTokenizer::Find(std::string_view name) {
  std::vector<std::string_view> names;
  for (const PreTokenizerRow& row : PreTokenizerRows()) {
    names.push_back(row.name);
    if (row.name != name) continue;
    std::unique_ptr<PreTokenizer> found(new PreTokenizer(row));
    for (const CutStep& step : row.steps) found->codes_.push_back(Compile(step));
    return found;
  }
  return absl::UnimplementedError(absl::StrCat("pre-tokeniser ", Quoted(name),
                                               " (tokenizer.ggml.pre) is not supported, ",
                                               MustBeOneOf(name, names)));
}

PreTokenizer::~PreTokenizer() {
  for (pcre2_code* code : codes_) pcre2_code_free(code);
}

PreTokenizer::Words::Words(const PreTokenizer& owner, std::string_view text)
    : owner_(owner),
      text_(text),
      cuttings_(owner.codes_.size()),
      context_(pcre2_match_context_create(nullptr)) {
  WL_CHECK(context_ != nullptr);
  for (Cutting& cutting : cuttings_) {
    cutting.space = pcre2_match_data_create(1, nullptr);
    WL_CHECK(cutting.space != nullptr);
  }
  // Going back over a run of spaces takes one step a space, once a run: linear, so no limit.
  pcre2_set_match_limit(context_, std::numeric_limits<uint32_t>::max());
}

PreTokenizer::Words::~Words() {
  for (Cutting& cutting : cuttings_) pcre2_match_data_free(cutting.space);
  pcre2_match_context_free(context_);
}

std::string_view PreTokenizer::Words::Next() {
  const Range word = NextPiece(cuttings_.size());
  return text_.substr(word.begin, word.end - word.begin);
}

// Of bytes that are all UTF-8, or all not.
PreTokenizer::Words::Range PreTokenizer::Words::NextRun() {
  Range run{runs_done_, runs_done_};
  if (runs_done_ == text_.size()) return run;
  const bool valid = CharacterAt(text_.substr(run.begin)) != 0;
  while (run.end < text_.size()) {
    const size_t length = CharacterAt(text_.substr(run.end));
    if ((length != 0) != valid) break;
    run.end += valid ? length : 1;
  }
  runs_done_ = run.end;
  return run;
}

// What is left after the first `step` steps; empty at the end.
PreTokenizer::Words::Range PreTokenizer::Words::NextPiece(size_t step) {
  if (step == 0) return NextRun();
  const CutStep::Kind kind = owner_.row_.steps[step - 1].kind;
  Cutting& cutting = cuttings_[step - 1];
  if (cutting.done == cutting.piece.end) {
    cutting.piece = NextPiece(step - 1);
    cutting.done = cutting.piece.begin;
    if (cutting.piece.empty()) return cutting.piece;
    const bool characters = CharacterAt(text_.substr(cutting.piece.begin)) != 0;
    if (kind != CutStep::kIsolateBytes && !characters) return TakeUntil(cutting, cutting.piece.end);
    if (kind == CutStep::kThousands) FindCuts(step - 1, cutting);
  }
  if (kind == CutStep::kThousands) {
    const size_t end = cutting.cuts.empty() ? cutting.piece.end : cutting.cuts.back();
    if (!cutting.cuts.empty()) cutting.cuts.pop_back();
    return TakeUntil(cutting, end);
  }
  if (cutting.match.empty() && !FindMatch(step - 1, cutting.done, cutting)) {
    return TakeUntil(cutting, cutting.piece.end);
  }
  if (cutting.done < cutting.match.begin) return TakeUntil(cutting, cutting.match.begin);
  const size_t end = cutting.match.end;
  cutting.match = {};
  return TakeUntil(cutting, end);
}

PreTokenizer::Words::Range PreTokenizer::Words::TakeUntil(Cutting& cutting, size_t end) {
  const Range taken{cutting.done, end};
  cutting.done = end;
  return taken;
}

// The next match of `step` from `begin` on.
bool PreTokenizer::Words::FindMatch(size_t step, size_t begin, Cutting& cutting) {
  const Range piece = cutting.piece;
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text_.data() + piece.begin);
  const auto match = [&](uint32_t options) {
    return pcre2_match(owner_.codes_[step], subject, piece.end - piece.begin, begin - piece.begin,
                       PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY | options, cutting.space, context_);
  };
  int found = match(0);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = match(PCRE2_NO_JIT);
  // An error is a lack of memory: the piece stays whole, which costs nothing but a different choice
  // of tokens.
  cutting.match = {};
  if (found <= 0) return false;
  const size_t* bounds = pcre2_get_ovector_pointer(cutting.space);
  cutting.match = {piece.begin + bounds[0], piece.begin + bounds[1]};
  return true;
}

// Before each three digits of each run in the piece, from the end of the run.
void PreTokenizer::Words::FindCuts(size_t step, Cutting& cutting) {
  for (size_t done = cutting.done; FindMatch(step, done, cutting); done = cutting.match.end) {
    int digits = 0;
    std::vector<size_t> cuts;
    for (size_t at = cutting.match.end; at > cutting.match.begin;) {
      do --at;
      while ((text_[at] & 0xc0) == 0x80);
      if (++digits % 3 == 0 && at > cutting.piece.begin) cuts.push_back(at);
    }
    cutting.cuts.insert(cutting.cuts.end(), cuts.rbegin(), cuts.rend());
  }
  cutting.match = {};
  std::reverse(cutting.cuts.begin(), cutting.cuts.end());
}

}  // namespace waferline::model
