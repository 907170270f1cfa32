#include "server/metering/kept_back.h"

#include <string>
#include <utility>

namespace waferline::metering {

void KeptBack::Add(const OpenUsage& open) {
  MutexLock lock(&mutex_);
  lines_[open.id] = {.open = open, .posts = {}};
}

bool KeptBack::Keep(std::shared_ptr<const PostedUsage> posted) {
  UsageId first = posted->open.id;
  first.choice = 0;
  MutexLock lock(&mutex_);
  const auto found = lines_.find(first);
  if (found == lines_.end()) return closed_;
  found->second.posts.push_back(std::move(posted));
  return true;
}

KeptBack::Posts KeptBack::Take(const std::string& usage_id) {
  MutexLock lock(&mutex_);
  for (auto it = lines_.begin(); it != lines_.end(); ++it) {
    if (it->first.Text() != usage_id) continue;
    Posts posts = std::move(it->second.posts);
    lines_.erase(it);
    return posts;
  }
  return {};
}

void KeptBack::Forget(const UsageId& first) {
  MutexLock lock(&mutex_);
  const auto found = lines_.find(first);
  if (found != lines_.end() && found->second.posts.empty()) lines_.erase(found);
}

std::vector<OpenUsage> KeptBack::Close() {
  MutexLock lock(&mutex_);
  closed_ = true;
  std::vector<OpenUsage> choices;
  for (const auto& [first, line] : std::exchange(lines_, {})) {
    OpenUsage one = line.open;
    for (one.id.choice = 0; one.id.choice < line.open.choices; ++one.id.choice) {
      choices.push_back(one);
    }
  }
  return choices;
}

}  // namespace waferline::metering
