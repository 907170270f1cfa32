#include "client/cli/model/perplexity_command.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/frame/arguments.h"
#include "client/cli/frame/progress.h"
#include "client/cli/model/cpu_flag.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/tokenizer.h"
#include "wafer_backend/compute/shard/layer_stack.h"

namespace waferline::cli {
namespace {

constexpr int64_t kRows = 128;  // computed at a time

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  if (!file) return absl::NotFoundError(absl::StrCat("--text: cannot read ", path));
  return text;
}

// What was scored: the sum of -log p (nats) and of its squares.
struct Score {
  int64_t tokens = 0;
  double sum = 0;
  double squares = 0;

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
        pages_(stack_.layout().page_bytes()),
        pool_(pool),
        hidden_(static_cast<size_t>(kRows * model_->shape().hidden)),
        logits_(static_cast<size_t>(kRows * model_->shape().vocabulary)),
        negative_log_(kRows) {}

  // Tokens behind the middle of `chunk`, given all before them.
  void Add(std::span<const TokenId> chunk, Score* score) {
    const auto count = static_cast<int64_t>(chunk.size());
    shard::SequencePages sequence(&pages_);
    sequence.Grow(shard::PagesFor(count, stack_.layout().page_tokens));
    const int64_t width = model_->shape().hidden;
    for (int64_t first = 0; first < count; first += kRows) {
      const int64_t rows = std::min(kRows, count - first);
      for (int64_t i = 0; i < rows; ++i) model_->Embed(chunk[first + i], &hidden_[i * width]);
      // Row p tells of token p + 1.
      const int64_t from = std::clamp(count / 2, first, first + rows);
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
  shard::PagePool pages_;
  kernels::ThreadPool* const pool_;
  std::vector<float> hidden_;
  std::vector<float> logits_;
  std::vector<double> negative_log_;
};

void Print(const Arguments& arguments, int64_t chunks, int64_t context, const Score& score) {
  const std::string path(kernels::Name(kernels::BestPath()));
  if (arguments.json()) {
    const boost::json::object out{{"model", arguments.operand(0)},
                                  {"instructions", path},
                                  {"context", context},
                                  {"chunks", chunks},
                                  {"scored_tokens", score.tokens},
                                  {"nats_per_token", score.mean()},
                                  {"perplexity", score.perplexity()},
                                  {"standard_error", score.error()}};
    std::printf("%s\n", boost::json::serialize(out).c_str());
    return;
  }
  std::printf("%s, %s: perplexity %.4f +/- %.4f over %ld tokens (%ld chunks of %ld)\n",
              arguments.operand(0).c_str(), path.c_str(), score.perplexity(), score.error(),
              score.tokens, chunks, context);
}

absl::Status Run(const Arguments& arguments) {
  if (!arguments.Has("text")) return UsageError("--text is missing: a file with the text");
  WL_RETURN_IF_ERROR(ObeyCpuFlag(arguments));
  WL_ASSIGN_OR_RETURN(const std::string text, ReadText(arguments.Text("text")));
  WL_ASSIGN_OR_RETURN(auto file, model::GgufFile::Open(arguments.operand(0)));
  WL_ASSIGN_OR_RETURN(const auto shape, model::ModelShape::FromGguf(*file));
  WL_ASSIGN_OR_RETURN(const auto tokenizer, model::TokenizerFromGguf(*file));
  const int64_t context = arguments.Integer("context");
  if (context > shape.context) {
    return UsageError(absl::StrCat("--context may be at most the model's, ", shape.context));
  }
  std::vector<TokenId> tokens = tokenizer->Encode(text);
  const int64_t chunks = static_cast<int64_t>(tokens.size()) / context;
  if (chunks < 1) {
    return UsageError(absl::StrCat("--text has ", tokens.size(), " tokens, one chunk needs ",
                                   context, "; give a longer text or a smaller --context"));
  }
  kernels::ThreadPool pool(static_cast<int>(
      arguments.Has("threads") ? arguments.Integer("threads")
                               : std::max<int64_t>(1, std::thread::hardware_concurrency())));
  WL_ASSIGN_OR_RETURN(const auto model, shard::PackedModel::Load(file, {0, shape.layers}, &pool));
  Scorer scorer(model, &pool);
  Score score;
  {
    Progress progress =
        arguments.json() ? Progress("perplexity", chunks, false) : Progress("perplexity", chunks);
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const std::span<TokenId> part(tokens.data() + chunk * context, static_cast<size_t>(context));
      if (tokenizer->adds_bos() && tokenizer->bos()) part[0] = *tokenizer->bos();
      scorer.Add(part, &score);
      progress.Show(chunk + 1, absl::StrFormat("%.4f", score.perplexity()));
    }
  }
  Print(arguments, chunks, context, score);
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> PerplexityCommands() {
  return {
      Command{.words = "model perplexity",
              .summary = "How well a model file predicts a text",
              .operands = {"FILE"},
              .flags = {TextFlag("text", "FILE", "the text"),
                        IntegerFlag("context", "N",
                                    "tokens of a chunk; those of its second half are scored", 512,
                                    4, 1 << 20),
                        IntegerFlag("threads", "N", "threads that compute; one a core if absent",
                                    std::nullopt, 1, 256),
                        CpuFlag()},
              .run = Run}};
}

}  // namespace waferline::cli
