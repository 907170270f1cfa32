// What recording usage takes by itself: requests are admitted and posted, each of the IN_FLIGHT
// again when its record is committed, and nothing else runs.
//   build/bench/record_bench STORE process|power IN_FLIGHT [RECORDS]
//
// Workload: RECORDS (50,000) requests of one tenant with a project and a key, 20 prompt tokens and
// 64 generated, priced; none lasts long enough for an open row. Prints JSON: records a second, CPU
// microseconds a record (this process's), records a commit.
#include <fmt/format.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "server/billing/price_book_reader.h"
#include "server/metering/store_meter.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"

namespace {

using namespace waferline;

Nanoseconds Now() {
  return Nanoseconds(std::chrono::steady_clock::now().time_since_epoch().count());
}

int64_t UnixUs() {
  return std::chrono::system_clock::now().time_since_epoch() / std::chrono::microseconds(1);
}

double CpuSeconds() {
  rusage used;
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

class Load {
 public:
  Load(metering::StoreMeter* meter, int records) : meter_(meter), left_(records) {}

  // One request; its record's commit is followed by the next.
  void Next() {
    if (left_.fetch_sub(1) <= 0) return;
    auto usage = meter_->Admit({.subject = {.tenant = "acme",
                                            .project = "search",
                                            .api_key = "key_0123456789abcdef",
                                            .model = "waferline-demo",
                                            .asked = "default",
                                            .tier = "default",
                                            .endpoint = "/v1/completions",
                                            .request_id = "cmpl-0123456789abcdef"},
                                .choices = {&request_, 1}});
    WL_CHECK(usage.ok());
    (*usage)->Open(nullptr);
    (*usage)->Post(0,
                   {.reason = FinishReason::kLength, .prompt_tokens = 20, .generated_tokens = 64},
                   [this](const absl::Status& status) {
                     WL_CHECK(status.ok());
                     ++committed_;
                     Next();
                   });
  }
  int committed() const { return committed_; }

 private:
  metering::StoreMeter* const meter_;
  const ValidRequest request_{
      .prompt = std::make_shared<const std::vector<TokenId>>(std::vector<TokenId>(20, 7)),
      .max_tokens = 64};
  std::atomic<int> left_, committed_{0};
};

absl::Status Run(const std::string& url, store::Durability durability, int in_flight, int records) {
  WL_ASSIGN_OR_RETURN(const auto store, store::OpenStore(url, durability));
  WL_ASSIGN_OR_RETURN(const billing::PriceBook prices, billing::LoadPriceBook("demo"));
  WL_ASSIGN_OR_RETURN(
      const auto meter,
      metering::StoreMeter::Start(
          store.get(), {.host = "bench", .now = Now, .unix_us = UnixUs, .prices = &prices}));
  Load load(meter.get(), records);
  const double cpu_before = CpuSeconds();
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < in_flight; ++i) load.Next();
  while (load.committed() < records) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double lasted =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  const double cpu = CpuSeconds() - cpu_before;
  const auto figures = meter->writer().figures();
  fmt::print(
      "{{\"records_per_second\": {:.0f}, \"cpu_us_per_record\": {:.1f}, \"records_per_commit\": "
      "{:.1f}, \"commit_ms\": {:.2f}}}\n",
      records / lasted, cpu * 1e6 / records,
      static_cast<double>(records) / static_cast<double>(figures.commits),
      ToSeconds(figures.commit_time) * 1e3 / static_cast<double>(figures.commits));
  return meter->Stop() ? absl::OkStatus() : absl::InternalError("not all was committed");
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view kind = argc > 2 ? argv[2] : "";
  const int in_flight = argc > 3 ? std::atoi(argv[3]) : 0;
  const int records = argc > 4 ? std::atoi(argv[4]) : 50'000;
  if ((kind != "process" && kind != "power") || in_flight < 1 || records < in_flight) {
    fmt::print(stderr, "usage: record_bench STORE process|power IN_FLIGHT [RECORDS]\n");
    return 2;
  }
  const absl::Status ran =
      Run(argv[1], kind == "power" ? store::Durability::kPower : store::Durability::kProcess,
          in_flight, records);
  if (!ran.ok()) fmt::print(stderr, "{}\n", std::string(ran.message()));
  return ran.ok() ? 0 : 1;
}
