#include "scheduler/search/fleet_search.h"

#include <algorithm>
#include <numeric>

#include "wafer_backend/base/check.h"

namespace waferline::search {
namespace {

constexpr size_t kMaxSamples = 64;  // candidates weighed for one pick

enum class State : uint8_t { kOpen, kHolds, kFailed, kInferred };

class Search {
 public:
  Search(const std::vector<Axis>& axes, const std::vector<Candidate>& candidates,
         const SearchOptions& options)
      : axes_(axes), candidates_(candidates), options_(options), state_(candidates.size()) {
    by_cost_.resize(candidates.size());
    std::iota(by_cost_.begin(), by_cost_.end(), size_t{0});
    std::stable_sort(by_cost_.begin(), by_cost_.end(),
                     [&](size_t a, size_t b) { return candidates[a].cost < candidates[b].cost; });
    infer_ = !options.exhaustive;
    end_ = candidates.size();
  }

  SearchResult Run(const TryAll& try_all) {
    for (;;) {
      std::vector<size_t> ranks = Picks();
      if (ranks.empty()) ranks = ToCheck();
      if (ranks.empty()) break;
      Take(ranks, try_all);
    }
    SearchResult result{.refuted = refuted_};
    if (end_ < by_cost_.size()) result.best = by_cost_[end_];
    for (size_t rank = 0; rank < by_cost_.size(); ++rank) {
      const State state = state_[rank];
      if (state == State::kHolds || state == State::kFailed) ++result.tried;
      if (state == State::kInferred) ++(rank < end_ ? result.inferred : result.costlier);
      if (state == State::kOpen) ++result.costlier;
    }
    return result;
  }

 private:
  const Place& PlaceOf(size_t rank) const { return candidates_[by_cost_[rank]].place; }

  // Has `small` no more of anything than `large`, and the same where there is no order?
  bool Within(const Place& small, const Place& large) const {
    for (size_t i = 0; i < axes_.size(); ++i) {
      if (axes_[i].ordered ? small[i] > large[i] : small[i] != large[i]) return false;
    }
    return true;
  }

  std::vector<size_t> Open() const {
    std::vector<size_t> open;
    for (size_t rank = 0; rank < end_; ++rank) {
      if (state_[rank] == State::kOpen) open.push_back(rank);
    }
    return open;
  }

  // Those whose outcome settles most of the open ones either way: if the j-th of n picks should
  // split them in parts j : n + 1 - j, that is max min(settled by failing / j, by holding / rest).
  std::vector<size_t> Picks() const {
    const std::vector<size_t> open = Open();
    const size_t picks = std::min(options_.at_a_time, open.size());
    if (!infer_ || picks == open.size()) {  // without inference: from the cheapest on
      return {open.begin(), open.begin() + static_cast<std::ptrdiff_t>(picks)};
    }
    struct Sample {
      size_t rank, if_holds, if_fails;
    };
    std::vector<Sample> samples;
    const size_t count = std::min(kMaxSamples, open.size());
    for (size_t s = 0; s < count; ++s) {
      const size_t at = s * open.size() / count;
      Sample sample{open[at], open.size() - at, 0};
      for (const size_t other : open) {
        sample.if_fails += Within(PlaceOf(other), PlaceOf(open[at]));
      }
      samples.push_back(sample);
    }
    std::vector<size_t> ranks;
    for (size_t j = 1; j <= picks; ++j) {
      const auto worth = [&](const Sample& s) {
        const bool taken = std::find(ranks.begin(), ranks.end(), s.rank) != ranks.end();
        return taken ? 0 : std::min(s.if_fails * (picks + 1 - j), s.if_holds * j);
      };
      const auto best =
          std::max_element(samples.begin(), samples.end(),
                           [&](const Sample& a, const Sample& b) { return worth(a) < worth(b); });
      if (worth(*best) > 0) ranks.push_back(best->rank);
    }
    return ranks;
  }

  // Inferred ones whose trial would show that the inference is wrong, at most `at_a_time`.
  std::vector<size_t> ToCheck() {
    std::vector<size_t> ranks;
    if (checked_ || !infer_) return ranks;
    checked_ = true;
    std::vector<size_t> inferred;
    for (size_t rank = 0; rank < end_; ++rank) {
      if (state_[rank] == State::kInferred) inferred.push_back(rank);
    }
    if (end_ == by_cost_.size()) {  // nothing holds: the least and the most of them
      if (!inferred.empty()) ranks.push_back(inferred.front());
      if (inferred.size() > 1) ranks.push_back(inferred.back());
      return ranks;
    }
    for (size_t axis = 0; axis < axes_.size(); ++axis) {
      const size_t* nearest = nullptr;  // below the answer on this axis
      for (const size_t& rank : inferred) {
        if (BelowAnswer(rank, axis) &&
            (nearest == nullptr || PlaceOf(rank)[axis] > PlaceOf(*nearest)[axis])) {
          nearest = &rank;
        }
      }
      if (nearest != nullptr) ranks.push_back(*nearest);
    }
    return ranks;
  }

  bool BelowAnswer(size_t rank, size_t axis) const {
    for (size_t i = 0; i < axes_.size(); ++i) {
      const uint32_t a = PlaceOf(rank)[i], b = PlaceOf(end_)[i];
      if (i == axis ? a >= b : a != b) return false;
    }
    return axes_[axis].ordered;
  }

  void Take(const std::vector<size_t>& ranks, const TryAll& try_all) {
    for (size_t begin = 0; begin < ranks.size(); begin += options_.at_a_time) {
      const size_t end = std::min(ranks.size(), begin + options_.at_a_time);
      std::vector<size_t> indices;
      for (size_t i = begin; i < end; ++i) indices.push_back(by_cost_[ranks[i]]);
      const std::vector<Verdict> verdicts = try_all(indices);
      WL_CHECK(verdicts.size() == indices.size());
      for (size_t i = begin; i < end; ++i) Settle(ranks[i], verdicts[i - begin]);
    }
  }

  void Settle(size_t rank, const Verdict& verdict) {
    const bool was_inferred = state_[rank] == State::kInferred;
    state_[rank] = verdict.holds ? State::kHolds : State::kFailed;
    if (verdict.holds) {
      end_ = std::min(end_, rank);
      checked_ = false;
      if (!was_inferred) return;
      refuted_ = true;
      infer_ = false;
      std::replace(state_.begin(), state_.end(), State::kInferred, State::kOpen);
      return;
    }
    if (!infer_ || !verdict.too_small) return;
    for (size_t other = 0; other < state_.size(); ++other) {
      if (state_[other] == State::kOpen && Within(PlaceOf(other), PlaceOf(rank))) {
        state_[other] = State::kInferred;
      }
    }
  }

  const std::vector<Axis>& axes_;
  const std::vector<Candidate>& candidates_;
  const SearchOptions options_;
  std::vector<size_t> by_cost_;  // candidates by rank
  std::vector<State> state_;     // by rank, as all below
  size_t end_ = 0;               // the cheapest that holds; all: none known
  bool infer_ = true;
  bool checked_ = false;
  bool refuted_ = false;
};

}  // namespace

SearchResult FindCheapest(const std::vector<Axis>& axes, const std::vector<Candidate>& candidates,
                          const SearchOptions& options, const TryAll& try_all) {
  WL_CHECK(options.at_a_time >= 1);
  return Search(axes, candidates, options).Run(try_all);
}

}  // namespace waferline::search
