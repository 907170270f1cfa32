#include "wafer_backend/hardware/timing/split_step.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "wafer_backend/base/seeded_stream.h"

namespace waferline::timing {
namespace {

// Another account of the same machine: servers with queues, clocks that end, and crossings under
// way. It shares nothing with the code under test but the struct.
class Machine {
 public:
  Machine(std::vector<SplitLayer> layers, SplitSides sides)
      : layers_(std::move(layers)), sides_(sides) {}

  int64_t Run(int micro_batches) {
    for (int i = 0; i < micro_batches; ++i) servers_[{0, 0}].queue.push_back({i, 0, 0});
    int64_t now = 0, end = 0;
    while (true) {
      for (auto& [key, server] : servers_) Begin(&server, now);
      int64_t next = INT64_MAX;
      for (auto& [key, server] : servers_) {
        if (server.work) next = std::min(next, server.until);
      }
      for (const auto& [at, item] : crossing_) next = std::min(next, at);
      if (next == INT64_MAX) return end;
      now = next;
      for (auto& [key, server] : servers_) {
        if (server.work && server.until == now) end = std::max(end, Pass(&server, now));
      }
      std::map<int, Item> arrived;  // of those at one instant the smaller number first
      std::erase_if(crossing_, [&](const auto& crossing) {
        if (crossing.first == now) arrived[crossing.second.micro_batch] = crossing.second;
        return crossing.first == now;
      });
      for (const auto& [micro_batch, item] : arrived) servers_[KeyOf(item)].queue.push_back(item);
    }
  }

 private:
  struct Item {
    int micro_batch;
    size_t layer;
    int stop;
  };
  struct Server {
    std::deque<Item> queue;
    std::optional<Item> work;
    int64_t until = 0;
  };
  std::pair<int, size_t> KeyOf(const Item& item) const {
    const bool own =
        (item.stop == 0 && sides_.attention_by_layer) || (item.stop == 2 && sides_.ffn_by_layer);
    return {item.stop, own ? item.layer : 0};
  }
  void Begin(Server* server, int64_t now) {
    if (server->work || server->queue.empty()) return;
    server->work = server->queue.front();
    server->queue.pop_front();
    const SplitLayer& l = layers_[server->work->layer];
    const Nanoseconds takes[] = {l.attention, l.out.sending, l.ffn, l.back.sending};
    server->until = now + takes[server->work->stop].count();
  }
  // What arrives at the end of everything; 0 if it goes on.
  int64_t Pass(Server* server, int64_t now) {
    Item item = *server->work;
    server->work.reset();
    const SplitLayer& l = layers_[item.layer];
    int64_t at = now;
    if (item.stop == 1) at += l.out.latency.count();
    if (item.stop == 3) at += l.back.latency.count();
    if (++item.stop == 4) item = {item.micro_batch, item.layer + 1, 0};
    if (item.layer == layers_.size()) return at;
    crossing_.push_back({at, item});
    return 0;
  }

  std::vector<SplitLayer> layers_;
  SplitSides sides_;
  std::map<std::pair<int, size_t>, Server> servers_;
  std::vector<std::pair<int64_t, Item>> crossing_;
};

SplitLayer Layer(int64_t attention, int64_t ffn, int64_t latency, int64_t sending = 0) {
  const Crossing crossing{Nanoseconds(sending), Nanoseconds(latency)};
  return {Nanoseconds(attention), Nanoseconds(ffn), crossing, crossing};
}

class Draw {
 public:
  explicit Draw(uint64_t seed) : stream_(seed) {}
  int64_t In(int64_t low, int64_t high) {
    return low +
           static_cast<int64_t>(stream_.UniformAt(next_++) * static_cast<double>(high - low + 1));
  }
  // One time in `free` is 0; with 0 none is, so that arrivals hardly ever coincide.
  SplitLayer Layer(int free) {
    const auto time = [this, free](int64_t high) {
      return Nanoseconds(free > 0 && In(1, free) == 1 ? 0 : In(1, high));
    };
    return {Nanoseconds(In(1, 400'000)),
            time(400'000),
            {time(200'000), time(200'000)},
            {time(200'000), time(200'000)}};
  }

 private:
  SeededStream stream_;
  uint64_t next_ = 0;
};

TEST_CASE("the closed form is what an event simulation of both sides gives, to the nanosecond") {
  Draw draw(21);
  for (int i = 0; i < 10'000; ++i) {
    const SplitLayer layer = draw.Layer(5);
    const int layers = static_cast<int>(draw.In(1, 12)), m = static_cast<int>(draw.In(1, 8));
    const int64_t simulated =
        Machine(std::vector<SplitLayer>(static_cast<size_t>(layers), layer), {}).Run(m);
    INFO("case " << i << ": layers " << layers << ", micro-batches " << m);
    REQUIRE(SplitStepTime(layer, layers, m).count() == simulated);
  }
}

TEST_CASE("sides with a part for each layer, and layers that differ, as simulated") {
  Draw draw(22);
  for (int i = 0; i < 3'000; ++i) {
    const int layers = static_cast<int>(draw.In(1, 10)), m = static_cast<int>(draw.In(1, 6));
    const SplitSides sides{draw.In(0, 1) == 1, draw.In(0, 1) == 1};
    const SplitLayer layer = draw.Layer(0);
    std::vector<SplitLayer> alike(static_cast<size_t>(layers), layer), mixed;
    for (int l = 0; l < layers; ++l) mixed.push_back(draw.Layer(0));
    INFO("case " << i);
    REQUIRE(SplitStepTime(layer, layers, m, sides).count() == Machine(alike, sides).Run(m));
    REQUIRE(SplitStepTime(alike, m, {}) == SplitStepTime(layer, layers, m));
    REQUIRE(SplitStepTime(mixed, m, sides).count() == Machine(mixed, sides).Run(m));
  }
}

TEST_CASE("known answers of a split step") {
  const SplitLayer layer = Layer(100, 100, 40);
  CHECK(SplitStepTime(layer, 61, 1).count() == 17'080);
  CHECK(SplitStepTime(layer, 61, 2).count() == 17'180);
  CHECK(SplitStepTime(layer, 61, 3).count() == 18'480);
  CHECK(SplitStepTime(layer, 61, 4).count() == 24'580);

  // One micro-batch over a free link is the device that is not split.
  CHECK(SplitStepTime(Layer(70, 30, 0), 80, 1).count() == 80 * 100);
  // Two hops a layer: 320, 610 and 800 us a token at 5 us.
  for (const auto& [layers, extra] : {std::pair(32, 320'000), {61, 610'000}, {80, 800'000}}) {
    CHECK(SplitStepTime(Layer(70, 30, 5'000), layers, 1).count() == layers * 100 + extra);
  }
}

TEST_CASE("m >= 2 (1 + Tc / Tf) micro-batches hide the link") {
  CHECK(MicroBatchesThatHide(Layer(100, 100, 49)) == 3);
  CHECK(MicroBatchesThatHide(Layer(100, 100, 50)) == 3);
  CHECK(MicroBatchesThatHide(Layer(100, 100, 51)) == 4);
  CHECK(MicroBatchesThatHide(Layer(100, 100, 100)) == 4);
  CHECK(MicroBatchesThatHide(Layer(100, 100, 0)) == 2);
  CHECK(MicroBatchesThatHide({}) == 1);
  // With so many, one more micro-batch costs the slower side's time in each layer and no more; with
  // one fewer the sides stand still.
  for (const int64_t latency : {10, 40, 50, 90, 300}) {
    const SplitLayer layer = Layer(100, 80, latency);
    const int m = MicroBatchesThatHide(layer), layers = 61;
    const auto busy = [&](int count) { return 100 * layers * int64_t{count}; };
    CHECK(SplitStepTime(layer, layers, m).count() - busy(m) < layer.around().count());
    CHECK(SplitStepTime(layer, layers, m - 1).count() - busy(m - 1) >=
          layer.around().count() - 100);
  }
}

TEST_CASE("a side that is slower by a factor slows the whole step") {
  const SplitLayer healthy = Layer(100'000, 100'000, 10'000);
  const int64_t before = SplitStepTime(healthy, 61, 3).count();
  for (const SplitLayer& hit : {Layer(200'000, 100'000, 10'000), Layer(100'000, 200'000, 10'000),
                                Layer(100'000, 100'000, 10'000, 200'000)}) {
    const double factor =
        static_cast<double>(SplitStepTime(hit, 61, 3).count()) / static_cast<double>(before);
    CHECK(factor > 1.95);
    CHECK(factor < 2.1);
  }
}

TEST_CASE("Step-3's stage and link") {
  // 50 ms a token over 61 layers in three stages; 128 tokens on each of two attention nodes, FP8 to
  // the feed-forward side, BF16 back, within a stage.
  const Nanoseconds stage = StageBudget(Milliseconds(50), 61);
  CHECK(stage.count() == 273'224);
  const HiddenState state{7168, 1, 2};
  CHECK(LinkForStage(state, 2 * 128, stage) * 8 / 1e9 == Approx(161.3).epsilon(0.001));
}

TEST_CASE("the link carries tokens x layers x hidden x both ways' bytes") {
  CHECK(LinkBytes({8192, 2, 2}, 1, 80).count() == 80 * 32'768);
  CHECK(LinkBytes({7168, 1, 2}, 256, 61).count() == int64_t{256} * 61 * 7168 * 3);
  CHECK(LinkBytes({5, 0.5, 0.25}, 4, 3).count() == 45);
}

}  // namespace
}  // namespace waferline::timing
