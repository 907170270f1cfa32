#include "server/http/live_feed.h"

#include <utility>
#include <vector>

namespace waferline::http {

bool LiveFeed::Watch(const std::shared_ptr<Exchange>& exchange) {
  if (viewers_.size() >= kMaxViewers) return false;
  const Reply head{.content_type = "text/event-stream", .headers = {{"cache-control", "no-store"}}};
  if (exchange->request().method == "HEAD") {
    exchange->Send(head);
    return true;
  }
  exchange->StartStream(head, ": keep-alive\n\n");
  viewers_.insert(exchange);
  next_ = Nanoseconds();  // it does not wait for its first look
  exchange->OnGone([this, gone = std::weak_ptr<Exchange>(exchange)] {
    if (const auto viewer = gone.lock()) viewers_.erase(viewer);
  });
  return true;
}

void LiveFeed::Tick(Nanoseconds now) {
  if (viewers_.empty() || asked_ || now < next_) return;
  next_ = now + kEvery;
  asked_ = true;
  look_([this](std::string json) {
    post_([this, json = std::move(json)] {
      asked_ = false;
      Send(json);
    });
  });
}

void LiveFeed::Send(const std::string& json) {
  const std::vector<std::shared_ptr<Exchange>> viewers(viewers_.begin(), viewers_.end());
  for (const auto& viewer : viewers) {  // a write may end one
    if (json.empty()) {
      viewers_.erase(viewer);
      viewer->Finish();
    } else if (viewer->unsent_bytes() < kMaxUnsent) {
      viewer->Write("data: " + json + "\n\n");
    }
  }
}

}  // namespace waferline::http
