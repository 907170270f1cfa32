#include "server/planner/stage_order.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace waferline::planner {
namespace {

enum class Colour : uint8_t { kNew, kOpen, kDone };

class Order {
 public:
  explicit Order(const std::vector<Stage>& stages)
      : stages_(stages), colours_(stages.size(), Colour::kNew) {}

  // False if a circle was found; `circle` names it.
  bool Visit(size_t index) {
    if (colours_[index] == Colour::kDone) return true;
    path_.push_back(index);
    if (colours_[index] == Colour::kOpen) return false;
    colours_[index] = Colour::kOpen;
    for (const Need& need : stages_[index].needs) {
      if (!Visit(need.stage)) return false;
    }
    path_.pop_back();
    colours_[index] = Colour::kDone;
    order.push_back(index);
    return true;
  }
  std::string Circle() const {
    const auto begin = std::find(path_.begin(), path_.end(), path_.back());
    std::string text;
    for (auto at = begin; at != path_.end(); ++at) {
      absl::StrAppend(&text, text.empty() ? "" : " needs ", stages_[*at].name);
    }
    return text;
  }
  size_t last() const { return path_.back(); }

  std::vector<size_t> order;

 private:
  const std::vector<Stage>& stages_;
  std::vector<Colour> colours_;
  std::vector<size_t> path_;
};

}  // namespace

OrderFault OrderStages(std::vector<Stage>* stages) {
  Order order(*stages);
  std::vector<bool> needed(stages->size());
  // Second sources come first: they have no needs.
  for (size_t i = 0; i < stages->size(); ++i) {
    const Stage& stage = (*stages)[i];
    for (const Need& need : stage.needs) {
      if (needed[need.stage]) {
        return {i, "needs",
                absl::StrCat((*stages)[need.stage].name,
                             " is needed by two stages; each stage has one consumer")};
      }
      needed[need.stage] = true;
    }
    if (!stage.into) continue;
    if (needed[i])
      return {i, "into", "a second source's units are the other stage's; none needs it"};
    needed[i] = true;
    if (!(*stages)[*stage.into].needs.empty()) {
      return {i, "into", "must name a stage that is bought, which has no needs"};
    }
    order.Visit(i);
  }
  std::vector<std::string> final;
  for (size_t i = 0; i < stages->size(); ++i) {
    if (!order.Visit(i)) {
      return {order.last(), "needs", "stages form a circle: " + order.Circle()};
    }
  }
  for (size_t i = 0; i < stages->size(); ++i) {
    if (needed[i]) continue;
    final.push_back((*stages)[i].name);
    if (final.size() == 2) {
      return {i, "name",
              absl::StrCat("no stage needs ", final[0], " and none needs ", final[1],
                           "; one only must be the last")};
    }
    order.order.erase(std::find(order.order.begin(), order.order.end(), i));
    order.order.push_back(i);
  }
  std::vector<size_t> place(stages->size());
  for (size_t p = 0; p < order.order.size(); ++p) place[order.order[p]] = p;
  std::vector<Stage> sorted;
  for (const size_t from : order.order) {
    Stage stage = std::move((*stages)[from]);
    for (Need& need : stage.needs) need.stage = place[need.stage];
    if (stage.into) stage.into = place[*stage.into];
    sorted.push_back(std::move(stage));
  }
  *stages = std::move(sorted);
  return {};
}

}  // namespace waferline::planner
