#include "server/config/read_tokens.h"

#include <map>
#include <string>
#include <utility>

#include "wafer_backend/base/yaml_optional.h"

namespace waferline::config {
namespace {

constexpr char kPrefillWorker[] =
    "with workers: HOST:PORT of waferd --role prefill; chosen from the cell's registry if it and "
    "shard_workers are not given";

class TokensReader {
 public:
  // `in_cell`: a registry may say which workers there are.
  TokensReader(YamlForm form, const std::filesystem::path& folder, bool in_cell)
      : form_(std::move(form)), folder_(folder), in_cell_(in_cell) {}

  TokensConfig Read() {
    out_.from =
        ChoiceOr<TokenOriginKind>(form_.About("shards: computed in this process; remote: by worker "
                                              "processes; split: attention and feed-forward apart, "
                                              "here or by processes; cheap: a synthetic text, no "
                                              "weights"),
                                  "from", TokenOriginKind::kShards,
                                  {{"shards", TokenOriginKind::kShards},
                                   {"remote", TokenOriginKind::kRemote},
                                   {"split", TokenOriginKind::kSplit},
                                   {"cheap", TokenOriginKind::kSynthetic}});
    form_.About("GGUF file, or any part of a split one");
    out_.file = Path("file");
    form_.About("a built-in name or a Jinja file; the file's own if not given");
    out_.chat_template = NameOrPath("chat_template");
    out_.tool_format = TextOr(
        form_.About("how the model calls tools, by name; what its template says if not given"),
        "tool_format", "");
    out_.temperature =
        static_cast<float>(PlainOr(form_.About("of requests that name none, on every interface "
                                               "whose protocol leaves it to the server"),
                                   "temperature", 1, Range{0, 2}));
    if (out_.from == TokenOriginKind::kShards) ReadShards();
    if (out_.from == TokenOriginKind::kRemote) ReadRemote();
    if (out_.from == TokenOriginKind::kSplit) ReadSplit();
    if (out_.from != TokenOriginKind::kSynthetic) {
      out_.max_batch = static_cast<int>(
          form_.About("rows of a decode step").IntegerOr("max_batch", out_.max_batch, 1, 4096));
      ReadSpeculation();
    }
    form_.RefuseOthers();
    return std::move(out_);
  }

 private:
  std::string Path(const std::string& field) {
    const std::string text = form_.Text(field);
    return text.empty() ? text : (folder_ / text).lexically_normal().string();
  }

  // A name has neither a slash nor a dot.
  std::string NameOrPath(const std::string& field) {
    const std::string text = TextOr(form_, field, "");
    const bool path = text.find_first_of("/.") != std::string::npos;
    return path ? (folder_ / text).lexically_normal().string() : text;
  }

  void ReadShards() {
    out_.shards = static_cast<int>(
        form_.About("shards that share the layers").IntegerOr("shards", 1, 1, 1024));
    if (form_.About("of a model with experts: where they are").Has("experts")) {
      YamlForm experts = form_.Map("experts");
      out_.experts_over = static_cast<int>(
          experts.About("workers that a shard's experts are spread over").Integer("over", 1, 1024));
      experts.RefuseOthers();
    }
    ReadLocal();
  }

  // What is computed in this process.
  void ReadLocal() {
    out_.shard_sram_bytes = PlainOr(form_.About("capacity of each worker's ledger"),
                                    "shard_sram_bytes", 44e9, Range{1e3, 1e15});
    out_.threads = static_cast<int>(
        form_.About("threads that compute; from: split: of each worker")
            .IntegerOr("threads", out_.from == TokenOriginKind::kSplit ? 1 : 2, 1, 256));
    out_.prefill_kv_bytes = PlainOr(form_.About("KV of prompts in the prefill pool"),
                                    "prefill_kv_bytes", 8e9, Range{1e3, 1e15});
    out_.prefill_chunk = form_.About("positions computed at once")
                             .IntegerOr("prefill_chunk", out_.prefill_chunk, 1, 1 << 20);
  }

  // A worker serves one driver at a time, and each chain has its own.
  void RefuseSharedWorkers() {
    std::map<std::string, size_t> chain_of;
    for (size_t i = 0; i < out_.chains.size(); ++i) {
      for (const auto* workers : {&out_.chains[i].prefill, &out_.chains[i].shards}) {
        for (const std::string& address : *workers) {
          if (chain_of.try_emplace(address, i).first->second == i) continue;
          form_.AddError("chains", address + " is a worker of two chains; each needs its own");
        }
      }
    }
  }

  void ReadRemote() {
    if (form_.Has("experts")) {
      form_.AddError("experts",
                     "has no effect here: each shard process says by --experts and "
                     "--expert-workers which it has and where the others are");
    }
    const bool prefill =
        form_.About(kPrefillWorker).Has("prefill_worker") || form_.Has("prefill_workers");
    const bool shards = form_.About("from: remote; the shards in order").Has("shard_workers");
    constexpr char kShard[] = "HOST:PORT of waferd --role shard";
    form_.About(
        "from: remote; several chains of workers, each with all layers, in place of "
        "prefill_workers and shard_workers: each request is computed on one of them");
    if (form_.Has("chains")) {
      if (prefill || shards) {
        form_.AddError("chains",
                       "and prefill_worker, prefill_workers or shard_workers are given: "
                       "each chain has workers of its own");
      }
      for (YamlForm& chain : form_.List("chains")) {
        out_.chains.push_back(ReadChain(&chain, "shard_workers", kShard));
        chain.RefuseOthers();
      }
      if (out_.chains.empty()) form_.AddError("chains", "needs at least one entry");
      RefuseSharedWorkers();
      ReadStandbys();
    } else if (!in_cell_ || prefill || shards) {  // both or, in a cell, neither
      out_.chains = {ReadChain(&form_, "shard_workers", kShard)};
      ReadStandbys();
    }
    ReadPatience();
  }

  void ReadSplit() {
    if (form_
            .About("from: split; attention workers that are processes, in order; none: all workers "
                   "are in this process")
            .Has("attention_workers")) {
      for (const char* field : {"attention", "ffn", "micro_batches"}) {
        if (!form_.Has(field)) continue;
        form_.AddError(field,
                       "has no effect here: each attention process says by --ffn-workers and "
                       "--micro-batches what it uses");
      }
      form_.About(kPrefillWorker);
      out_.chains = {
          ReadChain(&form_, "attention_workers", "HOST:PORT of waferd --role attention")};
      ReadStandbys();
      return ReadPatience();
    }
    out_.shards = static_cast<int>(
        form_.About("from: split; attention workers, which share the layers and hold the KV")
            .IntegerOr("attention", 1, 1, 1024));
    out_.feed_forward_workers =
        static_cast<int>(form_.About("from: split; feed-forward workers, which share the layers")
                             .IntegerOr("ffn", 1, 1, 1024));
    out_.micro_batches = static_cast<int>(
        form_
            .About(
                "from: split; parts of a step that are under way at once, so that both sides work")
            .IntegerOr("micro_batches", 2, 1, 64));
    ReadLocal();
  }

  // Processes that compute whole sequences together.
  static WorkerChain ReadChain(YamlForm* form, const char* field, const char* about_address) {
    constexpr char kPrefill[] = "HOST:PORT of waferd --role prefill";
    WorkerChain chain;
    if (form->About("several in place of prefill_worker").Has("prefill_workers")) {
      chain.prefill = ReadAddresses(form, "prefill_workers", kPrefill);
      if (form->About(kPrefill).Has("prefill_worker")) {
        form->AddError("prefill_worker", "and prefill_workers both say where prompts go");
      }
      if (chain.prefill.empty()) form->AddError("prefill_workers", "needs at least one entry");
    } else {
      chain.prefill = {form->About(kPrefill).Text("prefill_worker")};
    }
    form->About("in the order of their layers");
    chain.shards = ReadAddresses(form, field, about_address);
    if (form->Has(field) && chain.shards.empty()) form->AddError(field, "needs at least one entry");
    return chain;
  }

  void ReadStandbys() {
    form_.About("with workers: such as take the place of one that stays lost");
    if (!form_.Has("standby_workers")) return;
    out_.standby_workers = ReadAddresses(
        &form_, "standby_workers", "HOST:PORT of one with --layers any, or with layers of another");
  }

  void ReadPatience() {
    out_.worker_patience =
        Milliseconds(form_.About("with workers: one that is silent so long is lost")
                         .IntegerOr("worker_patience_ms", 3'000, 2'000, 3'600'000));
    out_.worker_outage = Milliseconds(
        form_.About("with workers: how long new requests wait for a lost one to come back")
            .IntegerOr("worker_outage_ms", 10'000, 0, 3'600'000));
    out_.outage_patience =
        Milliseconds(form_.About("with workers: how long requests with tokens out wait for it")
                         .IntegerOr("outage_patience_ms", 60'000, 0, 3'600'000));
  }

  void ReadSpeculation() {
    out_.speculation =
        ChoiceOr<SpeculationKind>(form_.About("guesses tokens ahead, which changes none: lookup "
                                              "from the text, draft by a small model"),
                                  "speculation", SpeculationKind::kOff,
                                  {{"off", SpeculationKind::kOff},
                                   {"lookup", SpeculationKind::kLookup},
                                   {"draft", SpeculationKind::kDraft}});
    if (out_.speculation == SpeculationKind::kDraft) {
      form_.About("speculation: draft; GGUF with the same vocabulary");
      out_.draft_file = Path("draft_file");
    } else if (out_.speculation == SpeculationKind::kOff && form_.Has("speculation") &&
               form_.Text("speculation") != "off") {
      form_.Has("draft_file");  // the wrong choice is the fault, not what would go with a right one
    }
  }

  YamlForm form_;
  const std::filesystem::path& folder_;
  const bool in_cell_;
  TokensConfig out_;
};

}  // namespace

TokensConfig ReadTokens(YamlForm form, const std::filesystem::path& folder, bool in_cell) {
  return TokensReader(std::move(form), folder, in_cell).Read();
}

}  // namespace waferline::config
