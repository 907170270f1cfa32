// Many ways to cut one model in two, against the best that the same machines do uncut: how long a
// context has to be before a split serves a token for less money. Pure; any thread; milliseconds a
// hundred rows.
//
// Both are compared without speculation, at the same least speed of one user, over the same
// contexts; every user has a sequence of the context's length.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/placement/split_model.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/profile.h"

namespace waferline::placement {

struct SplitSweepTask {
  const timing::ModelSizes& shape;
  const silicon::Hardware& attention;
  const silicon::Hardware& ffn;
  const timing::Profile& profile;  // of wafers on either side
  std::vector<int64_t> contexts;
  // Attention machines for each feed-forward machine; a pipeline of chips counts as one.
  std::vector<int> ratios;
  std::vector<int> micro_batches;
  std::vector<double> link_us;
  double link_bytes_per_second = 1.5e11;
  double bytes_per_weight = 2;
  int64_t max_users = 256;
  double min_user_speed = 0;  // tokens/s of each user
};

// A way to serve, with as many users as make a token cheapest at that speed; if none reaches it,
// with one user.
struct Served {
  int64_t users = 0;
  double tokens_per_second_user = 0;
  double aggregate = 0;
  double usd_per_million = 0;
  double joules = 0;  // a token
  bool fast_enough = false;
};

struct SplitRow {
  int64_t context = 0;
  int ratio = 1, attention_devices = 0, ffn_devices = 0, micro_batches = 1;
  double link_us = 0;
  Served served;
  SplitBound bound = SplitBound::kLatency;
  double attention_idle = 0, ffn_idle = 0;  // share of a step
};

struct UncutRow {
  int64_t context = 0;
  std::string hardware;
  int devices = 0;
  Served served;
};

struct SplitSweep {
  std::vector<SplitRow> rows;  // by context, ratio, micro-batches, link
  // The best number of each sort of machine at each context, where some number holds it: of the
  // feed-forward side's, then of the attention side's if that is another.
  std::vector<UncutRow> uncut;
  int64_t did_not_fit = 0;  // combinations whose sides are too small
  // The shortest context of the sweep from which on every longer one is served for less by a split
  // than by the feed-forward side's machines uncut; and than by either sort.
  std::optional<int64_t> breaks_even_context, beats_both_context;

  const SplitRow* Best(int64_t context) const;  // the cheapest that is fast enough; null: none is
  // Null: no number of these machines holds it.
  const UncutRow* Uncut(int64_t context, const std::string& hardware) const;
};

inline constexpr size_t kMaxSweepRows = 20'000;

// InvalidArgument if a list is empty or there are more than kMaxSweepRows combinations;
// ResourceExhausted if no combination fits.
absl::StatusOr<SplitSweep> SweepSplits(const SplitSweepTask& task);

// The split of one row, for its times and its picture.
absl::StatusOr<SplitModel> SplitOfRow(const SplitSweepTask& task, const SplitRow& row);

}  // namespace waferline::placement
