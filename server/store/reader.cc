#include "server/store/reader.h"

#include <utility>

#include "wafer_backend/base/status.h"

namespace waferline::store {

void Reader::Start() {
  thread_ = Thread([this] { Run(); });
}

bool Reader::Ask(Question question) {
  MutexLock lock(&mutex_);
  if (stopping_ || waiting_.size() >= kMaxWaiting) return false;
  waiting_.push_back(std::move(question));
  changed_.NotifyAll();
  return true;
}

void Reader::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<Connection*> Reader::Connected() {
  if (connection_ == nullptr || !connection_->alive()) {
    connection_.reset();
    WL_ASSIGN_OR_RETURN(connection_, store_->Connect());
  }
  return connection_.get();
}

void Reader::Run() {
  for (;;) {
    Question question;
    {
      MutexLock lock(&mutex_);
      changed_.WaitFor(&mutex_, period_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return stopping_ || !waiting_.empty();
      });
      if (stopping_) return;
      if (!waiting_.empty()) {
        question = std::move(waiting_.front());
        waiting_.pop_front();
      }
    }
    const absl::StatusOr<Connection*> connection = Connected();
    if (question) {
      question(connection);
    } else if (connection.ok()) {
      look_(**connection);
    }
  }
}

}  // namespace waferline::store
