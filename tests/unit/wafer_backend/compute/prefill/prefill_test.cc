#include <catch2/catch.hpp>
#include <cstring>
#include <map>

#include "tests/support/random_model.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/link/local_pipe.h"
#include "wafer_backend/compute/prefill/prefill_service.h"
#include "wafer_backend/compute/shard/shard.h"

namespace waferline::prefill {
namespace {

constexpr int64_t kPage = 16;

std::shared_ptr<const shard::PackedModel> SmallModel(kernels::ThreadPool* pool) {
  test::RandomModelSpec spec;
  spec.layers = 3;
  auto file = model::GgufFile::FromBytes(test::RandomModelBytes(spec));
  REQUIRE(file.ok());
  auto model = shard::PackedModel::Load(*file, {0, 3}, pool);
  REQUIRE(model.ok());
  return *model;
}

std::unique_ptr<PrefillWorker> WorkerOf(std::shared_ptr<const shard::PackedModel> model,
                                        PrefillOptions options, kernels::ThreadPool* pool) {
  options.page_tokens = kPage;
  auto worker = PrefillWorker::Create(std::move(model), options, pool);
  INFO(worker.status());
  REQUIRE(worker.ok());
  return *std::move(worker);
}

PrefillJob JobOf(uint64_t id, size_t count, bool logprobs = false) {
  PrefillJob job;
  job.id = id;
  SeededStream random(id);
  for (size_t i = 0; i < count; ++i) {
    job.tokens.push_back(static_cast<TokenId>(random.Next() % 256));
  }
  job.prompt_tokens = static_cast<uint32_t>(count);
  job.prompt_logprobs = logprobs;
  job.top_logprobs = 2;
  job.vector = static_cast<PromptVector>(id % 3);
  return job;
}

// Everything to its end, `budget` tokens a chunk.
std::map<uint64_t, Prefilled> RunOut(PrefillWorker* worker, int64_t budget) {
  std::vector<Prefilled> done;
  while (worker->HasWork()) worker->RunChunk(budget, &done);
  std::map<uint64_t, Prefilled> results;
  for (Prefilled& result : done) results[result.id] = std::move(result);
  REQUIRE(results.size() == done.size());
  return results;
}

std::vector<uint8_t> PagesOf(const PrefillWorker& worker, uint64_t id) {
  std::vector<uint8_t> bytes;
  link::KvFrame frame;
  for (const KvPart& part : worker.KvParts(id, {0, 3})) {
    worker.FillKvFrame(id, part, &frame);
    bytes.insert(bytes.end(), frame.data.begin(), frame.data.end());
  }
  return bytes;
}

TEST_CASE(
    "law 4: logits, log-probabilities and pages are the same bits in any chunks and company") {
  kernels::ThreadPool pool(2);
  const auto model = SmallModel(&pool);
  std::map<uint64_t, Prefilled> want;
  std::map<uint64_t, std::vector<uint8_t>> pages;
  // 64 tokens: whole pages, so that no byte of a page is left unwritten.
  for (uint64_t id = 1; id <= 5; ++id) {
    auto worker = WorkerOf(model, {}, &pool);
    REQUIRE(worker->Submit(JobOf(id, id == 3 ? 16 : 64, id % 2 == 0)).ok());
    want[id] = std::move(RunOut(worker.get(), 256)[id]);
    pages[id] = PagesOf(*worker, id);
  }
  for (const int64_t budget : {1, 7, 16, 50, 256}) {
    INFO("chunks of " << budget);
    auto worker = WorkerOf(model, {}, &pool);
    for (uint64_t id = 1; id <= 5; ++id) {
      REQUIRE(worker->Submit(JobOf(id, id == 3 ? 16 : 64, id % 2 == 0)).ok());
    }
    const auto got = RunOut(worker.get(), budget);
    for (uint64_t id = 1; id <= 5; ++id) {
      REQUIRE(got.at(id).status.ok());
      REQUIRE(std::memcmp(got.at(id).logits.data(), want[id].logits.data(),
                          want[id].logits.size() * sizeof(float)) == 0);
      REQUIRE(got.at(id).vector == want[id].vector);
      REQUIRE(got.at(id).vector.empty() == (id == 3));
      const auto& logprobs = got.at(id).prompt_logprobs;
      REQUIRE(logprobs.size() == (id % 2 == 0 ? 63u : 0u));
      for (size_t i = 0; i < logprobs.size(); ++i) {
        REQUIRE(logprobs[i].logprob == want[id].prompt_logprobs[i].logprob);
      }
      REQUIRE(PagesOf(*worker, id) == pages[id]);
      worker->Release(id);
    }
    REQUIRE(worker->kv_held() == Bytes(0));
  }
}

TEST_CASE("a prompt's vector is the mean of its rows, or the last of them") {
  kernels::ThreadPool pool(1);
  const auto model = SmallModel(&pool);
  const auto vector = [&](PromptVector kind, size_t count) {
    auto worker = WorkerOf(model, {}, &pool);
    PrefillJob job = JobOf(1, 20);
    job.tokens.resize(count);
    job.prompt_tokens = static_cast<uint32_t>(count);
    job.vector = kind;
    REQUIRE(worker->Submit(std::move(job)).ok());
    return RunOut(worker.get(), 7)[1].vector;
  };
  const std::vector<float> mean = vector(PromptVector::kMean, 20);
  REQUIRE(vector(PromptVector::kNone, 20).empty());
  // A row sees only those before it, so that each is the last of a shorter prompt.
  std::vector<double> sums(mean.size());
  for (size_t count = 1; count <= 20; ++count) {
    const std::vector<float> last = vector(PromptVector::kLast, count);
    REQUIRE(last.size() == mean.size());
    for (size_t i = 0; i < last.size(); ++i) sums[i] += last[i];
  }
  for (size_t i = 0; i < mean.size(); ++i) {
    REQUIRE(mean[i] == static_cast<float>(sums[i] / 20));
    REQUIRE(mean[i] != 0);
  }
}

TEST_CASE("a job released between two chunks leaves nothing, the others go on") {
  kernels::ThreadPool pool(1);
  const auto model = SmallModel(&pool);
  auto worker = WorkerOf(model, {}, &pool);
  for (uint64_t id = 1; id <= 3; ++id) REQUIRE(worker->Submit(JobOf(id, 60)).ok());
  std::vector<Prefilled> done;
  worker->RunChunk(30, &done);
  worker->Release(1);
  worker->RunChunk(30, &done);
  worker->Release(3);
  REQUIRE(done.empty());
  worker->RunChunk(30, &done);
  REQUIRE(done.size() == 1);
  REQUIRE(done[0].id == 2);
  REQUIRE_FALSE(worker->HasWork());
  REQUIRE(worker->computed_tokens() == 90);
  worker->Release(2);
  worker->Release(2);
  REQUIRE(worker->kv_held() == Bytes(0));
}

TEST_CASE("the bounds of the pool are kept and named") {
  kernels::ThreadPool pool(1);
  const auto model = SmallModel(&pool);
  PrefillOptions options;
  options.max_jobs = 3;
  auto worker = WorkerOf(model, options, &pool);
  for (uint64_t id = 1; id <= 3; ++id) REQUIRE(worker->Submit(JobOf(id, 5)).ok());
  REQUIRE(absl::IsResourceExhausted(worker->Submit(JobOf(4, 5))));
  worker->Release(2);
  REQUIRE(worker->Submit(JobOf(4, 5)).ok());
  REQUIRE(absl::IsResourceExhausted(worker->Submit(JobOf(5, 5))));
  worker->Release(1);
  REQUIRE(absl::IsAlreadyExists(worker->Submit(JobOf(3, 5))));
  REQUIRE(absl::IsInvalidArgument(worker->Submit(JobOf(9, 257))));
  REQUIRE(absl::IsInvalidArgument(worker->Submit(JobOf(9, 0))));
  PrefillJob bad = JobOf(9, 5);
  bad.tokens[2] = -5;
  REQUIRE(absl::IsInvalidArgument(worker->Submit(bad)));

  REQUIRE(worker->kv_held() == Bytes(0));  // nothing computed, nothing held
  options = {};
  options.kv_bytes = Bytes(1);
  options.page_tokens = kPage;
  REQUIRE(absl::IsInvalidArgument(PrefillWorker::Create(model, options, &pool).status()));
}

TEST_CASE("a hand-off waits for room on the links and arrives whole; a cancelled one stops") {
  kernels::ThreadPool pool(1);
  const auto model = SmallModel(&pool);
  PrefillService service(WorkerOf(model, {}, &pool));
  auto shard = shard::Shard::Create(model, {.range = {0, 3}, .page_tokens = kPage}, &pool);
  REQUIRE(shard.ok());
  link::LocalPipe pipe(1);  // one page at a time
  link::KvOutlet outlet(&pipe);
  link::KvInlet inlet;
  service.SetTargets({{{0, 3}, &outlet}});
  REQUIRE((*shard)->Open(4, 80, 7).ok());
  service.Submit(JobOf(7, 80));
  service.HandOff(7, 4);  // before it is computed
  std::vector<Prefilled> done;
  std::vector<uint8_t> bytes;
  int pages = 0;
  bool last = false;
  for (int turn = 0; turn < 100 && !last; ++turn) {
    service.Step(50, &done);
    if (!pipe.Take(&bytes)) continue;
    REQUIRE(inlet
                .Accept(bytes,
                        [&](const link::KvFrame& frame) {
                          ++pages;
                          last = frame.last;
                          return (*shard)->Receive(frame);
                        })
                .ok());
  }
  REQUIRE(last);
  REQUIRE(pages == 5);
  REQUIRE(done.size() == 1);
  service.Step(50, &done);
  const auto sent = service.TakeSent();
  REQUIRE(sent.size() == 1);
  REQUIRE(sent[0].status.ok());
  REQUIRE(service.worker().kv_held() == Bytes(0));

  service.Submit(JobOf(8, 80));
  service.HandOff(8, 5);
  service.Step(256, &done);
  REQUIRE(pipe.Take(&bytes));  // the first page is on its way
  service.Cancel(8);
  REQUIRE_FALSE(service.Step(256, &done));
  REQUIRE_FALSE(service.HasWork());
  REQUIRE(service.TakeSent().empty());
  REQUIRE(service.worker().kv_held() == Bytes(0));
}

TEST_CASE("without shards a hand-off is Unavailable, and a refused job says why") {
  kernels::ThreadPool pool(1);
  PrefillService service(WorkerOf(SmallModel(&pool), {}, &pool));
  std::vector<Prefilled> done;
  service.Submit(JobOf(1, 20));
  service.HandOff(1, 0);
  while (service.Step(50, &done)) {
  }
  const auto sent = service.TakeSent();
  REQUIRE(sent.size() == 1);
  REQUIRE(absl::IsUnavailable(sent[0].status));
  done.clear();
  service.Submit(JobOf(2, 1000));
  REQUIRE(service.Step(50, &done));
  REQUIRE(done.size() == 1);
  REQUIRE(absl::IsInvalidArgument(done[0].status));
  REQUIRE(service.worker().kv_held() == Bytes(0));
}

}  // namespace
}  // namespace waferline::prefill
