#include "wafer_backend/compute/prefill/shard_links.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/link/sent_status.h"
#include "wafer_backend/compute/shard/peer_model.h"

namespace waferline::prefill {
namespace {
constexpr Nanoseconds kPatience = Seconds(5);
}  // namespace

void ShardLinks::Connect(const link::ShardsFrame& shards, const membership::Credentials& driver) {
  Drop();
  hello_.credentials = driver;
  dropped_.clear();
  for (const link::ShardAddress& address : shards.shards) {
    links_.push_back(std::make_unique<Link>());
    Link* const link = links_.back().get();
    link->address = address;
    link->attempt = std::make_unique<link::ConnectAttempt>(
        reactor_, address.endpoint, kPatience,
        [this, link](absl::StatusOr<std::unique_ptr<link::Connection>> result) {
          if (!result.ok()) return Fail(result.status());
          Greet(link, *std::move(result));
        });
  }
}

void ShardLinks::Drop() {
  for (auto& link : links_) {
    link->attempt.reset();
    link->connection.reset();
    dropped_.push_back(std::move(link));
  }
  links_.clear();
  received_.clear();
}

void ShardLinks::Fail(const absl::Status& why) {
  Drop();
  events_.on_change(why);
}

void ShardLinks::Greet(Link* link, std::unique_ptr<link::Connection> connection) {
  link->connection = std::move(connection);
  link->outlet = std::make_unique<link::KvOutlet>(link->connection.get());
  link->connection->Start(
      [this, link](std::span<const uint8_t> bytes) {
        if (link->greeted) {
          return link->receipts.Accept(
              bytes, [this](const link::KvReceivedFrame& receipt) { return OnReceipt(receipt); });
        }
        return link->greeting.Accept(
            bytes, [this, link](const link::HelloFrame& hello) { return OnHello(link, hello); });
      },
      [this](const absl::Status& why) { Fail(why); });
  (void)link::GreetingOutlet(link->connection.get()).Send(hello_);
}

absl::Status ShardLinks::OnHello(Link* link, const link::HelloFrame& hello) {
  WL_RETURN_IF_ERROR(shard::SameModel(hello_, hello));
  if (hello.first_layer != link->address.first_layer ||
      hello.end_layer != link->address.end_layer) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the shard at ", link->address.endpoint, " holds other layers than the driver announced"));
  }
  link->greeted = true;
  if (std::all_of(links_.begin(), links_.end(), [](const auto& each) { return each->greeted; })) {
    events_.on_change(absl::OkStatus());
  }
  return absl::OkStatus();
}

absl::Status ShardLinks::OnReceipt(const link::KvReceivedFrame& receipt) {
  const auto expected = received_.find(receipt.job);
  if (expected == received_.end()) return absl::OkStatus();
  const absl::Status status = link::StatusOf(receipt.code, receipt.message);
  if (!status.ok()) {
    received_.erase(expected);
    events_.on_received(receipt.job, status);
  } else if (++expected->second == links_.size()) {
    received_.erase(expected);
    events_.on_received(receipt.job, absl::OkStatus());
  }
  return absl::OkStatus();
}

std::vector<KvTarget> ShardLinks::targets() {
  std::vector<KvTarget> targets;
  for (const auto& link : links_) {
    if (!link->greeted) return {};
    targets.push_back({{link->address.first_layer, link->address.end_layer}, link->outlet.get()});
  }
  return targets;
}

}  // namespace waferline::prefill
