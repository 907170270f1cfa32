#include "tests/support/checkpoint_writer.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <cstring>
#include <set>
#include <string_view>

#include "wafer_backend/base/check.h"
#include "wafer_backend/base/files.h"

namespace waferline::test {
namespace {

namespace json = boost::json;

struct Renamed {
  std::string_view from, to;
};
constexpr Renamed kNames[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"},
    {"attn_norm", "input_layernorm"},     {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},  {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},       {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},  {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},        {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},        {"output", "lm_head"}};

constexpr Renamed kGemma3Names[] = {{"post_attention_norm", "post_attention_layernorm"},
                                    {"ffn_norm", "pre_feedforward_layernorm"},
                                    {"post_ffw_norm", "post_feedforward_layernorm"}};

// "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight".
std::string NameOf(std::string_view name, bool gemma3) {
  std::string prefix;
  if (name.starts_with("blk.")) {
    const size_t dot = name.find('.', 4);
    prefix = "model.layers." + std::string(name.substr(4, dot - 4)) + ".";
    name.remove_prefix(dot + 1);
  }
  const size_t dot = name.rfind('.');
  std::vector<Renamed> names(std::begin(kNames), std::end(kNames));
  if (gemma3) names.insert(names.begin(), std::begin(kGemma3Names), std::end(kGemma3Names));
  for (const Renamed& renamed : names) {
    if (renamed.from == name.substr(0, dot)) {
      return prefix + std::string(renamed.to) + std::string(name.substr(dot));
    }
  }
  WL_CHECK(false);
  return "";
}

// Rows of pairs (2i, 2i + 1) of each head back to (i, i + half).
std::string HalvesOf(std::string_view bytes, size_t rows, size_t heads) {
  const size_t row = bytes.size() / rows;
  const size_t size = rows / heads;
  std::string out;
  for (size_t head = 0; head < heads; ++head) {
    for (size_t i = 0; i < size; ++i) {
      const size_t from = i < size / 2 ? 2 * i : 2 * (i - size / 2) + 1;
      out += bytes.substr((head * size + from) * row, row);
    }
  }
  return out;
}

json::object SplitStep(const char* regex) {
  return {{"type", "Split"},
          {"pattern", json::object{{"Regex", regex}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}

json::object TokenizerOf(const model::Metadata& metadata) {
  const auto tokens = *metadata.Strings("tokenizer.ggml.tokens");
  const auto types = *metadata.Ints("tokenizer.ggml.token_type");
  const bool llama = *metadata.String("tokenizer.ggml.pre") == "llama-bpe";
  json::object vocab;
  json::array added;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const json::string_view text(tokens[i].data(), tokens[i].size());
    if (types[i] == 1) {
      vocab[text] = i;
    } else {
      added.push_back({{"id", i}, {"content", text}, {"special", types[i] == 3}});
    }
  }
  json::array merges;  // half of them as text, half as pairs
  const auto lines = *metadata.Strings("tokenizer.ggml.merges");
  for (const std::string_view line : lines) {
    const size_t space = line.find(' ');
    if (merges.size() % 2 == 0) {
      merges.push_back(json::string(line.begin(), line.end()));
    } else {
      merges.push_back(json::array{json::string(line.begin(), line.begin() + space),
                                   json::string(line.begin() + space + 1, line.end())});
    }
  }
  // The published expressions of Llama 3 and of Qwen2.
  const char* const regex =
      llama
          ? R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
          : R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  const json::object bytes = {{"type", "ByteLevel"}, {"use_regex", false}};
  json::object out = {
      {"normalizer", llama ? json::value() : json::value(json::object{{"type", "NFC"}})},
      {"pre_tokenizer",
       json::object{{"type", "Sequence"}, {"pretokenizers", json::array{SplitStep(regex), bytes}}}},
      {"post_processor", bytes},
      {"added_tokens", std::move(added)},
      {"model", json::object{{"type", "BPE"},
                             {"ignore_merges", llama},
                             {"vocab", std::move(vocab)},
                             {"merges", std::move(merges)}}}};
  if (llama) {
    const json::object begin = {{"SpecialToken", json::object{{"id", "<|begin_of_text|>"}}}};
    const json::object text = {{"Sequence", json::object{{"id", "A"}}}};
    out["post_processor"] = json::object{
        {"type", "Sequence"},
        {"processors", json::array{bytes, json::object{{"type", "TemplateProcessing"},
                                                       {"single", json::array{begin, text}}}}}};
  }
  return out;
}

// As Hugging Face's converter writes a SentencePiece model: every way to make a piece is a merge,
// in the order of the pieces' scores.
json::object SentencePieceOf(const model::Metadata& metadata) {
  const auto tokens = *metadata.Strings("tokenizer.ggml.tokens");
  const auto types = *metadata.Ints("tokenizer.ggml.token_type");
  const auto scores = *metadata.Floats("tokenizer.ggml.scores");
  const auto text_of = [&](size_t i) {
    return json::string_view(tokens[i].data(), tokens[i].size());
  };
  json::object vocab;
  json::array added;
  std::set<std::string_view> pieces;
  std::vector<size_t> order;
  for (size_t i = 0; i < tokens.size(); ++i) {
    vocab[text_of(i)] = i;
    if (types[i] == 2 || types[i] == 3) {
      added.push_back({{"id", i}, {"content", text_of(i)}, {"special", true}});
    } else if (types[i] == 1) {
      pieces.insert(tokens[i]);
      order.push_back(i);
    }
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  json::array merges;
  for (const size_t i : order) {
    for (size_t at = 1; at < tokens[i].size(); ++at) {
      const std::string_view left = tokens[i].substr(0, at), right = tokens[i].substr(at);
      if (!pieces.contains(left) || !pieces.contains(right)) continue;
      merges.push_back(json::string(std::string(left) + " " + std::string(right)));
    }
  }
  const json::string space("\xe2\x96\x81");
  const json::object replace = {
      {"type", "Replace"}, {"pattern", json::object{{"String", " "}}}, {"content", space}};
  const json::object prepend = {{"type", "Prepend"}, {"prepend", space}};
  const json::object begin = {{"SpecialToken", json::object{{"id", "<s>"}}}};
  const json::object text = {{"Sequence", json::object{{"id", "A"}}}};
  return {{"normalizer",
           json::object{{"type", "Sequence"}, {"normalizers", json::array{prepend, replace}}}},
          {"pre_tokenizer", nullptr},
          {"post_processor",
           json::object{{"type", "TemplateProcessing"}, {"single", json::array{begin, text}}}},
          {"added_tokens", std::move(added)},
          {"model", json::object{{"type", "BPE"},
                                 {"byte_fallback", true},
                                 {"unk_token", "<unk>"},
                                 {"vocab", std::move(vocab)},
                                 {"merges", std::move(merges)}}}};
}

void WriteJson(const std::string& path, const json::object& object) {
  WL_CHECK(WriteFile(path, json::serialize(object)).ok());
}

}  // namespace

std::string SafetensorsBytes(std::span<const CheckpointTensor> tensors, size_t padding) {
  json::object header = {{"__metadata__", json::object{{"format", "pt"}}}};
  std::string data;
  for (const CheckpointTensor& tensor : tensors) {
    const size_t begin = data.size();
    data += tensor.bytes;
    header[tensor.name] =
        json::object{{"dtype", tensor.dtype},
                     {"shape", json::array(tensor.shape.begin(), tensor.shape.end())},
                     {"data_offsets", json::array{begin, data.size()}}};
  }
  const std::string text = json::serialize(header) + std::string(padding, ' ');
  const uint64_t size = text.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + text + data;
}

CheckpointWriter::CheckpointWriter(const model::GgufFile& file) {
  const model::Metadata& metadata = file.metadata();
  const std::string architecture(*metadata.String("general.architecture"));
  const auto number = [&](const char* key) { return *metadata.Uint(architecture + "." + key); };
  const auto heads = number("attention.head_count");
  const auto kv_heads = number("attention.head_count_kv");
  const bool tied = file.FindTensor("output.weight") == nullptr;
  config = {{"model_type", architecture},
            {"hidden_act", "silu"},
            {"num_hidden_layers", number("block_count")},
            {"hidden_size", number("embedding_length")},
            {"intermediate_size", number("feed_forward_length")},
            {"num_attention_heads", heads},
            {"num_key_value_heads", kv_heads},
            {"head_dim", number("attention.key_length")},
            {"max_position_embeddings", number("context_length")},
            {"vocab_size", file.FindTensor("token_embd.weight")->rows()},
            {"rms_norm_eps", 1e-5},
            {"rope_theta", *metadata.Float(architecture + ".rope.freq_base")},
            {"tie_word_embeddings", tied}};
  const bool gemma3 = architecture == "gemma3";
  if (gemma3) {
    config["model_type"] = "gemma3_text";
    config["hidden_activation"] = "gelu_pytorch_tanh";
    config["sliding_window"] = number("attention.sliding_window");
    config["query_pre_attn_scalar"] = number("attention.key_length");
    config["rope_local_base_freq"] = *metadata.Float("gemma3.rope.freq_base_swa");
    config["sliding_window_pattern"] = 6;
  }
  const bool sentence_piece = *metadata.String("tokenizer.ggml.model") == "llama";
  tokenizer = sentence_piece ? SentencePieceOf(metadata) : TokenizerOf(metadata);
  const auto tokens = *metadata.Strings("tokenizer.ggml.tokens");
  const auto name = [&](const char* key) {
    return json::string(std::string(tokens[*metadata.Uint(key)]));
  };
  tokenizer_config = {{"bos_token", json::object{{"content", name("tokenizer.ggml.bos_token_id")}}},
                      {"eos_token", name("tokenizer.ggml.eos_token_id")}};
  for (const model::GgufTensor& tensor : file.tensors()) {
    CheckpointTensor out{.name = NameOf(tensor.name, gemma3), .dtype = tensor.TypeName()};
    for (int i = tensor.rank - 1; i >= 0; --i) out.shape.push_back(tensor.dims[i]);
    out.bytes.assign(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
    const bool query = out.name.find(".q_proj.") != std::string::npos;
    const bool key = out.name.find(".k_proj.") != std::string::npos;
    if (architecture == "llama" && (query || key)) {
      out.bytes = HalvesOf(out.bytes, static_cast<size_t>(out.shape.front()),
                           static_cast<size_t>(query ? heads : kv_heads));
    }
    if (gemma3 && tensor.rank == 1) {  // norms, of F32: stored without 1
      for (size_t at = 0; at < out.bytes.size(); at += sizeof(float)) {
        float weight;
        std::memcpy(&weight, out.bytes.data() + at, sizeof(float));
        weight -= 1;
        std::memcpy(out.bytes.data() + at, &weight, sizeof(float));
      }
    }
    tensors.push_back(std::move(out));
  }
}

void CheckpointWriter::Write(const std::string& folder, int files) const {
  WriteJson(folder + "/config.json", config);
  WriteJson(folder + "/tokenizer.json", tokenizer);
  WriteJson(folder + "/tokenizer_config.json", tokenizer_config);
  if (files == 1) {
    WL_CHECK(WriteFile(folder + "/model.safetensors", SafetensorsBytes(tensors)).ok());
    return;
  }
  std::vector<std::vector<CheckpointTensor>> parts(static_cast<size_t>(files));
  json::object map;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const size_t part = i % parts.size();
    parts[part].push_back(tensors[i]);
    map[tensors[i].name] = "part-" + std::to_string(part) + ".safetensors";
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string path = folder + "/part-" + std::to_string(i) + ".safetensors";
    WL_CHECK(WriteFile(path, SafetensorsBytes(parts[i], i)).ok());
  }
  WriteJson(folder + "/model.safetensors.index.json", {{"weight_map", std::move(map)}});
}

}  // namespace waferline::test
