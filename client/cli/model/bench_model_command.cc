// waferctl model bench: how fast this machine computes a model file, bare: no server, no timing
// plane, only the layers, the KV pages and the output matrix that shards and the prefill pool use.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/frame/output.h"
#include "client/cli/frame/progress.h"
#include "client/cli/model/compute_flags.h"
#include "client/cli/model/model_commands.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/kernels/cpu.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/shard/layer_stack.h"

namespace waferline::cli {
namespace {

constexpr int64_t kChunk = 256;  // prompt rows computed at a time, as in the prefill pool
constexpr int64_t kLargestBatch = 1024;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

absl::StatusOr<std::vector<int64_t>> ReadBatches(const std::string& text) {
  std::vector<int64_t> batches;
  for (const auto& part : absl::StrSplit(text, ',')) {
    int64_t batch = 0;
    if (!absl::SimpleAtoi(part, &batch) || batch < 1 || batch > kLargestBatch) {
      return UsageError(absl::StrCat("--batch: \"", part, "\" is not a whole number in [1, ",
                                     kLargestBatch, "]; write them as 1,8,16"));
    }
    batches.push_back(batch);
  }
  return batches;
}

// All layers of the model, with sequences that are fed seeded random tokens: what is said costs
// nothing, so it does not matter.
class BareModel {
 public:
  BareModel(std::shared_ptr<const shard::PackedModel> model, int64_t max_batch,
            kernels::ThreadPool* pool)
      : model_(std::move(model)),
        stack_(model_, {.range = model_->range(), .max_rows = std::max(kChunk, max_batch)}, pool),
        pages_(stack_.kv()),
        hidden_(static_cast<size_t>(stack_.max_rows() * model_->shape().hidden)),
        logits_(static_cast<size_t>(max_batch * model_->shape().vocabulary)) {}

  // Tokens a second of one prompt, up to its first next-token logits.
  double Prefill(int64_t prompt, Progress* progress) {
    shard::SequencePages sequence(&pages_);
    GrowTo(prompt, &sequence);
    const double begin = Now();
    for (int64_t first = 0; first < prompt; first += kChunk) {
      const int64_t rows = std::min(kChunk, prompt - first);
      const int64_t wanted = first + rows == prompt ? 1 : 0;
      const shard::Run run{&sequence, first, rows, rows - wanted};
      EmbedRows(rows);
      stack_.Forward({&run, 1}, hidden_.data());
      stack_.Logits(hidden_.data(), wanted, logits_.data());
      progress->Show(first + rows, PerSecond(first + rows, begin));
    }
    return static_cast<double>(prompt) / (Now() - begin);
  }

  // Tokens a second of `batch` sequences together, each from position `depth` on; what is before it
  // is zero, which takes as long as any other.
  double Decode(int64_t batch, int64_t depth, int64_t generate, Progress* progress) {
    std::vector<shard::SequencePages> sequences;
    for (int64_t i = 0; i < batch; ++i) GrowTo(depth + generate, &sequences.emplace_back(&pages_));
    std::vector<shard::Run> runs(static_cast<size_t>(batch));
    const double begin = Now();
    for (int64_t position = 0; position < generate; ++position) {
      for (size_t i = 0; i < runs.size(); ++i) {
        runs[i] = {&sequences[i], depth + position, 1};
      }
      EmbedRows(batch);
      stack_.Forward(runs, hidden_.data());
      stack_.Logits(hidden_.data(), batch, logits_.data());
      progress->Show(position + 1, PerSecond((position + 1) * batch, begin));
    }
    return static_cast<double>(batch * generate) / (Now() - begin);
  }

 private:
  static std::string PerSecond(int64_t tokens, double begin) {
    return fmt::format("{:.1f} tokens/s", static_cast<double>(tokens) / (Now() - begin));
  }

  // Pages as a server has them once it has run for a while: granted by the system already.
  void GrowTo(int64_t positions, shard::SequencePages* sequence) {
    sequence->Hold(0, positions);
    for (size_t group = 0; group < stack_.kv().groups().size(); ++group) {
      const auto bytes = static_cast<size_t>(pages_.pool(group).page_bytes().count());
      for (int64_t i = 0; i < sequence->held(group).end; ++i) {
        std::memset(sequence->page(group, i), 0, bytes);
      }
    }
  }

  void EmbedRows(int64_t rows) {
    const auto vocabulary = static_cast<uint64_t>(model_->shape().vocabulary);
    for (int64_t i = 0; i < rows; ++i) {
      model_->Embed(static_cast<TokenId>(random_.Next() % vocabulary),
                    hidden_.data() + i * model_->shape().hidden);
    }
  }

  const std::shared_ptr<const shard::PackedModel> model_;
  shard::LayerStack stack_;
  shard::KvPool pages_;
  SeededStream random_{1};
  std::vector<float> hidden_;
  std::vector<float> logits_;
};

struct Result {
  double load_s = 0;
  double prefill_tokens_per_s = 0;                              // 0: no prompt was asked for
  std::vector<std::pair<int64_t, double>> decode_tokens_per_s;  // by batch
};

// What the model asks of the machine: the numerators of a share of its ceilings.
struct Demand {
  std::string_view weights;      // type of most of them
  Bytes decode_per_step;         // weights that one step reads, whatever its batch
  int64_t prompt_ops_per_token;  // multiplications and additions by layers' matrices
};

Demand DemandOf(const shard::PackedModel& model) {
  Demand demand{kernels::Name(model.layer(0).down.matrix.dtype()), model.head().bytes(), 0};
  for (int64_t i = 0; i < model.shape().layers; ++i) {
    const shard::PackedLayer& layer = model.layer(i);
    demand.decode_per_step += layer.attention_size() + layer.feed_forward_size(model.experts());
    for (const shard::PackedLinear* linear : layer.linears()) {
      demand.prompt_ops_per_token += 2 * linear->matrix.rows() * linear->matrix.cols();
    }
  }
  return demand;
}

boost::json::object Json(const Arguments& arguments, const Demand& demand, const Result& result) {
  boost::json::object out{{"model", arguments.operand(0)},
                          {"threads", ThreadsOf(arguments)},
                          {"instructions", std::string(kernels::Name(kernels::BestPath()))},
                          {"weights", std::string(demand.weights)},
                          {"decode_bytes_per_step", demand.decode_per_step.count()},
                          {"prompt_ops_per_token", demand.prompt_ops_per_token},
                          {"prompt", arguments.Integer("prompt")},
                          {"generate", arguments.Integer("generate")},
                          {"depth", arguments.Integer("depth")},
                          {"load_s", result.load_s}};
  if (result.prefill_tokens_per_s > 0) out["prefill_tokens_per_s"] = result.prefill_tokens_per_s;
  auto& decode = out["decode_tokens_per_s"].emplace_object();
  for (const auto& [batch, rate] : result.decode_tokens_per_s) decode[absl::StrCat(batch)] = rate;
  return out;
}

void PrintResult(const Arguments& arguments, const Result& result) {
  Print("{}, {}, {}, loaded in {:.2f} s\n", arguments.operand(0),
        Counted(ThreadsOf(arguments), "thread"), kernels::Name(kernels::BestPath()), result.load_s);
  Table table({"", "tokens/s"});
  if (result.prefill_tokens_per_s > 0) {
    table.Add({fmt::format("prefill of {} tokens", arguments.Integer("prompt")),
               fmt::format("{:.1f}", result.prefill_tokens_per_s)});
  }
  for (const auto& [batch, rate] : result.decode_tokens_per_s) {
    const int64_t depth = arguments.Integer("depth");
    const std::string from = depth == 0 ? "" : fmt::format(" from position {}", depth);
    table.Add({"decode, " + Counted(batch, "sequence") + from, fmt::format("{:.1f}", rate)});
  }
  table.Print();
}

absl::Status Run(const Arguments& arguments) {
  WL_RETURN_IF_ERROR(ApplyCpuFlag(arguments));
  WL_ASSIGN_OR_RETURN(const auto batches, ReadBatches(arguments.Text("batch")));
  WL_ASSIGN_OR_RETURN(auto file, model::GgufFile::Open(arguments.operand(0)));
  WL_ASSIGN_OR_RETURN(const auto shape, model::ReadShape(*file));
  const int64_t prompt = arguments.Integer("prompt"), generate = arguments.Integer("generate");
  const int64_t depth = arguments.Integer("depth");
  if (std::max(prompt, depth + generate) > shape.context) {
    return UsageError(
        absl::StrCat("--prompt, and --depth and --generate together, may be at most the model's "
                     "context of ",
                     shape.context, " tokens"));
  }
  kernels::ThreadPool pool(ThreadsOf(arguments));
  Result result;
  const double begin = Now();
  WL_ASSIGN_OR_RETURN(const auto model, shard::PackedModel::Load(file, {0, shape.layers}, &pool));
  result.load_s = Now() - begin;
  BareModel bare(model, *std::max_element(batches.begin(), batches.end()), &pool);
  const auto progress = [&](const std::string& what, int64_t total) {
    return arguments.json() ? Progress(what, total, false) : Progress(what, total);
  };
  {
    Progress bar = progress("warming up", 0);
    bare.Prefill(std::clamp<int64_t>(prompt, 16, kChunk), &bar);  // its memory is granted, too
  }
  if (prompt > 0) {
    Progress bar = progress("prefill", prompt);
    result.prefill_tokens_per_s = bare.Prefill(prompt, &bar);
  }
  for (int64_t batch : batches) {
    if (generate == 0) break;
    Progress bar = progress(absl::StrCat("decode x ", batch), generate);
    result.decode_tokens_per_s.emplace_back(batch, bare.Decode(batch, depth, generate, &bar));
  }
  if (arguments.json()) {
    PrintText(JsonText(Json(arguments, DemandOf(*model), result)) + "\n");
  } else {
    PrintResult(arguments, result);
  }
  return absl::OkStatus();
}

}  // namespace

Command BenchModelCommand() {
  return {
      .words = "model bench",
      .summary = "Measure how fast this machine computes a model file, without a server",
      .operands = {ModelFileOperand()},
      .flags =
          {ThreadsFlag(),
           IntegerFlag("prompt", "N", "tokens of the prompt; 0: measure none", {0, 1 << 20})
               .Default(512),
           IntegerFlag("generate", "N", "tokens that each sequence generates; 0: measure none",
                       {0, 1 << 20})
               .Default(128),
           IntegerFlag("depth", "N", "positions that a sequence has before those", {0, 1 << 20})
               .Default(0),
           TextFlag("batch", "LIST", "numbers of sequences decoded together").Default("1,8,16,32"),
           CpuFlag()},
      .examples = {"waferctl model bench deploy/models/demo.gguf --batch 1,32"},
      .run = Run};
}

}  // namespace waferline::cli
