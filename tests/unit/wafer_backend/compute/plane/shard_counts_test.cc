// Counts of a place's shards never fall, whatever its processes start again from.
#include "wafer_backend/compute/plane/shard_counts.h"

#include <catch2/catch.hpp>
#include <utility>

namespace waferline::plane {

TEST_CASE("counts go on over links and processes, and belong to this driver alone") {
  ShardCounts counts;
  const auto after = [&](uint64_t incarnation, uint64_t payload, uint64_t tokens) {
    link::MemoryFrame report;
    report.kv_reserved = 7;
    report.sent_payload = payload;
    report.expert_tokens = {tokens};
    counts.Add(incarnation, &report);
    CHECK(report.kv_reserved == 7);
    CHECK(report.expert_tokens.size() == 1);
    CHECK(report.sent_payload == counts.sums().sent_payload);
    return std::pair(report.sent_payload, report.expert_tokens[0]);
  };
  CHECK(after(1, 500, 5) == std::pair<uint64_t, uint64_t>(0, 0));  // for another driver
  CHECK(after(1, 560, 7) == std::pair<uint64_t, uint64_t>(60, 2));
  CHECK(after(1, 560, 7) == std::pair<uint64_t, uint64_t>(60, 2));
  CHECK(after(2, 0, 0) == std::pair<uint64_t, uint64_t>(60, 2));  // started again
  CHECK(after(2, 40, 1) == std::pair<uint64_t, uint64_t>(100, 3));
  CHECK(after(2, 10, 1) == std::pair<uint64_t, uint64_t>(100, 3));  // counts from nothing again
  CHECK(after(2, 30, 1) == std::pair<uint64_t, uint64_t>(120, 3));
}

}  // namespace waferline::plane
