// A shard node's layers, where its driver assigns them.
#include <optional>
#include <utility>

#include "wafer_backend/compute/shard/shard_node.h"

namespace waferline::shard {

absl::Status ShardNode::HandleControl(const link::AssignFrame& assign) {
  const LayerRange range{assign.first_layer, assign.end_layer};
  if (!loader_.able()) {
    return absl::InvalidArgumentError("this shard's layers were chosen when it was started");
  }
  if (loader_.busy()) {
    if (loader_.range() == range) return absl::OkStatus();  // answered when it is done
    return Answer(link::AnswerFrame::To::kAssign, 0,
                  absl::UnavailableError("it is still loading other layers"));
  }
  if (shard_ != nullptr && shard_->options().range == range) {
    return Answer(link::AnswerFrame::To::kAssign, 0, absl::OkStatus());
  }
  upstream_.reset();
  joining_.reset();
  DropDownstream();
  prefill_.clear();
  workers_.reset();
  shard_.reset();  // room for what comes
  hello_.first_layer = hello_.end_layer = 0;
  loader_.Start(range);
  return absl::OkStatus();
}

void ShardNode::TakeLoaded() {
  std::optional<LayerLoader::Loaded> loaded = loader_.Take();
  if (!loaded) return;
  if (loaded->ok()) {
    shard_ = std::move(**loaded);
    hello_.first_layer = static_cast<uint32_t>(loader_.range().first);
    hello_.end_layer = static_cast<uint32_t>(loader_.range().end);
  } else {
    Remark("the layers could not be loaded", loaded->status());
  }
  (void)Answer(link::AnswerFrame::To::kAssign, 0, loaded->status());
}

}  // namespace waferline::shard
