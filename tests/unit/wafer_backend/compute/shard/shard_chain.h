// Small models cut over shards by hand, without links: what the tests of this folder run.
#pragma once

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/random_model.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/shard/shard.h"

namespace waferline::shard {

inline std::shared_ptr<const model::GgufFile> OpenRandom(const test::RandomModelSpec& spec) {
  auto file = model::GgufFile::FromBytes(test::RandomModelBytes(spec), "random model");
  INFO(file.status());
  REQUIRE(file.ok());
  return *file;
}

class ShardChain {
 public:
  ShardChain(std::shared_ptr<const model::GgufFile> file, int64_t shards, kernels::ThreadPool* pool,
             int64_t page_tokens = 16) {
    auto shape = model::ReadShape(*file);
    INFO(shape.status());
    REQUIRE(shape.ok());
    auto packed = PackedModel::Load(file, {0, shape->layers}, pool);
    INFO(packed.status());
    REQUIRE(packed.ok());
    for (const LayerRange& range : CutEvenly(shape->layers, shards)) {
      auto shard =
          Shard::Create(*packed, {.range = range, .page_tokens = page_tokens, .slots = 32}, pool);
      INFO(shard.status());
      REQUIRE(shard.ok());
      shards_.push_back(*std::move(shard));
    }
  }

  void Open(uint32_t slot, uint32_t positions) {
    for (auto& shard : shards_) REQUIRE(shard->Open(slot, positions, /*job=*/slot).ok());
  }
  void Close(uint32_t slot) {
    for (auto& shard : shards_) shard->Close(slot);
  }

  // Logits of every row.
  std::vector<std::vector<float>> Step(const std::vector<link::Row>& rows,
                                       const std::vector<TokenId>& tokens) {
    link::ActivationFrame activations;
    REQUIRE(shards_[0]->Step({1, rows, tokens}, &activations).ok());
    for (size_t i = 1; i < shards_.size(); ++i) REQUIRE(shards_[i]->Step(&activations).ok());
    link::LogitsFrame logits;
    REQUIRE(shards_.back()->Head(activations, &logits).ok());
    std::vector<std::vector<float>> result;
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto start = logits.logits.begin() + static_cast<ptrdiff_t>(i * logits.vocabulary);
      result.emplace_back(start, start + logits.vocabulary);
    }
    return result;
  }

  // `count` tokens of one slot from `first` on, as one step.
  std::vector<std::vector<float>> Chunk(uint32_t slot, uint32_t first,
                                        const std::vector<TokenId>& tokens) {
    std::vector<link::Row> rows;
    for (uint32_t i = 0; i < tokens.size(); ++i) rows.push_back({slot, first + i});
    return Step(rows, tokens);
  }

  std::vector<std::unique_ptr<Shard>>& shards() { return shards_; }

 private:
  std::vector<std::unique_ptr<Shard>> shards_;
};

inline std::vector<TokenId> RandomTokens(SeededStream* random, size_t count, int64_t vocabulary) {
  std::vector<TokenId> tokens(count);
  for (TokenId& id : tokens) id = static_cast<TokenId>(random->Next() % vocabulary);
  return tokens;
}

inline bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Token by token, alone, on one shard and one thread: what everything else must equal.
inline std::vector<std::vector<float>> Alone(const test::RandomModelSpec& spec,
                                             const std::vector<TokenId>& tokens) {
  kernels::ThreadPool pool(1);
  ShardChain chain(OpenRandom(spec), 1, &pool);
  chain.Open(0, static_cast<uint32_t>(tokens.size()));
  std::vector<std::vector<float>> logits;
  for (uint32_t i = 0; i < tokens.size(); ++i) {
    logits.push_back(chain.Chunk(0, i, {tokens[i]})[0]);
  }
  return logits;
}

}  // namespace waferline::shard
