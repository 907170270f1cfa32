// From what a request asks for to a constraint on its tokens, for one model. What was compiled
// lately is kept, with the sets of tokens that were found for it.
//
// Owner: the served model; any thread. Compiling takes up to some tens of milliseconds for large
// schemas, about a second for the most costly ones (work_meter.h). Bounds: kMaxKept grammars, each
// of at most about 20 MB; kMaxSourceBytes of text.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "wafer_backend/api/constraint.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/compute/grammar/rules.h"
#include "wafer_backend/compute/grammar/tool_calls.h"
#include "wafer_backend/compute/grammar/vocabulary_tries.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::grammar {

struct GrammarSpec {
  enum class Kind : uint8_t {
    kJsonSchema,  // schema
    kJsonObject,  // any JSON object
    kRegex,       // text; matches the whole
    kChoice,      // choices
    kGbnf,        // text
    kToolCalls,   // calls, and `answer` for answers without one
  };
  Kind kind = Kind::kJsonObject;
  boost::json::value schema;
  std::string text;
  std::vector<std::string> choices;
  std::shared_ptr<const ToolCalls> calls;
  std::shared_ptr<const GrammarSpec> answer;  // null: any text; no kToolCalls
};

class GrammarCompiler {
 public:
  static constexpr size_t kMaxKept = 24;
  static constexpr size_t kMaxSourceBytes = 512 * 1024;
  static constexpr size_t kMaxChoices = 4096;

  explicit GrammarCompiler(std::shared_ptr<const model::Tokenizer> tokenizer)
      : tokenizer_(std::move(tokenizer)) {}

  // InvalidArgument says what cannot be honoured: a keyword and its JSON pointer, a byte of the
  // pattern, a line of the grammar. FailedPrecondition: the vocabulary has no end token.
  absl::StatusOr<std::shared_ptr<const TokenConstraint>> Compile(const GrammarSpec& spec) const;
  // What Compile gave for the same lately; null if it is not kept. Quick: never waits for Compile.
  std::shared_ptr<const TokenConstraint> Find(const GrammarSpec& spec) const;

 private:
  using Kept = std::pair<std::string, std::shared_ptr<const TokenConstraint>>;
  std::shared_ptr<const TokenConstraint> FindKey(const std::string& key) const;
  std::shared_ptr<const VocabularyTries> Vocabulary() const;

  const std::shared_ptr<const model::Tokenizer> tokenizer_;
  mutable Mutex vocabulary_mutex_;  // held while it is built
  mutable std::shared_ptr<const VocabularyTries> vocabulary_ ABSL_GUARDED_BY(vocabulary_mutex_);
  mutable Mutex mutex_;
  mutable std::list<Kept> kept_ ABSL_GUARDED_BY(mutex_);  // the latest first
};

}  // namespace waferline::grammar
