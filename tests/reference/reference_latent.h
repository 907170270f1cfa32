// Latent attention as DeepSeek-V2 defines it (2024, section 2.1), before anything is absorbed:
// every head's keys and values are computed from the latent.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "wafer_backend/compute/model/gguf.h"

namespace waferline::reference {

struct LatentRecipe {
  int64_t kv_rank = 0;  // 0: attention is not latent
  int64_t query_rank = 0;
  int64_t plain = 0;   // of a head
  int64_t rotary = 0;  // of a head
  int64_t value = 0;   // of a head
};

struct LatentLayer {
  using Row = std::vector<double>;
  Row q_down, q_norm;  // empty: queries come from x
  Row q;               // [heads][plain + rotary][query_rank or hidden]
  Row kv_down, kv_norm;
  Row k_up;  // [heads][plain][kv_rank]
  Row v_up;  // [heads][value][kv_rank]
};
LatentLayer ReadLatentLayer(const model::GgufFile& file, const std::string& prefix,
                            const LatentRecipe& recipe, int64_t heads);

struct LatentQkv {
  std::vector<double> q, k, v;  // [heads][plain + rotary], the same, [heads][value]
};
// `norm`: the RMS norm with a weight; `rotate`: turns a row of heads of `rotary`; `store`: what
// becomes of numbers that are kept for later positions.
struct LatentFunctions {
  std::function<std::vector<double>(const std::vector<double>&, const std::vector<double>&)> norm;
  std::function<void(std::vector<double>*)> rotate;
  std::function<double(double)> store;
};
LatentQkv LatentQkvOf(const LatentRecipe& recipe, const LatentLayer& layer,
                      const std::vector<double>& x, const LatentFunctions& functions);

}  // namespace waferline::reference
