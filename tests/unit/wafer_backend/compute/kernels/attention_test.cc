#include "wafer_backend/compute/kernels/attention.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <memory>

#include "random_weights.h"
#include "wafer_backend/compute/kernels/aligned_buffer.h"

namespace waferline::kernels {
namespace {

// One sequence whose KV is stored page by page, with the rounded values kept in plain order.
struct Sequence {
  KvPageLayout layout;
  int64_t length;
  std::vector<AlignedBuffer> memory;
  std::vector<const std::byte*> pages;
  std::vector<float> keys, values;  // of the layer under test, [length][kv_heads * head_dim]
};

float Rounded(DType dtype, float value) {
  return dtype == DType::kF16 ? FloatFromF16(F16FromFloat(value))
                              : FloatFromBf16(Bf16FromFloat(value));
}

constexpr int64_t kLayer = 1;

Sequence MakeSequence(SeededStream& random, const KvPageLayout& layout, int64_t length,
                      CpuPath path) {
  Sequence s{.layout = layout, .length = length};
  const int64_t width = layout.kv_heads * layout.head_dim;
  for (int64_t position = 0; position < length; ++position) {
    const int64_t slot = position % layout.page_tokens;
    if (slot == 0) {
      s.memory.emplace_back(layout.page_bytes());
      // What was never stored must not matter, not even a NaN.
      std::memset(s.memory.back().data(), 0xff, static_cast<size_t>(layout.page_bytes().count()));
    }
    const std::vector<float> key = RandomFloats(random, width);
    const std::vector<float> value = RandomFloats(random, width);
    StoreKv(layout, s.memory.back().data(), kLayer, slot, key.data(), value.data(), path);
    for (float x : key) s.keys.push_back(Rounded(layout.dtype, x));
    for (float x : value) s.values.push_back(Rounded(layout.dtype, x));
  }
  for (const AlignedBuffer& page : s.memory) s.pages.push_back(page.data());
  return s;
}

// Softmax attention of one head at one position, straight from its definition, in double.
std::vector<double> Reference(const Sequence& s, const float* query, int64_t kv_head, float scale,
                              int64_t position) {
  const int64_t dim = s.layout.head_dim;
  const int64_t width = s.layout.kv_heads * dim;
  std::vector<double> weights;
  double largest = -INFINITY;
  for (int64_t t = 0; t <= position; ++t) {
    double score = 0;
    for (int64_t d = 0; d < dim; ++d) {
      score += static_cast<double>(query[d]) * s.keys[t * width + kv_head * dim + d];
    }
    weights.push_back(score * scale);
    largest = std::max(largest, weights.back());
  }
  double sum = 0;
  for (double& weight : weights) sum += weight = std::exp(weight - largest);
  std::vector<double> out(dim);
  for (int64_t t = 0; t <= position; ++t) {
    for (int64_t d = 0; d < dim; ++d) {
      out[d] += weights[t] / sum * s.values[t * width + kv_head * dim + d];
    }
  }
  return out;
}

struct Setup {
  KvPageLayout layout;
  AttentionShape shape;
};

Setup RandomSetup(SeededStream& random) {
  constexpr int64_t kDims[] = {8, 16, 24, 48, 64, 80, 100, 128};
  Setup setup;
  setup.layout = {.layers = 2,
                  .kv_heads = RandomBetween(random, 1, 3),
                  .head_dim = kDims[random.Next() % 8],
                  .page_tokens = 16 * RandomBetween(random, 1, 4),
                  .dtype = random.Next() % 2 == 0 ? DType::kF16 : DType::kBF16};
  REQUIRE(setup.layout.Check().ok());
  const double root = std::sqrt(static_cast<double>(setup.layout.head_dim));
  setup.shape = {setup.layout.kv_heads * RandomBetween(random, 1, 9), static_cast<float>(1 / root)};
  return setup;
}

TEST_CASE("attention over pages agrees with its definition in every CPU path") {
  const uint64_t seed = GENERATE(range(1, 13));
  SeededStream random(seed);
  ThreadPool pool(2);
  const Setup setup = RandomSetup(random);
  const int64_t row_width = setup.shape.heads * setup.layout.head_dim;
  for (CpuPath path : PathsOfThisMachine()) {
    const Sequence s = MakeSequence(random, setup.layout, RandomBetween(random, 1, 150), path);
    const int64_t rows = RandomBetween(random, 1, s.length);
    const std::vector<float> queries = RandomFloats(random, rows * row_width);
    std::vector<float> out(queries.size());
    const QueryRun run{s.pages.data(), s.length - rows, rows, queries.data(), out.data()};
    Scratch scratch;
    Attend(setup.shape, setup.layout, kLayer, {&run, 1}, pool, scratch, path);
    CAPTURE(seed, Name(path), s.length, rows, setup.shape.heads, setup.layout.kv_heads,
            setup.layout.head_dim, setup.layout.page_tokens);
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t head = 0; head < setup.shape.heads; ++head) {
        const int64_t at = (row * setup.shape.heads + head) * setup.layout.head_dim;
        const int64_t kv_head = head / (setup.shape.heads / setup.layout.kv_heads);
        const std::vector<double> expected =
            Reference(s, &queries[at], kv_head, setup.shape.scale, run.first + row);
        for (int64_t d = 0; d < setup.layout.head_dim; ++d) {
          REQUIRE(out[at + d] == Approx(expected[d]).margin(2e-5));
        }
      }
    }
  }
}

TEST_CASE("a row attends with the same bits alone, in chunks, with other rows, on any threads") {
  const uint64_t seed = GENERATE(range(1, 13));
  SeededStream random(seed);
  ThreadPool one(1);
  ThreadPool three(3);
  const Setup setup = RandomSetup(random);
  const int64_t row_width = setup.shape.heads * setup.layout.head_dim;
  for (CpuPath path : PathsOfThisMachine()) {
    const Sequence s = MakeSequence(random, setup.layout, RandomBetween(random, 2, 200), path);
    const Sequence stranger = MakeSequence(random, setup.layout, 40, path);
    const std::vector<float> queries = RandomFloats(random, s.length * row_width);
    std::vector<float> whole(queries.size()), parts(queries.size()), other(40 * row_width);
    Scratch scratch;
    const QueryRun both[] = {
        {stranger.pages.data(), 0, std::min<int64_t>(40, s.length), queries.data(), other.data()},
        {s.pages.data(), 0, s.length, queries.data(), whole.data()}};
    Attend(setup.shape, setup.layout, kLayer, both, three, scratch, path);
    for (int64_t first = 0; first < s.length;) {
      const int64_t rows = std::min(s.length - first, RandomBetween(random, 1, 20));
      const QueryRun run{s.pages.data(), first, rows, &queries[first * row_width],
                         &parts[first * row_width]};
      Attend(setup.shape, setup.layout, kLayer, {&run, 1}, one, scratch, path);
      first += rows;
    }
    CAPTURE(seed, Name(path), s.length);
    REQUIRE(std::memcmp(whole.data(), parts.data(), whole.size() * 4) == 0);
    // In place: the output takes the queries' memory.
    std::vector<float> in_place = queries;
    const QueryRun run{s.pages.data(), 0, s.length, in_place.data(), in_place.data()};
    Attend(setup.shape, setup.layout, kLayer, {&run, 1}, one, scratch, path);
    REQUIRE(std::memcmp(whole.data(), in_place.data(), whole.size() * 4) == 0);
  }
}

TEST_CASE("scores far apart and large do not overflow the softmax") {
  ThreadPool pool(1);
  const KvPageLayout layout{.layers = 2, .kv_heads = 1, .head_dim = 16, .page_tokens = 16};
  for (CpuPath path : PathsOfThisMachine()) {
    AlignedBuffer page(layout.page_bytes());
    std::vector<float> key(16, 0.0f), value(16, 0.0f);
    for (int64_t slot = 0; slot < 3; ++slot) {
      key[0] = slot == 1 ? 200.0f : -200.0f;
      value[0] = static_cast<float>(slot);
      StoreKv(layout, page.data(), kLayer, slot, key.data(), value.data(), path);
    }
    const std::byte* pages[] = {page.data()};
    std::vector<float> query(16, 1.0f), out(16);
    const QueryRun run{pages, 2, 1, query.data(), out.data()};
    Scratch scratch;
    Attend({1, 100.0f}, layout, kLayer, {&run, 1}, pool, scratch, path);
    REQUIRE(out[0] == 1.0f);
  }
}

TEST_CASE("a page layout that kernels cannot read is refused by its field") {
  const KvPageLayout good{.layers = 1, .kv_heads = 1, .head_dim = 64};
  REQUIRE(good.Check().ok());
  KvPageLayout bad = good;
  bad.page_tokens = 24;
  REQUIRE(std::string(bad.Check().message()).find("page_tokens") != std::string::npos);
  bad = good;
  bad.dtype = DType::kQ8_0;
  REQUIRE(std::string(bad.Check().message()).find("Q8_0") != std::string::npos);
  bad = good;
  bad.head_dim = 2048;
  REQUIRE(std::string(bad.Check().message()).find("head_dim") != std::string::npos);
}

}  // namespace
}  // namespace waferline::kernels
