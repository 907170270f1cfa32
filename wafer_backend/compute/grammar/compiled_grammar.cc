#include "wafer_backend/compute/grammar/compiled_grammar.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "wafer_backend/base/check.h"

namespace waferline::grammar {
namespace {

AllowedTokens SetOf(std::vector<uint64_t> bits, size_t few) {
  AllowedTokens set;
  size_t count = 0;
  for (const uint64_t word : bits) count += static_cast<size_t>(std::popcount(word));
  if (count > few) {
    set.bits = std::move(bits);
    return set;
  }
  for (size_t i = 0; i < bits.size(); ++i) {
    for (uint64_t word = bits[i]; word != 0; word &= word - 1) {
      set.few.push_back(static_cast<TokenId>(i * 64 + std::countr_zero(word)));
    }
  }
  return set;
}

void Add(const std::vector<TokenId>& ids, std::vector<uint64_t>* bits) {
  for (const TokenId id : ids) (*bits)[id / 64] |= uint64_t{1} << id % 64;
}

}  // namespace

class CompiledGrammar::Cursor : public ConstraintCursor {
 public:
  explicit Cursor(std::shared_ptr<const CompiledGrammar> grammar) : grammar_(std::move(grammar)) {}

  std::shared_ptr<const AllowedTokens> Allowed() override {
    if (ended_) return grammar_->ends_only_;
    const MutexLock lock(&grammar_->mutex_);
    return grammar_->AllowedAt(text_, &place_);
  }

  void Append(TokenId id) override {
    const auto& ends = grammar_->vocabulary_->end_ids();
    if (ended_ || std::find(ends.begin(), ends.end(), id) != ends.end()) {
      ended_ = true;
      return;
    }
    const std::string_view bytes = grammar_->vocabulary_->TextOf(id);
    const MutexLock lock(&grammar_->mutex_);
    grammar_->Renew(text_, &place_);
    place_.at = grammar_->machine_.NextAll(place_.at, bytes);
    ended_ = place_.at == Machine::kDead || bytes.empty();
    text_ += bytes;
  }

  TokenId TowardsEnd() override {
    const std::shared_ptr<const AllowedTokens> allowed = Allowed();
    TokenId id = -1;
    {
      const MutexLock lock(&grammar_->mutex_);
      if (!ended_ && !grammar_->machine_.accepts(place_.at)) {
        id = grammar_->vocabulary_->LongestPrefix(grammar_->machine_.ShortestEnd(place_.at, 64));
      } else {
        id = grammar_->vocabulary_->end_ids().front();
      }
    }
    if (allowed->Contains(id)) return id;
    if (!allowed->few.empty()) return allowed->few.front();
    size_t word = 0;
    while (allowed->bits[word] == 0) ++word;
    return static_cast<TokenId>(word * 64 + std::countr_zero(allowed->bits[word]));
  }

 private:
  const std::shared_ptr<const CompiledGrammar> grammar_;
  Place place_;
  std::string text_;  // so far; to find the place again
  bool ended_ = false;
};

CompiledGrammar::CompiledGrammar(Rules rules, std::shared_ptr<const VocabularyTries> vocabulary)
    : vocabulary_(std::move(vocabulary)),
      machine_(std::move(rules), {VocabularyTries::kShortBytes, vocabulary_->longest()}) {
  WL_CHECK(!vocabulary_->end_ids().empty());
  path_.resize(vocabulary_->longest() + 1);
  start_is_whole_ = machine_.start() != Machine::kDead && !machine_.lost_ways();
  AllowedTokens ends;
  ends.few = vocabulary_->end_ids();
  ends.ends_only = true;
  ends_only_ = std::make_shared<const AllowedTokens>(std::move(ends));
}

std::unique_ptr<ConstraintCursor> CompiledGrammar::Start() const {
  return std::make_unique<Cursor>(shared_from_this());
}

void CompiledGrammar::Renew(const std::string& text, Place* place) const {
  if (machine_.Full() || mask_bytes_ > kMaxMaskBytes) {
    machine_.Reset();
    allowed_.clear();
    short_.clear();
    mask_bytes_ = 0;
    ++generation_;
  }
  if (place->generation == generation_) return;
  place->generation = generation_;
  place->at = machine_.NextAll(machine_.start(), text);
}

CompiledGrammar::Allowed CompiledGrammar::AllowedAt(const std::string& text, Place* place) const {
  Renew(text, place);
  const auto kept = allowed_.find(machine_.look(place->at, /*far=*/true));
  if (kept != allowed_.end()) return kept->second;
  Allowed found = FindAllowed(text, place);
  mask_bytes_ += sizeof(AllowedTokens) + found->bits.size() * 8 + found->few.size() * 4;
  return allowed_[machine_.look(place->at, /*far=*/true)] = std::move(found);
}

CompiledGrammar::Allowed CompiledGrammar::FindAllowed(const std::string& text, Place* place) const {
  if (!machine_.goes_on(place->at)) return ends_only_;
  LookAhead(text, place);
  std::vector<uint64_t> bits = *ShortAt(text, place);
  AddGroup(vocabulary_->group(/*of_long=*/true), text, place, &bits);
  if (machine_.accepts(place->at)) Add(vocabulary_->end_ids(), &bits);
  AllowedTokens set = SetOf(std::move(bits), kFewTokens);
  // Bytes that no token writes are not in the grammar (RuleBuilder::Finish), so one is there,
  // unless the machine has left out the ways to it.
  if (set.few.empty() && set.bits.empty()) return ends_only_;
  return std::make_shared<const AllowedTokens>(std::move(set));
}

CompiledGrammar::Bits CompiledGrammar::ShortAt(const std::string& text, Place* place) const {
  const auto kept = short_.find(machine_.look(place->at, /*far=*/false));
  if (kept != short_.end()) return kept->second;
  std::vector<uint64_t> found(vocabulary_->words());
  AddGroup(vocabulary_->group(/*of_long=*/false), text, place, &found);
  auto bits = std::make_shared<const std::vector<uint64_t>>(std::move(found));
  if (!machine_.counted()) return bits;  // no other place has this look
  mask_bytes_ += bits->size() * sizeof(uint64_t);
  return short_[machine_.look(place->at, /*far=*/false)] = std::move(bits);
}

void CompiledGrammar::LookAhead(const std::string& text, Place* place) const {
  // Most places take few bytes: tokens that begin with others are not looked at.
  live_.clear();
  for (int byte = 0; byte < 256; ++byte) {
    if (machine_.Next(place->at, static_cast<uint8_t>(byte)) != Machine::kDead) {
      live_.push_back(static_cast<uint8_t>(byte));
    }
  }
  run_ = machine_.plain_run(place->at);
  // Where text ends soon, longer runs of it are not looked for.
  max_run_ = run_ < kMaxPlainRun ? std::min(machine_.PlainMost(place->at), kMaxPlainRun) : run_;
  Renew(text, place);
}

void CompiledGrammar::AddGroup(const TokenGroup& group, const std::string& text, Place* place,
                               std::vector<uint64_t>* bits) const {
  for (size_t i = 0; i < bits->size(); ++i) (*bits)[i] |= group.plain_up_to[run_][i];
  Walk(group.other, text, place, bits);
  for (size_t length = run_ + 1; length <= max_run_; ++length) {
    Walk(group.plain[length], text, place, bits);
  }
}

void CompiledGrammar::Walk(const Trie& trie, const std::string& text, Place* place,
                           std::vector<uint64_t>* bits) const {
  if (trie.nodes.empty()) return;
  path_[0] = place->at;
  for (const uint8_t byte : live_) {
    const auto [begin, end] = trie.of_first[byte];
    for (size_t i = begin; i < end;) {
      const TrieNode& node = trie.nodes[i];
      const Machine::Configuration to = machine_.Next(path_[node.depth - 1], node.byte);
      if (to == Machine::kDead) {
        i = node.behind;
        continue;
      }
      path_[node.depth] = to;
      if (node.token >= 0) (*bits)[node.token / 64] |= uint64_t{1} << node.token % 64;
      if (machine_.Full()) {
        Renew(text, place);
        FindPath(trie, i, *place);
      }
      ++i;
    }
  }
}

void CompiledGrammar::FindPath(const Trie& trie, size_t index, const Place& place) const {
  // In preorder the last node of a depth before another one is above it.
  std::string bytes(trie.nodes[index].depth, 0);
  size_t depth = bytes.size();
  for (size_t i = index; depth > 0; --i) {
    if (trie.nodes[i].depth == depth) bytes[--depth] = static_cast<char>(trie.nodes[i].byte);
  }
  path_[0] = place.at;
  for (size_t i = 0; i < bytes.size(); ++i) {
    path_[i + 1] = machine_.Next(path_[i], static_cast<uint8_t>(bytes[i]));
  }
}

}  // namespace waferline::grammar
