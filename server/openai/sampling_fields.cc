#include "server/openai/sampling_fields.h"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <limits>

#include "absl/strings/str_cat.h"
#include "server/serving/limits.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {
namespace {

namespace json = boost::json;

std::string Outside(const model::Tokenizer& tokenizer, std::string_view what) {
  return absl::StrCat(Absl(what), " is not a token id of this model (0 to ", tokenizer.size() - 1,
                      ")");
}

void ReadStopTokenIds(Fields& fields, const model::Tokenizer& tokenizer, SamplingSpec* spec) {
  const json::array* ids = fields.Array("stop_token_ids", serving::kMaxStopTokenIds);
  if (ids == nullptr) return;
  for (size_t i = 0; i < ids->size(); ++i) {
    int64_t id = 0;
    const std::string name = absl::StrCat("stop_token_ids[", i, "]");
    if (!AsInteger((*ids)[i], &id)) return fields.Fail(name, "must be an integer");
    if (!tokenizer.valid(id)) return fields.Fail(name, Outside(tokenizer, "its value"));
    spec->end_ids.push_back(static_cast<TokenId>(id));
  }
}

void ReadLogitBias(Fields& fields, const model::Tokenizer& tokenizer, SamplingSpec* spec) {
  const json::object* biases = fields.Object("logit_bias");
  if (biases == nullptr) return;
  if (biases->size() > serving::kMaxLogitBias) {
    return fields.Fail("logit_bias",
                       absl::StrCat("must have at most ", serving::kMaxLogitBias, " entries"));
  }
  for (const auto& entry : *biases) {
    const std::string_view key(entry.key().data(), entry.key().size());
    int64_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || !tokenizer.valid(id)) {
      return fields.Fail(
          "logit_bias", Outside(tokenizer, absl::StrCat("has the key \"", Absl(key), "\", which")));
    }
    Fields one(*biases, fields.PathOf("logit_bias") + ".");
    float bias = 0;
    one.Number(key, -100, 100, &bias);
    if (!one.ok()) return fields.Fail(one.status());
    spec->logit_bias.emplace_back(static_cast<TokenId>(id), bias);
  }
}

uint64_t ReadSeed(Fields& fields, uint64_t fallback_seed) {
  const std::string_view name = fields.NameOf("seed", {"random_seed"});  // Mistral's
  const json::value* seed = fields.Find(name);
  if (seed == nullptr) return fallback_seed;
  if (seed->is_uint64()) return seed->get_uint64();
  int64_t value = 0;
  if (!AsInteger(*seed, &value)) fields.Fail(name, "must be an integer of 64 bits");
  return static_cast<uint64_t>(value);
}

}  // namespace

SamplingSpec ReadSampling(Fields& fields, const text::ServedModel& model, uint64_t fallback_seed) {
  const model::Tokenizer& tokenizer = *model.tokenizer;
  SamplingSpec spec;
  spec.temperature = model.temperature;
  fields.Number("temperature", 0, 2, &spec.temperature);
  fields.Number("top_p", 0, 1, &spec.top_p);
  // OpenAI's range includes 0: nothing but the likeliest token.
  if (spec.top_p == 0) spec.top_p = std::numeric_limits<float>::min();
  int64_t top_k = 0;
  fields.Int("top_k", -1, std::numeric_limits<int32_t>::max(), &top_k);
  spec.top_k = top_k < 0 ? 0 : static_cast<uint32_t>(top_k);  // -1: no limit, as in vLLM
  fields.Number("min_p", 0, 1, &spec.min_p);
  fields.Number(fields.NameOf("repetition_penalty", {"repeat_penalty"}), 0.01, 100,
                &spec.repetition_penalty);
  fields.Number("frequency_penalty", -2, 2, &spec.frequency_penalty);
  fields.Number("presence_penalty", -2, 2, &spec.presence_penalty);
  fields.Int(fields.NameOf("min_tokens", {"min_completion_tokens", "min_new_tokens"}), 0,
             std::numeric_limits<int32_t>::max(), &spec.min_tokens);
  spec.seed = ReadSeed(fields, fallback_seed);

  bool ignore_eos = false;
  fields.Bool("ignore_eos", &ignore_eos);
  if (!ignore_eos) spec.end_ids = tokenizer.end_ids();
  ReadStopTokenIds(fields, tokenizer, &spec);
  ReadLogitBias(fields, tokenizer, &spec);
  return spec;
}

std::vector<std::string> ReadStop(Fields& fields) {
  const std::string name(fields.NameOf("stop", {"stop_sequences"}));
  const json::value* stop = fields.Find(name);
  std::vector<std::string> stops;
  if (stop == nullptr) return stops;
  const std::string one = absl::StrCat("a string of 1 to ", serving::kMaxStopBytes, " bytes");
  const auto add = [&](const json::value& value, const std::string& path, const std::string& or_) {
    if (!value.is_string() || value.get_string().empty() ||
        value.get_string().size() > serving::kMaxStopBytes) {
      return fields.Fail(path, absl::StrCat("must be ", one, or_));
    }
    stops.emplace_back(value.get_string().data(), value.get_string().size());
  };
  if (!stop->is_array()) {
    add(*stop, name, absl::StrCat(", or a list of at most ", serving::kMaxStops));
    return stops;
  }
  const json::array& list = stop->get_array();
  if (list.size() > serving::kMaxStops) {
    fields.Fail(name, absl::StrCat("must have at most ", serving::kMaxStops, " strings"));
    return stops;
  }
  for (size_t i = 0; i < list.size(); ++i) add(list[i], absl::StrCat(name, "[", i, "]"), "");
  return stops;
}

uint64_t SeedOfChoice(uint64_t seed, int index) {
  return index == 0 ? seed : SeededStream(seed).At(static_cast<uint64_t>(index));
}

}  // namespace waferline::openai
