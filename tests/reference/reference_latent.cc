#include "tests/reference/reference_latent.h"

#include <algorithm>

#include "tests/reference/reference_model.h"
#include "wafer_backend/base/check.h"

namespace waferline::reference {
namespace {

using Row = std::vector<double>;

Row Read(const model::GgufFile& file, const std::string& name) {
  const model::GgufTensor* tensor = file.FindTensor(name + ".weight");
  return tensor == nullptr ? Row() : Decode(*tensor);
}

Row Times(const Row& matrix, const Row& x) {
  Row y(matrix.size() / x.size());
  for (size_t r = 0; r < y.size(); ++r) {
    for (size_t c = 0; c < x.size(); ++c) y[r] += matrix[r * x.size() + c] * x[c];
  }
  return y;
}

}  // namespace

LatentLayer ReadLatentLayer(const model::GgufFile& file, const std::string& prefix,
                            const LatentRecipe& recipe, int64_t heads) {
  LatentLayer layer;
  layer.q_down = Read(file, prefix + "attn_q_a");
  layer.q_norm = Read(file, prefix + "attn_q_a_norm");
  layer.q = Read(file, prefix + (layer.q_down.empty() ? "attn_q" : "attn_q_b"));
  layer.kv_down = Read(file, prefix + "attn_kv_a_mqa");
  layer.kv_norm = Read(file, prefix + "attn_kv_a_norm");
  const int64_t rank = recipe.kv_rank;
  const Row joint = Read(file, prefix + "attn_kv_b");
  const Row turned = Read(file, prefix + "attn_k_b");  // [heads][kv_rank][plain]
  layer.v_up = Read(file, prefix + "attn_v_b");
  for (int64_t h = 0; h < heads; ++h) {
    const auto head = joint.begin() + h * (recipe.plain + recipe.value) * rank;
    for (int64_t p = 0; p < recipe.plain; ++p) {
      for (int64_t c = 0; c < rank; ++c) {
        layer.k_up.push_back(joint.empty() ? turned[(h * rank + c) * recipe.plain + p]
                                           : head[p * rank + c]);
      }
    }
    if (joint.empty()) continue;
    layer.v_up.insert(layer.v_up.end(), head + recipe.plain * rank,
                      head + (recipe.plain + recipe.value) * rank);
  }
  return layer;
}

LatentQkv LatentQkvOf(const LatentRecipe& recipe, const LatentLayer& layer, const Row& x,
                      const LatentFunctions& functions) {
  const int64_t head = recipe.plain + recipe.rotary;
  LatentQkv out;
  out.q = Times(layer.q,
                layer.q_down.empty() ? x : functions.norm(Times(layer.q_down, x), layer.q_norm));
  const auto heads = static_cast<int64_t>(out.q.size()) / head;
  const Row down = Times(layer.kv_down, x);
  Row latent = functions.norm(Row(down.begin(), down.begin() + recipe.kv_rank), layer.kv_norm);
  Row shared(down.begin() + recipe.kv_rank, down.end());
  functions.rotate(&shared);
  std::transform(latent.begin(), latent.end(), latent.begin(), functions.store);
  std::transform(shared.begin(), shared.end(), shared.begin(), functions.store);
  const Row plain = Times(layer.k_up, latent);
  out.v = Times(layer.v_up, latent);
  for (int64_t h = 0; h < heads; ++h) {
    const auto q = out.q.begin() + h * head + recipe.plain;
    Row turning(q, q + recipe.rotary);
    functions.rotate(&turning);
    std::copy(turning.begin(), turning.end(), q);
    out.k.insert(out.k.end(), plain.begin() + h * recipe.plain,
                 plain.begin() + (h + 1) * recipe.plain);
    out.k.insert(out.k.end(), shared.begin(), shared.end());
  }
  return out;
}

}  // namespace waferline::reference
