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
  // Of the layer under test, [length][kv_heads * head_dim] and [length][kv_heads * value_width].
  std::vector<float> keys, values;
};

float Rounded(DType dtype, float value) {
  return dtype == DType::kF16 ? FloatFromF16(F16FromFloat(value))
                              : FloatFromBf16(Bf16FromFloat(value));
}

constexpr int64_t kLayer = 1;

std::vector<CpuPath> AttentionPaths() {
  std::vector<CpuPath> paths = PathsOfThisMachine();
  if (Supports(CpuPath::kAvx512Bf16)) paths.push_back(CpuPath::kAvx512Bf16);
  return paths;
}

void RoundAll(DType dtype, std::vector<float>* values) {
  for (float& value : *values) value = Rounded(dtype, value);
}

Sequence MakeSequence(SeededStream& random, const KvPageLayout& layout, int64_t length,
                      CpuPath path) {
  Sequence s{.layout = layout, .length = length};
  for (int64_t position = 0; position < length; ++position) {
    const int64_t slot = position % layout.page_tokens;
    if (slot == 0) {
      s.memory.emplace_back(layout.page_bytes());
      // What was never stored must not matter, not even a NaN.
      std::memset(s.memory.back().data(), 0xff, static_cast<size_t>(layout.page_bytes().count()));
    }
    const std::vector<float> key = RandomFloats(random, layout.kv_heads * layout.head_dim);
    std::vector<float> value = RandomFloats(random, layout.kv_heads * layout.value_width());
    for (int64_t i = 0; layout.values_in_keys && i < std::ssize(value); ++i) {
      const int64_t head = i / layout.value_width() + 1;  // the value ends where the key does
      value[i] = key[head * layout.head_dim - head * layout.value_width() + i];
    }
    StoreKv(layout, s.memory.back().data(), kLayer, slot, key.data(), value.data(), path);
    for (float x : key) s.keys.push_back(Rounded(layout.dtype, x));
    for (float x : value) s.values.push_back(Rounded(layout.dtype, x));
  }
  for (const AlignedBuffer& page : s.memory) s.pages.push_back(page.data());
  return s;
}

// Softmax attention of one head at one position, straight from its definition, in double.
std::vector<double> Reference(const Sequence& s, const AttentionShape& shape, const float* query,
                              int64_t head, int64_t position) {
  const int64_t kv_heads = s.layout.kv_heads;
  const int64_t dim = s.layout.head_dim, value_dim = s.layout.value_width();
  const int64_t kv_head = head / (shape.heads / kv_heads);
  std::vector<double> weights;
  std::vector<int64_t> seen;
  double largest = shape.sinks == nullptr ? -INFINITY : shape.sinks[head];
  for (int64_t t = 0; t <= position; ++t) {
    if (shape.window > 0 && position - t >= shape.window) continue;
    if (shape.chunk > 0 && position / shape.chunk != t / shape.chunk) continue;
    double score = 0;
    for (int64_t d = 0; d < dim; ++d) {
      score += static_cast<double>(query[d]) * s.keys[(t * kv_heads + kv_head) * dim + d];
    }
    score *= shape.scale;
    if (shape.softcap > 0) score = shape.softcap * std::tanh(score / shape.softcap);
    seen.push_back(t);
    weights.push_back(score);
    largest = std::max(largest, score);
  }
  double sum = shape.sinks == nullptr ? 0 : std::exp(shape.sinks[head] - largest);
  for (double& weight : weights) sum += weight = std::exp(weight - largest);
  std::vector<double> out(value_dim);
  for (size_t i = 0; i < seen.size(); ++i) {
    for (int64_t d = 0; d < value_dim; ++d) {
      out[d] += weights[i] / sum * s.values[(seen[i] * kv_heads + kv_head) * value_dim + d];
    }
  }
  return out;
}

struct Setup {
  KvPageLayout layout;
  AttentionShape shape;
  std::vector<float> sinks;  // that the shape points to

  int64_t query_width() const { return shape.heads * layout.head_dim; }
  int64_t out_width() const { return shape.heads * layout.value_width(); }
};

Setup RandomSetup(SeededStream& random) {
  constexpr int64_t kDims[] = {8, 16, 24, 48, 64, 80, 100, 128};
  Setup setup;
  setup.layout = {.layers = 2,
                  .kv_heads = RandomBetween(random, 1, 3),
                  .head_dim = kDims[random.Next() % 8],
                  .page_tokens = 16 * RandomBetween(random, 1, 4),
                  .dtype = random.Next() % 2 == 0 ? DType::kF16 : DType::kBF16,
                  .value_dim = random.Next() % 2 == 0 ? 0 : kDims[random.Next() % 8]};
  setup.layout.values_in_keys =
      setup.layout.value_width() <= setup.layout.head_dim && random.Next() % 3 == 0;
  REQUIRE(setup.layout.Check().ok());
  const double root = std::sqrt(static_cast<double>(setup.layout.head_dim));
  setup.shape = {setup.layout.kv_heads * RandomBetween(random, 1, 9), static_cast<float>(1 / root)};
  if (random.Next() % 3 == 0) setup.shape.softcap = 0.5f;
  if (random.Next() % 2 == 0) setup.shape.window = RandomBetween(random, 1, 90);
  if (random.Next() % 3 == 0) setup.shape.chunk = RandomBetween(random, 1, 90);
  if (random.Next() % 3 == 0) {
    setup.sinks = RandomFloats(random, setup.shape.heads);
    setup.shape.sinks = setup.sinks.data();
  }
  return setup;
}

TEST_CASE("attention over pages agrees with its definition in every CPU path") {
  const uint64_t seed = GENERATE(range(1, 41));
  SeededStream random(seed);
  ThreadPool pool(2);
  const Setup setup = RandomSetup(random);
  for (CpuPath path : AttentionPaths()) {
    Sequence s = MakeSequence(random, setup.layout, RandomBetween(random, 1, 150), path);
    const int64_t rows = RandomBetween(random, 1, s.length);
    std::vector<float> queries = RandomFloats(random, rows * setup.query_width());
    std::vector<float> out(static_cast<size_t>(rows * setup.out_width()));
    const QueryRun run{s.pages.data(), s.length - rows, rows, queries.data(), out.data()};
    Scratch scratch;
    Attend(setup.shape, setup.layout, kLayer, {&run, 1}, pool, scratch, path);
    AttentionShape shape = setup.shape;
    double margin = 2e-5;
    if (path == CpuPath::kAvx512Bf16) {
      // What the products read is rounded as they do; weights, which are not, lose 2^-9 each.
      for (float& query : queries) query *= shape.scale;
      shape.scale = 1;
      for (std::vector<float>* values : {&queries, &s.keys, &s.values}) {
        RoundAll(DType::kBF16, values);
      }
      margin = 8e-3;
    }
    CAPTURE(seed, Name(path), s.length, rows, setup.shape.heads, setup.layout.kv_heads,
            setup.layout.head_dim, setup.layout.value_width(), setup.layout.page_tokens,
            setup.shape.softcap, setup.shape.window, setup.shape.chunk, setup.sinks.size());
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t head = 0; head < setup.shape.heads; ++head) {
        const int64_t index = row * setup.shape.heads + head;
        const std::vector<double> expected =
            Reference(s, shape, &queries[index * setup.layout.head_dim], head, run.first + row);
        for (int64_t d = 0; d < setup.layout.value_width(); ++d) {
          REQUIRE(out[index * setup.layout.value_width() + d] ==
                  Approx(expected[d]).margin(margin));
        }
      }
    }
  }
}

TEST_CASE("a row attends with the same bits alone, in chunks, with other rows, on any threads") {
  const uint64_t seed = GENERATE(range(1, 41));
  SeededStream random(seed);
  ThreadPool one(1);
  ThreadPool three(3);
  const Setup setup = RandomSetup(random);
  const int64_t out_width = setup.out_width();
  for (CpuPath path : AttentionPaths()) {
    const Sequence s = MakeSequence(random, setup.layout, RandomBetween(random, 2, 200), path);
    const Sequence stranger = MakeSequence(random, setup.layout, 40, path);
    const std::vector<float> queries =
        RandomFloats(random, std::max<int64_t>(40, s.length) * setup.query_width());
    std::vector<float> whole(s.length * out_width), parts(whole.size()), other(40 * out_width);
    Scratch scratch;
    const QueryRun both[] = {
        {stranger.pages.data(), 0, std::min<int64_t>(40, s.length), queries.data(), other.data()},
        {s.pages.data(), 0, s.length, queries.data(), whole.data()}};
    Attend(setup.shape, setup.layout, kLayer, both, three, scratch, path);
    for (int64_t first = 0; first < s.length;) {
      const int64_t rows = std::min(s.length - first, RandomBetween(random, 1, 20));
      const QueryRun run{s.pages.data(), first, rows, &queries[first * setup.query_width()],
                         &parts[first * out_width]};
      Attend(setup.shape, setup.layout, kLayer, {&run, 1}, one, scratch, path);
      first += rows;
    }
    CAPTURE(seed, Name(path), s.length);
    REQUIRE(std::memcmp(whole.data(), parts.data(), whole.size() * 4) == 0);
    if (setup.layout.value_width() != setup.layout.head_dim) continue;
    // In place: the output takes the queries' memory.
    std::vector<float> in_place = queries;
    const QueryRun run{s.pages.data(), 0, s.length, in_place.data(), in_place.data()};
    Attend(setup.shape, setup.layout, kLayer, {&run, 1}, one, scratch, path);
    REQUIRE(std::memcmp(whole.data(), in_place.data(), whole.size() * 4) == 0);
  }
}

TEST_CASE("values that are a part of the keys: the bits of values stored by themselves") {
  ThreadPool pool(2);
  for (CpuPath path : AttentionPaths()) {
    KvPageLayout layout{.layers = 2,
                        .kv_heads = 2,
                        .head_dim = 84,
                        .page_tokens = 32,
                        .value_dim = 68,
                        .values_in_keys = true};
    REQUIRE(layout.Check().ok());
    REQUIRE(layout.page_bytes() == Bytes(2 * 2 * 84 * 32 * 2));
    SeededStream random(6), again(6);
    const Sequence in_keys = MakeSequence(random, layout, 75, path);
    layout.values_in_keys = false;
    Sequence apart = MakeSequence(again, layout, 75, path);
    for (int64_t t = 0; t < 75; ++t) {
      StoreKv(layout, apart.memory[t / 32].data(), kLayer, t % 32, &in_keys.keys[t * 2 * 84],
              &in_keys.values[t * 2 * 68], path);
    }
    const AttentionShape shape{.heads = 6, .scale = 0.1f};
    const std::vector<float> queries = RandomFloats(random, 75 * 6 * 84);
    std::vector<float> one(75 * 6 * 68), other(one.size());
    Scratch scratch;
    const QueryRun run{in_keys.pages.data(), 0, 75, queries.data(), one.data()};
    Attend(shape, in_keys.layout, kLayer, {&run, 1}, pool, scratch, path);
    const QueryRun run_apart{apart.pages.data(), 0, 75, queries.data(), other.data()};
    Attend(shape, layout, kLayer, {&run_apart, 1}, pool, scratch, path);
    REQUIRE(std::memcmp(one.data(), other.data(), one.size() * 4) == 0);
  }
}

TEST_CASE("pages that no row sees are not read") {
  SeededStream random(5);
  ThreadPool pool(1);
  const KvPageLayout layout{.layers = 2, .kv_heads = 2, .head_dim = 32, .page_tokens = 16};
  for (CpuPath path : AttentionPaths()) {
    const Sequence s = MakeSequence(random, layout, 100, path);
    // Rows at 95 to 99: the window begins at 76, the chunk at 80. Page 4 is 64 to 79.
    for (const AttentionShape& shape : {AttentionShape{.heads = 4, .scale = 0.2f, .window = 20},
                                        AttentionShape{.heads = 4, .scale = 0.2f, .chunk = 80}}) {
      const size_t first_page = shape.window > 0 ? 4 : 5;
      const std::vector<float> queries = RandomFloats(random, 5 * 4 * 32);
      std::vector<float> all(queries.size()), rest(queries.size());
      Scratch scratch;
      const QueryRun run{s.pages.data(), 95, 5, queries.data(), all.data()};
      Attend(shape, layout, kLayer, {&run, 1}, pool, scratch, path);
      std::vector<const std::byte*> pages = s.pages;
      for (size_t page = 0; page < first_page; ++page) pages[page] = nullptr;
      const QueryRun without{pages.data(), 95, 5, queries.data(), rest.data()};
      Attend(shape, layout, kLayer, {&without, 1}, pool, scratch, path);
      REQUIRE(std::memcmp(all.data(), rest.data(), all.size() * 4) == 0);
    }
  }
}

TEST_CASE(
    "a sink far above the scores leaves the values next to nothing, far below nothing changes") {
  ThreadPool pool(1);
  const KvPageLayout layout{.layers = 2, .kv_heads = 1, .head_dim = 16, .page_tokens = 16};
  for (CpuPath path : AttentionPaths()) {
    AlignedBuffer page(layout.page_bytes());
    const std::vector<float> ones(16, 1.0f);
    StoreKv(layout, page.data(), kLayer, 0, ones.data(), ones.data(), path);
    const std::byte* pages[] = {page.data()};
    const std::vector<float> query(32, 0.0f);
    std::vector<float> out(32);
    const float sinks[] = {60.0f, -60.0f};
    const QueryRun run{pages, 0, 1, query.data(), out.data()};
    Scratch scratch;
    Attend({.heads = 2, .scale = 1, .sinks = sinks}, layout, kLayer, {&run, 1}, pool, scratch,
           path);
    const double precision = path == CpuPath::kAvx512Bf16 ? 0x1p-8 : 1e-4;
    REQUIRE(out[0] == Approx(std::exp(-60.0)).epsilon(precision));
    REQUIRE(out[16] == 1.0f);
  }
}

TEST_CASE("scores far apart and large do not overflow the softmax") {
  ThreadPool pool(1);
  const KvPageLayout layout{.layers = 2, .kv_heads = 1, .head_dim = 16, .page_tokens = 16};
  for (CpuPath path : AttentionPaths()) {
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
  bad.value_dim = 2000;
  REQUIRE(std::string(bad.Check().message()).find("value_dim") != std::string::npos);
  bad = good;
  bad.head_dim = 2048;
  REQUIRE(std::string(bad.Check().message()).find("head_dim") != std::string::npos);
}

}  // namespace
}  // namespace waferline::kernels
