// waferctl model logits: what a model file answers to a row of tokens, in numbers that can be
// compared with another engine's.
#include <algorithm>
#include <boost/json.hpp>
#include <numeric>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/frame/output.h"
#include "client/cli/model/compute_flags.h"
#include "client/cli/model/model_commands.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/shard/layer_stack.h"

namespace waferline::cli {
namespace {

constexpr int64_t kChunk = 128;  // rows computed at a time

absl::StatusOr<std::vector<TokenId>> ReadTokens(const std::string& text, int64_t vocabulary) {
  std::vector<TokenId> tokens;
  for (const auto& part : absl::StrSplit(text, ',')) {
    TokenId id = 0;
    if (!absl::SimpleAtoi(part, &id) || id < 0 || id >= vocabulary) {
      return UsageError(absl::StrCat("--tokens: \"", part, "\" is not a token id in [0, ",
                                     vocabulary, "); write them as 1,2,3"));
    }
    tokens.push_back(id);
  }
  return tokens;
}

// Logits after each token, rows x vocabulary; only the last row unless `all`.
std::vector<std::vector<float>> Compute(std::shared_ptr<const shard::PackedModel> model,
                                        const std::vector<TokenId>& tokens, bool all,
                                        kernels::ThreadPool* pool) {
  shard::LayerStack stack(model, {.range = model->range(), .max_rows = kChunk}, pool);
  shard::KvPool pages(stack.kv());
  shard::SequencePages sequence(&pages);
  const auto count = static_cast<int64_t>(tokens.size());
  const int64_t width = model->shape().hidden, vocabulary = model->shape().vocabulary;
  std::vector<float> hidden(static_cast<size_t>(kChunk * width));
  std::vector<std::vector<float>> logits;
  for (int64_t first = 0; first < count; first += kChunk) {
    const int64_t rows = std::min(kChunk, count - first);
    for (int64_t i = 0; i < rows; ++i) model->Embed(tokens[first + i], hidden.data() + i * width);
    const int64_t wanted = all ? rows : first + rows == count ? 1 : 0;
    sequence.Hold(first, first + rows);
    const shard::Run run{&sequence, first, rows, rows - wanted};
    stack.Forward({&run, 1}, hidden.data());
    for (int64_t i = 0; i < wanted; ++i) {
      stack.Logits(hidden.data() + i * width, 1,
                   logits.emplace_back(static_cast<size_t>(vocabulary)).data());
    }
  }
  return logits;
}

void PrintJson(const std::vector<TokenId>& tokens, const std::vector<std::vector<float>>& logits,
               bool all) {
  boost::json::object out;
  out["tokens"] = boost::json::value_from(tokens);
  out["vocabulary"] = logits.back().size();
  // Each f32 is exact as the double that JSON holds.
  if (all) {
    out["logits"] = boost::json::value_from(logits);
  } else {
    out["logits"] = boost::json::value_from(logits.back());
  }
  PrintText(JsonText(out) + "\n");
}

void PrintLargest(const std::vector<std::vector<float>>& logits, size_t first_position) {
  for (size_t row = 0; row < logits.size(); ++row) {
    std::vector<size_t> order(logits[row].size());
    std::iota(order.begin(), order.end(), 0);
    const size_t shown = std::min<size_t>(5, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(shown), order.end(),
                      [&](size_t a, size_t b) { return logits[row][a] > logits[row][b]; });
    Print("after position {}:", first_position + row);
    for (size_t i = 0; i < shown; ++i) Print("  {} {:.4f}", order[i], logits[row][order[i]]);
    Print("\n");
  }
}

absl::Status Run(const Arguments& arguments) {
  WL_RETURN_IF_ERROR(ApplyCpuFlag(arguments));
  WL_ASSIGN_OR_RETURN(auto file, model::GgufFile::Open(arguments.operand(0)));
  WL_ASSIGN_OR_RETURN(const auto shape, model::ReadShape(*file));
  WL_ASSIGN_OR_RETURN(const auto tokens, ReadTokens(arguments.Text("tokens"), shape.vocabulary));
  if (static_cast<int64_t>(tokens.size()) > shape.context) {
    return UsageError(absl::StrCat("--tokens: ", tokens.size(),
                                   " tokens do not fit the model's context of ", shape.context));
  }
  kernels::ThreadPool pool(ThreadsOf(arguments));
  WL_ASSIGN_OR_RETURN(const auto model, shard::PackedModel::Load(file, {0, shape.layers}, &pool));
  const bool all = arguments.On("all");
  const auto logits = Compute(model, tokens, all, &pool);
  if (arguments.json()) {
    PrintJson(tokens, logits, all);
  } else {
    PrintLargest(logits, tokens.size() - logits.size());
  }
  return absl::OkStatus();
}

}  // namespace

Command LogitsCommand() {
  return {.words = "model logits",
          .summary = "Compute the next-token logits (f32) after some tokens",
          .operands = {ModelFileOperand()},
          .flags = {TextFlag("tokens", "IDS", "token ids in order, as 1,2,3").Required(),
                    Switch("all", "after every token, not only after the last"), ThreadsFlag(),
                    CpuFlag()},
          .examples = {"waferctl model logits deploy/models/demo.gguf --tokens 1,40,41"},
          .run = Run};
}

}  // namespace waferline::cli
