// A grammar ready for one vocabulary: the tokens that may come after each text, computed when they
// are first needed and kept. End tokens may come where the text may end. Where nothing else may,
// they are all that is left: under ignore_eos, where they do not end the sequence, the rest of it
// are end tokens, which stand for no text.
//
// Immutable to its users, any thread: one lock guards what it remembers. Bounds: kMaxMaskBytes of
// token sets, and the Machine's; beyond them all is forgotten and found again, which changes no
// set.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/api/constraint.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/compute/grammar/machine.h"
#include "wafer_backend/compute/grammar/vocabulary_tries.h"

namespace waferline::grammar {

class CompiledGrammar : public TokenConstraint,
                        public std::enable_shared_from_this<CompiledGrammar> {
 public:
  static constexpr size_t kMaxMaskBytes = 4 << 20;
  // Sets of more tokens are kept as bits.
  static constexpr size_t kFewTokens = 128;

  CompiledGrammar(Rules rules, std::shared_ptr<const VocabularyTries> vocabulary);

  // No text is lost at the start to the machine's bounds.
  bool start_is_whole() const { return start_is_whole_; }

  std::unique_ptr<ConstraintCursor> Start() const override;

 private:
  class Cursor;
  // A place in the text that a Reset of the machine invalidates.
  struct Place {
    Machine::Configuration at = Machine::kDead;
    uint64_t generation = 0;
  };
  using Allowed = std::shared_ptr<const AllowedTokens>;
  using Bits = std::shared_ptr<const std::vector<uint64_t>>;

  // All of these use `place`, which `text` leads to, and renew it.
  Allowed AllowedAt(const std::string& text, Place* place) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Allowed FindAllowed(const std::string& text, Place* place) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What walks from the place need to know.
  void LookAhead(const std::string& text, Place* place) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The short tokens that may come, which all places of the same look share.
  Bits ShortAt(const std::string& text, Place* place) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddGroup(const TokenGroup& group, const std::string& text, Place* place,
                std::vector<uint64_t>* bits) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Walk(const Trie& trie, const std::string& text, Place* place,
            std::vector<uint64_t>* bits) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Fills path_ again after the machine forgot it, up to the node at `index`.
  void FindPath(const Trie& trie, size_t index, const Place& place) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Renew(const std::string& text, Place* place) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<const VocabularyTries> vocabulary_;
  Allowed ends_only_;
  mutable Mutex mutex_;
  mutable Machine machine_ ABSL_GUARDED_BY(mutex_);
  bool start_is_whole_ = false;
  mutable uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 1;
  // By Machine::look, far and near.
  mutable std::unordered_map<uint64_t, Allowed> allowed_ ABSL_GUARDED_BY(mutex_);
  mutable std::unordered_map<uint64_t, Bits> short_ ABSL_GUARDED_BY(mutex_);
  mutable size_t mask_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of a walk: where the first n bytes of a node's text lead, and the bytes that lead anywhere.
  mutable std::vector<Machine::Configuration> path_ ABSL_GUARDED_BY(mutex_);
  mutable std::vector<uint8_t> live_ ABSL_GUARDED_BY(mutex_);
  // Plain characters that surely may follow, and at most.
  mutable size_t run_ ABSL_GUARDED_BY(mutex_) = 0, max_run_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace waferline::grammar
