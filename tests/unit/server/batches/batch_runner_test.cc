#include "server/batches/batch_runner.h"

#include <atomic>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "server/batches/batch_view.h"
#include "tests/unit/server/store/temporary_store.h"

namespace waferline::batches {
namespace {

namespace json = boost::json;

constexpr char kChat[] = "/v1/chat/completions";
const Key kInput{"t", "file-1"};
const Key kBatch{"t", "batch_1"};

Nanoseconds Now() {
  return Nanoseconds(std::chrono::steady_clock::now().time_since_epoch().count());
}

std::string Lines(int count) {
  std::string text;
  for (int i = 1; i <= count; ++i) {
    absl::StrAppend(&text, R"({"custom_id":"c)", i, R"(","method":"POST","url":")", kChat,
                    R"(","body":{"i":)", i, "}}\n");
  }
  return text;
}

// Its database outlives the runners, which come and go.
struct World {
  using Done = std::function<void(LineAnswer)>;

  explicit World(const std::string& text) {
    auto opened = store::OpenStore(folder.Url(), store::Durability::kProcess);
    WL_CHECK(opened.ok());
    real = *std::move(opened);
    writer = std::make_unique<store::Writer>(
        real.get(), store::Writer::Options{.patience = Seconds(30), .now = Now});
    WL_CHECK(writer->Start().ok());
    book = std::make_unique<BatchBook>(real.get(), writer.get());
    const File file{.key = kInput,
                    .name = "in.jsonl",
                    .purpose = "batch",
                    .bytes = static_cast<int64_t>(text.size()),
                    .created_us = 1};
    WL_CHECK(book->AddFile(file, text).ok());
    const Batch batch =
        NewBatch(kBatch, "key", {kInput.id, kChat, "24h", json::value(nullptr)}, unix_us);
    WL_CHECK(book->AddBatch(batch, kInput.id).ok());
  }

  std::unique_ptr<BatchRunner> Run(std::function<void(LineCall, Done)> execute,
                                   size_t max_lines = 4, int64_t server = 1) {
    auto runner = std::make_unique<BatchRunner>(
        BatchRunner::Options{.book = book.get(),
                             .execute = std::move(execute),
                             .now = Now,
                             .unix_us = [this] { return unix_us.load(); },
                             .server = server,
                             .max_lines = max_lines});
    runner->Start();
    return runner;
  }

  Batch Await(const std::string& status) {
    for (int i = 0; i < 6000; ++i) {
      Batch batch = book->GetBatch(kBatch).value();
      if (batch.status == status) return batch;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL("the batch is " << book->GetBatch(kBatch)->status << ", not " << status);
    return {};
  }

  std::vector<json::object> Rows(const Batch& batch, const char* field) {
    std::vector<json::object> rows;
    const std::string id = TextOf(batch, field);
    if (id.empty()) return rows;
    std::istringstream text(book->Content({kBatch.tenant, id}).value());
    for (std::string line; std::getline(text, line);) {
      rows.push_back(json::parse(line).as_object());
    }
    return rows;
  }

  store::StoreFolder folder;
  std::atomic<int64_t> unix_us{1'000'000'000'000'000};
  std::unique_ptr<store::Store> real;
  std::unique_ptr<store::Writer> writer;
  std::unique_ptr<BatchBook> book;
};

LineAnswer Fine(const LineCall& call) {
  return {.code = 200, .request_id = "r", .body = call.body, .retry_after = {}};
}

}  // namespace

TEST_CASE("each line is run once, with its owner, and the answers come in the order of the lines") {
  World world(absl::StrCat(Lines(50), "no JSON\n"));
  std::atomic<int> under_way{0}, most{0};
  std::mutex mutex;
  std::vector<std::thread> threads;
  const auto runner = world.Run([&](const LineCall& call, World::Done done) {
    CHECK((call.tenant == "t" && call.key_id == "key" && call.endpoint == kChat));
    most = std::max(most.load(), ++under_way);
    const std::lock_guard lock(mutex);
    threads.emplace_back([&, call, done] {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      --under_way;
      done(call.body == R"({"i":7})" ? LineAnswer{400, "bad", R"({"error":1})", {}} : Fine(call));
    });
  });
  const Batch batch = world.Await("completed");
  CHECK(most <= 4);
  CHECK(json::serialize(batch.view.at("request_counts")) ==
        R"({"total":51,"completed":49,"failed":2})");
  const auto rows = world.Rows(batch, "output_file_id");
  REQUIRE(rows.size() == 49);
  CHECK(rows[0].at("custom_id") == "c1");
  CHECK(rows[6].at("custom_id") == "c8");
  CHECK(json::serialize(rows[6].at("response")) ==
        R"({"status_code":200,"request_id":"r","body":{"i":8}})");
  const auto errors = world.Rows(batch, "error_file_id");
  REQUIRE(errors.size() == 2);
  CHECK((errors[0].at("custom_id") == "c7" && errors[0].at("line") == 7));
  CHECK(errors[0].at("response").at("status_code") == 400);
  CHECK((errors[1].at("line") == 51 && errors[1].at("response").is_null()));
  CHECK(errors[1].at("error").at("code") == "invalid_json");
  CHECK(batch.view.at("errors").at("data").as_array().size() == 1);
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("a batch goes on where a server that ended had left it") {
  World world(Lines(30));
  std::atomic<int> calls{0};
  std::map<std::string, int> answered;
  std::mutex mutex;
  const auto execute = [&](int bound) {
    return [&, bound](const LineCall& call, World::Done done) {
      if (++calls > bound) return;  // never answered: the server is gone before
      {
        const std::lock_guard lock(mutex);
        ++answered[call.body];
      }
      done(Fine(call));
    };
  };
  auto first = world.Run(execute(10));
  while (calls < 14) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  first->Stop();
  REQUIRE(answered.size() == 10);
  const auto second = world.Run(execute(1000), 4, 2);
  const Batch batch = world.Await("completed");
  CHECK(world.Rows(batch, "output_file_id").size() == 30);
  CHECK(answered.size() == 30);
  for (const auto& [body, times] : answered) CHECK(times == 1);
}

TEST_CASE("a line whose answer says to come back later comes back") {
  World world(Lines(5));
  std::mutex mutex;
  std::map<std::string, int> tries;
  std::atomic<int> charged{0}, dropped{0};
  const auto runner = world.Run([&](const LineCall& call, World::Done done) {
    const std::lock_guard lock(mutex);
    LineAnswer answer = Fine(call);
    if (++tries[call.body] < 3) {
      answer = {.code = 429, .request_id = "r", .body = "{}", .retry_after = Milliseconds(1)};
    }
    answer.settle = [&](bool kept) { ++(kept ? charged : dropped); };
    done(std::move(answer));
  });
  const Batch batch = world.Await("completed");
  CHECK((charged == 5 && dropped == 10));
  CHECK(world.Rows(batch, "output_file_id").size() == 5);
  for (const auto& [body, times] : tries) CHECK(times == 3);
}

TEST_CASE("what a line used is not charged if another server has taken the batch") {
  World world(Lines(2));
  std::mutex mutex;
  std::vector<std::function<void()>> held;
  std::atomic<int> calls{0}, charged{0}, dropped{0};
  const auto runner = world.Run([&](const LineCall& call, World::Done done) {
    LineAnswer answer = Fine(call);
    answer.settle = [&](bool kept) { ++(kept ? charged : dropped); };
    const std::lock_guard lock(mutex);
    held.emplace_back([done, answer] { done(answer); });
    ++calls;
  });
  while (calls < 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto answer = [&](size_t line) {
    const std::lock_guard lock(mutex);
    held[line]();
  };
  answer(0);
  while (charged + dropped < 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  REQUIRE(world.book
              ->Write([](store::Connection& connection) {
                return connection.Run("UPDATE batch SET server = 2", {}).status();
              })
              .ok());
  answer(1);
  while (charged + dropped < 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK((charged == 1 && dropped == 1));
  const auto lines = world.book->Read([](store::Connection& c) { return ResultLines(c, kBatch); });
  REQUIRE(lines.ok());
  CHECK(lines->size() == 1);
}

TEST_CASE("a batch that is cancelled lets its lines under way end and starts no others") {
  World world(Lines(20));
  std::mutex mutex;
  std::vector<std::function<void()>> held;
  std::atomic<int> calls{0};
  const auto runner = world.Run([&](const LineCall& call, World::Done done) {
    const std::lock_guard lock(mutex);
    held.emplace_back([call, done] { done(Fine(call)); });
    ++calls;
  });
  while (calls < 4) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(world.book->Cancel(kBatch, world.unix_us)->status == "cancelling");
  runner->Wake();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(world.book->GetBatch(kBatch)->status == "cancelling");
  {
    const std::lock_guard lock(mutex);
    for (const auto& answer : held) answer();
  }
  const Batch batch = world.Await("cancelled");
  CHECK(world.Rows(batch, "output_file_id").size() == 4);
  CHECK_FALSE(batch.view.at("cancelling_at").is_null());
  CHECK(calls == 4);
  CHECK(world.book->Cancel(kBatch, world.unix_us)->status == "cancelled");
}

TEST_CASE("lines that have not begun when the window ends say so") {
  World world(Lines(6));
  std::mutex mutex;
  std::vector<std::function<void()>> held;
  std::atomic<int> calls{0};
  const auto runner = world.Run(
      [&](const LineCall& call, World::Done done) {
        const std::lock_guard lock(mutex);
        held.emplace_back([call, done] { done(Fine(call)); });
        ++calls;
      },
      2);
  while (calls < 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  world.unix_us += kWindowUs;
  runner->Wake();
  while (world.book->GetBatch(kBatch)->view.at("request_counts").at("failed") != 4) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  {
    const std::lock_guard lock(mutex);
    for (const auto& answer : held) answer();
  }
  const Batch batch = world.Await("expired");
  CHECK(world.Rows(batch, "output_file_id").size() == 2);
  const auto errors = world.Rows(batch, "error_file_id");
  REQUIRE(errors.size() == 4);
  CHECK(errors[0].at("error").at("code") == "batch_expired");
  CHECK(errors[0].at("custom_id") == "c3");
}

TEST_CASE("a batch whose input is not an input fails and says why") {
  World world("\n\n");
  const auto runner = world.Run([](const LineCall&, World::Done) { FAIL("no line is run"); });
  const Batch batch = world.Await("failed");
  CHECK(json::serialize(batch.view.at("errors")).find("the input has no lines") !=
        std::string::npos);
}

TEST_CASE("a tenant's files and open batches are bounded, and others do not see them") {
  World world(Lines(1));
  File file{.key = {"t", ""}, .name = "x", .purpose = "batch", .bytes = 1, .created_us = 1};
  for (int64_t i = 1; i < kMaxFiles; ++i) {
    file.key.id = absl::StrCat("more-", i);
    REQUIRE(world.book->AddFile(file, "x").ok());
  }
  file.key.id = "one-more";
  CHECK_THAT(std::string(world.book->AddFile(file, "x").message()),
             Catch::Contains("at most 1000"));
  CHECK(world.book->DeleteFile({"t", "more-1"}).ok());
  file.bytes = kMaxFileBytes;
  CHECK_THAT(std::string(world.book->AddFile(file, "x").message()), Catch::Contains("bytes"));
  CHECK(absl::IsNotFound(world.book->GetFile({"u", "file-1"}).status()));
  CHECK(absl::IsNotFound(world.book->GetBatch({"u", kBatch.id}).status()));
  const auto page = world.book->Files("t", {.after = "file-1", .limit = 2, .oldest_first = true});
  REQUIRE(page.ok());
  CHECK(page->size() == 3);
  const auto ask = [&](int i) {
    return world.book->AddBatch(NewBatch({"t", absl::StrCat("batch_x", i)}, "",
                                         {kInput.id, kChat, "24h", json::value(nullptr)}, 1),
                                kInput.id);
  };
  for (int i = 1; i < kMaxOpenBatches; ++i) REQUIRE(ask(i).ok());
  CHECK_THAT(std::string(ask(0).message()), Catch::Contains("at most 64"));
}

}  // namespace waferline::batches
