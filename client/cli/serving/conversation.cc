#include "client/cli/serving/conversation.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "client/cli/frame/output.h"
#include "wafer_backend/base/command_line/stdout_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

// Refused for its length, before anything came.
bool IsTooLong(const Answer& answer) {
  return absl::IsInvalidArgument(answer.ending.status) && answer.text.empty() &&
         absl::StrContains(answer.ending.status.message(), "context");
}

}  // namespace

Conversation::Conversation(sdk::TokenClient& client, sdk::GenerateSpec spec, bool show)
    : client_(client), spec_(std::move(spec)), show_(show) {
  // Without a list the context is not known, and the server's refusals are all there is.
  (void)UseModel(spec_.model);
}

void Conversation::Reset(std::optional<std::string> system) {
  if (system) system_ = *std::move(system);
  turns_.clear();
  if (!system_.empty()) turns_.push_back({.role = "system", .content = system_});
}

absl::Status Conversation::UseModel(const std::string& name) {
  WL_ASSIGN_OR_RETURN(const std::vector<sdk::ModelEntry> models, client_.ListModels());
  std::string names;
  for (const sdk::ModelEntry& model : models) {
    if (model.id == name) {
      spec_.model = name;
      context_ = model.context_length;
      return absl::OkStatus();
    }
    names += (names.empty() ? "" : ", ") + model.id;
  }
  return absl::NotFoundError("the server has no model '" + name + "'; it has " + names);
}

absl::Status Conversation::Say(const std::string& message) {
  turns_.push_back({.role = "user", .content = message});
  MakeRoom();
  spec_.prompt = turns_;
  Answer answer = Ask(client_, spec_, show_);
  while (IsTooLong(answer) && DropOldest()) {
    spec_.prompt = turns_;
    answer = Ask(client_, spec_, show_);
  }
  interrupted_ = answer.interrupted;
  if (show_) {
    PrintText(answer.interrupted ? " [interrupted]\n" : "\n");
    WL_RETURN_IF_ERROR(FlushStdout());
  }
  if (!answer.ending.status.ok() && !answer.interrupted) {
    turns_.pop_back();
    return answer.ending.status;
  }
  turns_.push_back({.role = "assistant", .content = answer.text});
  last_ = answer.ending;
  if (last_.prompt_tokens && last_.completion_tokens) {
    const double tokens = double{1} * *last_.prompt_tokens + *last_.completion_tokens;
    bytes_per_token_ = std::max(0.1, static_cast<double>(Bytes()) / std::max(1.0, tokens));
  }
  return absl::OkStatus();
}

json::object Conversation::ToJson() const {
  json::array messages;
  for (const sdk::ChatTurn& turn : turns_) {
    messages.push_back(json::object{{"role", turn.role}, {"content", turn.content}});
  }
  json::object result{{"model", spec_.model}, {"messages", std::move(messages)}};
  for (const auto& [key, value] : Describe(last_)) result[key] = value;
  return result;
}

int64_t Conversation::Bytes() const {
  int64_t bytes = 0;
  for (const sdk::ChatTurn& turn : turns_) bytes += std::ssize(turn.content);
  return bytes;
}

void Conversation::MakeRoom() {
  if (context_ == 0) return;
  const uint32_t answer = std::min(spec_.max_tokens.value_or(context_ / 4), context_ / 2);
  const double room = bytes_per_token_ * (context_ - answer);
  while (static_cast<double>(Bytes()) > room && DropOldest()) {
  }
}

// The oldest question with its answer, never the one that is asked now. False: there is none.
bool Conversation::DropOldest() {
  const size_t first = system_.empty() ? 0 : 1;
  if (turns_.size() < first + 3) return false;
  turns_.erase(turns_.begin() + static_cast<int64_t>(first),
               turns_.begin() + static_cast<int64_t>(first) + 2);
  if (show_) std::cerr << "(forgot the oldest question and answer: the context is full)\n";
  return true;
}

}  // namespace waferline::cli
