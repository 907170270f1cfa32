// waferctl model perplexity: how well a model file predicts a text, computed by the same layers as
// a server's. Chunks are cut and scored as llama.cpp's llama-perplexity does, so that the figures
// of the two can be compared: the text with the model's begin token in front is cut into chunks of
// `context` tokens, the rest is left out; each chunk starts with an empty
// cache, its first token replaced by the
// begin token if the model wants one; tokens of its second half are scored.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/output.h"
#include "client/cli/frame/progress.h"
#include "client/cli/model/compute_flags.h"
#include "client/cli/model/model_commands.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/model/tokenizer.h"
#include "wafer_backend/compute/shard/layer_stack.h"

namespace waferline::cli {
namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 28;
constexpr int64_t kRows = 128;  // computed at a time

// What was scored: the sum of -log p (nats) and of its squares.
struct Score {
  int64_t tokens = 0;
  double sum = 0;
  double squares = 0;

  void Add(const Score& other) {
    tokens += other.tokens;
    sum += other.sum;
    squares += other.squares;
  }
  double mean() const { return sum / static_cast<double>(tokens); }
  double perplexity() const { return std::exp(mean()); }
  // Of the perplexity, from the scatter of the tokens.
  double error() const {
    const double variance = squares / static_cast<double>(tokens) - mean() * mean();
    return perplexity() * std::sqrt(std::max(0.0, variance) /
                                    static_cast<double>(std::max<int64_t>(1, tokens - 1)));
  }
};

double NegativeLogOf(TokenId id, std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(x - largest);
  return largest + std::log(sum) - logits[static_cast<size_t>(id)];
}

class Scorer {
 public:
  Scorer(std::shared_ptr<const shard::PackedModel> model, kernels::ThreadPool* pool)
      : model_(std::move(model)),
        stack_(model_, {.range = model_->range(), .max_rows = kRows}, pool),
        pages_(stack_.kv()),
        pool_(pool),
        hidden_(static_cast<size_t>(kRows * model_->shape().hidden)),
        logits_(static_cast<size_t>(kRows * model_->shape().vocabulary)),
        negative_log_(kRows) {}

  // Tokens behind the middle of `chunk`, given all before them.
  void Add(std::span<const TokenId> chunk, Score* score) {
    const auto count = static_cast<int64_t>(chunk.size());
    shard::SequencePages sequence(&pages_);
    const int64_t width = model_->shape().hidden;
    for (int64_t first = 0; first < count; first += kRows) {
      const int64_t rows = std::min(kRows, count - first);
      for (int64_t i = 0; i < rows; ++i) model_->Embed(chunk[first + i], &hidden_[i * width]);
      // Row p predicts token p + 1.
      const int64_t from = std::clamp(count / 2, first, first + rows);
      sequence.Hold(first, first + rows);
      const shard::Run run{&sequence, first, rows, from - first};
      stack_.Forward({&run, 1}, hidden_.data());
      const int64_t to = std::min(count - 1, first + rows);
      if (from < to) ScoreRows(chunk.subspan(from + 1, to - from), hidden_.data(), score);
    }
  }

 private:
  void ScoreRows(std::span<const TokenId> next, const float* hidden, Score* score) {
    const auto rows = static_cast<int64_t>(next.size());
    const auto vocabulary = static_cast<size_t>(model_->shape().vocabulary);
    stack_.Logits(hidden, rows, logits_.data());
    pool_->ParallelFor(rows, [&](int64_t row, int) {
      negative_log_[row] = NegativeLogOf(next[row], {&logits_[row * vocabulary], vocabulary});
    });
    for (int64_t row = 0; row < rows; ++row) {
      score->sum += negative_log_[row];
      score->squares += negative_log_[row] * negative_log_[row];
    }
    score->tokens += rows;
  }

  const std::shared_ptr<const shard::PackedModel> model_;
  shard::LayerStack stack_;
  shard::KvPool pages_;
  kernels::ThreadPool* const pool_;
  std::vector<float> hidden_;
  std::vector<float> logits_;
  std::vector<double> negative_log_;
};

Score Total(std::span<const Score> chunks) {
  Score score;
  for (const Score& chunk : chunks) score.Add(chunk);
  return score;
}

void PrintScore(const Arguments& arguments, std::span<const Score> chunks) {
  const Score score = Total(chunks);
  const std::string path(kernels::Name(kernels::BestPath()));
  if (arguments.json()) {
    boost::json::array of_chunks;  // two runs over one text differ by less than each is uncertain
    for (const Score& chunk : chunks) of_chunks.push_back(chunk.mean());
    const boost::json::object out{
        {"model", arguments.operand(0)},           {"instructions", path},
        {"context", arguments.Integer("context")}, {"chunks", chunks.size()},
        {"scored_tokens", score.tokens},           {"nats_per_token", score.mean()},
        {"perplexity", score.perplexity()},        {"standard_error", score.error()},
        {"nats_per_token_of_chunks", of_chunks}};
    PrintText(JsonText(out) + "\n");
    return;
  }
  Print("{}, {}: perplexity {:.4f} +/- {:.4f} over {} tokens ({} chunks of {})\n",
        arguments.operand(0), path, score.perplexity(), score.error(), score.tokens, chunks.size(),
        arguments.Integer("context"));
}

absl::Status Run(const Arguments& arguments) {
  WL_RETURN_IF_ERROR(ApplyCpuFlag(arguments));
  WL_ASSIGN_OR_RETURN(const std::string text, ReadFile(arguments.Text("text"), kMaxTextBytes));
  WL_ASSIGN_OR_RETURN(auto file, model::GgufFile::Open(arguments.operand(0)));
  WL_ASSIGN_OR_RETURN(const auto shape, model::ReadShape(*file));
  WL_ASSIGN_OR_RETURN(const auto tokenizer, model::TokenizerFromGguf(*file));
  const int64_t context = arguments.Integer("context");
  if (context > shape.context) {
    return UsageError(
        absl::StrCat("--context: ", context, " is out of range, the model's is ", shape.context));
  }
  std::vector<TokenId> tokens = tokenizer->Encode(text);
  const int64_t chunks = static_cast<int64_t>(tokens.size()) / context;
  if (chunks < 1) {
    return UsageError(absl::StrCat("--text has ", tokens.size(), " tokens, one chunk needs ",
                                   context, "; give a longer text or a smaller --context"));
  }
  kernels::ThreadPool pool(ThreadsOf(arguments));
  WL_ASSIGN_OR_RETURN(const auto model, shard::PackedModel::Load(file, {0, shape.layers}, &pool));
  Scorer scorer(model, &pool);
  std::vector<Score> scores;
  {
    Progress progress =
        arguments.json() ? Progress("perplexity", chunks, false) : Progress("perplexity", chunks);
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const std::span<TokenId> part(tokens.data() + chunk * context, static_cast<size_t>(context));
      if (tokenizer->adds_bos() && tokenizer->bos()) part[0] = *tokenizer->bos();
      scorer.Add(part, &scores.emplace_back());
      progress.Show(chunk + 1, fmt::format("{:.4f}", Total(scores).perplexity()));
    }
  }
  PrintScore(arguments, scores);
  return absl::OkStatus();
}

}  // namespace

Command PerplexityCommand() {
  return {
      .words = "model perplexity",
      .summary = "Measure how well a model file predicts a text",
      .operands = {ModelFileOperand()},
      .flags = {TextFlag("text", "FILE", "the text").Required(),
                IntegerFlag("context", "N",
                            "tokens of a chunk; those of its second half are scored", {4, 1 << 20})
                    .Default(512),
                ThreadsFlag(), CpuFlag()},
      .examples = {"waferctl model perplexity deploy/models/demo.gguf --text story.txt"},
      .run = Run};
}

}  // namespace waferline::cli
