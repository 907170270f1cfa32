#include "server/app/kv_publishers.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline::app {

absl::StatusOr<std::unique_ptr<KvPublishers>> KvPublishers::Start(
    const std::vector<config::KvEventsConfig>& configs,
    const std::vector<std::vector<std::string>>& models) {
  auto all = std::make_unique<KvPublishers>();
  for (const std::vector<std::string>& lanes : models) all->trackers_.emplace_back(lanes.size());
  for (const config::KvEventsConfig& config : configs) {
    Feed& feed = all->feeds_.emplace_back();
    feed.model = config.model.empty() ? models.front().front() : config.model;
    feed.topic = config.topic;
    bool found = false;
    for (size_t engine = 0; engine < models.size(); ++engine) {
      for (size_t lane = 0; lane < models[engine].size(); ++lane) {
        if (models[engine][lane] != feed.model) continue;
        all->trackers_[engine].AddReader(engine::LaneIndex{static_cast<uint32_t>(lane)},
                                         &feed.queue);
        found = true;
      }
    }
    if (!found) {
      return absl::InvalidArgumentError(
          absl::StrCat("kv_events: no model is named \"", config.model, "\""));
    }
    WL_ASSIGN_OR_RETURN(
        feed.publisher,
        kv_events::Publisher::Start(
            {.bind = config.bind, .topic = config.topic, .replay = config.replay}, &feed.queue));
  }
  return all;
}

std::vector<metrics::KvEventFigures> KvPublishers::Figures() const {
  std::vector<metrics::KvEventFigures> all;
  for (const Feed& feed : feeds_) {
    all.push_back({.model = feed.model,
                   .topic = feed.topic,
                   .bind = feed.publisher->address(),
                   .replay = feed.publisher->replay_address(),
                   .batches = feed.publisher->published(),
                   .dropped = feed.queue.dropped()});
  }
  return all;
}

}  // namespace waferline::app
