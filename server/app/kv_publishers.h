// The publishers of KV events that a configuration asks for, and what reports to them. Owner:
// Cloud; outlives the engines. Thread: any.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/kv_events_config.h"
#include "server/kv_events/block_tracker.h"
#include "server/kv_events/publisher.h"
#include "server/metrics/exposition.h"

namespace waferline::app {

class KvPublishers {
 public:
  // `models`: names by lane, of each engine. Errors name the publisher's model or address.
  static absl::StatusOr<std::unique_ptr<KvPublishers>> Start(
      const std::vector<config::KvEventsConfig>& configs,
      const std::vector<std::vector<std::string>>& models);

  // For an engine to report to, by its index.
  engine::EngineObserver* observer(size_t engine) { return &trackers_.at(engine); }
  std::vector<metrics::KvEventFigures> Figures() const;

 private:
  struct Feed {
    std::string model;
    std::string topic;
    kv_events::EventQueue queue;
    std::unique_ptr<kv_events::Publisher> publisher;  // reads the queue
  };
  std::deque<Feed> feeds_;
  std::deque<kv_events::BlockTracker> trackers_;  // by engine
};

}  // namespace waferline::app
