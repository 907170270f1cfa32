#include "server/openai/request_fields.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <limits>

#include "absl/strings/str_cat.h"
#include "server/openai/api_error.h"
#include "server/openai/sampling_fields.h"
#include "server/serving/limits.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {
namespace {

namespace json = boost::json;

constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();
constexpr char kConstrained[] = "use structured_outputs, or logit_bias";
constexpr char kSamplers[] =
    "tokens are sampled by temperature, top_k, top_p, min_p and the penalties";
constexpr size_t kMaxModalities = 8;
// Cerebras' bounds of the header.
constexpr int64_t kMinQueueThresholdMs = 50;
constexpr int64_t kMaxQueueThresholdMs = 20'000;

// Fields of OpenAI, vLLM, llama.cpp and Cerebras that change an answer, and that this server does
// not have: who sends one should know.
struct Missing {
  const char* name;
  const char* instead;
  double off = kNoNumber;  // the number that asks for nothing
};
constexpr Missing kMissing[] = {
    {"allowed_token_ids", kConstrained},
    {"bad_words", kConstrained},
    {"guided_whitespace_pattern", "JSON is written with at most a space after ':' and ','"},
    {"typical_p", kSamplers, 1},
    {"tfs_z", kSamplers, 1},
    {"top_a", kSamplers, 0},
    {"mirostat", kSamplers, 0},
    {"xtc_probability", kSamplers, 0},
    {"dry_multiplier", kSamplers, 0},
    {"logits_processors", "use logit_bias"},
    {"use_beam_search", "tokens are sampled; use n for several answers"},
    {"prompt_embeds", "prompts are text or token ids"},
    {"truncate_prompt_tokens", "prompts are taken whole; shorten it yourself"},
    {"prompt_logprobs", "use echo with logprobs on /v1/completions"},
    {"return_tokens_as_token_ids", "use return_token_ids"},
    {"return_raw_tokens", "use return_token_ids"},
};

std::optional<int64_t> ReadOptionalInt(Fields& fields, std::string_view name, int64_t lo,
                                       int64_t hi) {
  if (fields.Find(name) == nullptr) return std::nullopt;
  int64_t value = 0;
  fields.Int(name, lo, hi, &value);
  return value;
}

// A header that must be a whole number from `lo` to `hi`, or absent.
struct HeaderRange {
  int64_t lo, hi;
};
std::optional<int64_t> ReadHeader(Fields& fields, std::string_view name, std::string_view text,
                                  HeaderRange range) {
  if (text.empty()) return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < range.lo ||
      value > range.hi) {
    fields.Fail(name, absl::StrCat("(a header) must be a whole number of milliseconds from ",
                                   range.lo, " to ", range.hi));
    return std::nullopt;
  }
  return value;
}

ServiceTier ReadTier(Fields& fields) {
  std::string tier = "auto";
  fields.Text("service_tier", serving::kMaxNameBytes, &tier);
  const std::optional<ServiceTier> named = ServiceTierNamed(tier);
  if (!named) fields.Fail("service_tier", "must be auto, default, flex or priority");
  return named.value_or(ServiceTier::kAuto);
}

absl::Status TooLong(const Expansion& expansion, size_t prompt_tokens, bool by_max_tokens) {
  const std::string in = absl::StrCat(expansion.prompt_field);
  if (!by_max_tokens) {
    return ContextExceeded(in, expansion.context,
                           absl::StrCat("your ", in, " resulted in ", prompt_tokens,
                                        " tokens. Please reduce the length of the ", in, "."));
  }
  const int64_t prompt = static_cast<int64_t>(prompt_tokens);
  return ContextExceeded(
      in, expansion.context,
      absl::StrCat("you requested ", prompt + *expansion.wanted, " tokens (", prompt, " in the ",
                   in, ", ", *expansion.wanted, " in the completion). Please reduce the length of ",
                   "the ", in, " or completion: at most ", expansion.context - prompt,
                   " tokens are left for it."));
}

// How many tokens to generate after a prompt of this length.
absl::StatusOr<int64_t> Room(const Expansion& expansion, size_t prompt_tokens) {
  const int64_t left = expansion.context - static_cast<int64_t>(prompt_tokens);
  if (expansion.wanted == 0 && left >= 0) return 0;  // echo only
  if (left < 1) return TooLong(expansion, prompt_tokens, false);
  if (!expansion.wanted) return std::min(expansion.fallback, left);
  if (expansion.clip) return std::min(*expansion.wanted, left);
  if (*expansion.wanted > left) return TooLong(expansion, prompt_tokens, true);
  return *expansion.wanted;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const text::ServedModel>> FindModel(
    Fields& fields, const text::ModelCatalog& catalog) {
  std::string name;
  fields.Text("model", serving::kMaxNameBytes, &name);
  if (!fields.ok()) return fields.status();
  if (name.empty()) {
    // vLLM, which serves one model, takes an absent name for it.
    if (fields.Find("model") == nullptr && catalog.all().size() == 1) return catalog.all().front();
    return FieldError("model", "you must provide 'model'; GET /v1/models lists what is served");
  }
  auto model = catalog.Find(name);
  if (!model.ok()) return WithCode(WithParam(model.status(), "model"), "model_not_found");
  return model;
}

void RefuseUnsupported(Fields& fields) {
  for (const Missing& missing : kMissing) {
    fields.Unsupported(missing.name, missing.instead, missing.off);
  }
  fields.AlwaysOn("add_special_tokens", "send token ids to choose them yourself");
  fields.AlwaysOn("add_generation_prompt", "use /v1/completions to continue a text");
  fields.AlwaysOn("detokenize", "text is always sent; return_token_ids adds the ids");
  if (const json::array* modalities = fields.Array("modalities", kMaxModalities)) {
    for (const json::value& one : *modalities) {
      if (!one.is_string() || one.get_string() != "text") {
        fields.Unsupported("modalities", "the models here write text only");
      }
    }
  }
}

std::optional<int64_t> ReadMaxTokens(Fields& fields, bool zero_allowed) {
  // llama.cpp's, Ollama's, TGI's, the Responses API's and Anthropic's old names are as good.
  const std::string_view name =
      fields.NameOf("max_tokens", {"max_completion_tokens", "n_predict", "num_predict",
                                   "max_new_tokens", "max_output_tokens", "max_tokens_to_sample"});
  const json::value* value = fields.Find(name);
  if (name.ends_with("_predict") && value != nullptr && *value == json::value(-1)) {
    return std::nullopt;  // as many as fit
  }
  return ReadOptionalInt(fields, name, zero_allowed ? 0 : 1, std::numeric_limits<int32_t>::max());
}

void ReadShape(Fields& fields, const Envelope& envelope, ResponseShape* shape) {
  shape->created_unix_seconds = envelope.unix_seconds;
  shape->usage_at_finish = envelope.dialect.usage_at_finish;
  fields.Int("n", 1, serving::kMaxChoices, &shape->n);
  fields.Bool("stream", &shape->stream);
  fields.Bool("return_token_ids", &shape->return_token_ids);
  fields.Text("service_tier", serving::kMaxNameBytes, &shape->service_tier);
  shape->text.stop = ReadStop(fields);
  fields.Bool("include_stop_str_in_output", &shape->text.include_stop);
  fields.Bool("skip_special_tokens", &shape->text.skip_special);
  if (const json::object* options = fields.Object("stream_options")) {
    Fields inner(*options, "stream_options.");
    inner.Bool("include_usage", &shape->include_usage);
    inner.Bool("continuous_usage_stats", &shape->continuous_usage);
    fields.Fail(inner.status());
    if (!shape->stream) fields.Fail("stream_options", "is only allowed with stream: true");
  }
  std::string user;
  fields.Text("user", serving::kMaxNameBytes, &user);

  if (envelope.instants == "true" || envelope.instants == "1") shape->instants = true;
  if (const json::object* extension = fields.Object("waferline")) {
    Fields inner(*extension, "waferline.");
    inner.Bool("instants", &shape->instants);
    inner.Bool("token_events", &shape->token_events);
    inner.RefuseOthers({"instants", "token_events", "deadline_ms", "arrival_ns", "arrival_number",
                        "last_arrival"});
    fields.Fail(inner.status());
  }
}

std::optional<OwnArrival> ReadOwnArrival(Fields& fields) {
  const auto ns = ReadOptionalInt(fields, "arrival_ns", 0, serving::kMaxDurationNs);
  const auto number =
      ReadOptionalInt(fields, "arrival_number", 0, std::numeric_limits<int64_t>::max());
  OwnArrival own;
  fields.Bool("last_arrival", &own.last);
  if (ns.has_value() != number.has_value()) {
    fields.Fail("arrival_ns", "and arrival_number have an effect only together");
  }
  if (own.last && !number) fields.Fail("last_arrival", "has no effect without arrival_number");
  if (!ns || !number) return std::nullopt;
  own.at = Nanoseconds(*ns);
  own.number = static_cast<uint64_t>(*number);
  return own;
}

ValidRequest ReadPlacing(Fields& fields, const Envelope& envelope) {
  ValidRequest request;
  request.request_id = envelope.request_id;
  request.tenant = envelope.tenant;
  request.tier = ReadTier(fields);
  if (envelope.batch) {
    if (request.tier != ServiceTier::kAuto) {
      fields.Fail("service_tier", "must be auto: the lines of a batch have a tier of their own");
    }
    request.of_batch = true;
    request.tier = ServiceTier::kFlex;
  }
  fields.Int("priority", std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max(),
             &request.priority);
  fields.Text("cache_salt", serving::kMaxNameBytes, &request.cache_salt);
  if (const auto ms = ReadHeader(fields, "queue_threshold", envelope.queue_threshold,
                                 {kMinQueueThresholdMs, kMaxQueueThresholdMs})) {
    request.queue_threshold = Milliseconds(*ms);
  }
  if (const auto ms = ReadHeader(fields, "x-waferline-deadline-ms", envelope.deadline_ms,
                                 {0, serving::kMaxMilliseconds})) {
    request.deadline = Milliseconds(*ms);
  }
  if (const json::object* extension = fields.Object("waferline")) {
    Fields inner(*extension, "waferline.");
    if (const auto ms = ReadOptionalInt(inner, "deadline_ms", 1, serving::kMaxMilliseconds)) {
      request.deadline = Milliseconds(*ms);
    }
    request.own_arrival = ReadOwnArrival(inner);
    fields.Fail(inner.status());
  }
  return request;
}

absl::StatusOr<std::vector<ValidRequest>> Expand(const Expansion& expansion,
                                                 const ResponseShape& shape) {
  if (static_cast<int64_t>(shape.choices()) > expansion.max_choices) {
    return FieldError("n", absl::StrCat(shape.prompts.size(), " prompts with n = ", shape.n,
                                        " are ", shape.choices(), " answers; at most ",
                                        expansion.max_choices, " fit into one request"));
  }
  if (expansion.pattern.own_arrival && shape.choices() > 1) {
    return FieldError("waferline.arrival_number",
                      "numbers one answer: ask for one prompt and n = 1");
  }
  std::vector<ValidRequest> requests;
  for (const ResponseShape::Prompt& prompt : shape.prompts) {
    auto room = Room(expansion, prompt.tokens->size());
    if (!room.ok()) return room.status();
    const uint32_t least = expansion.pattern.sampling.min_tokens;
    const int64_t most = expansion.clip ? expansion.wanted.value_or(*room) : *room;
    if (least > most) {
      return FieldError("min_tokens", absl::StrCat("'min_tokens' must be at most ", most,
                                                   ", the number of tokens to generate"));
    }
    for (int i = 0; i < shape.n; ++i) {
      ValidRequest& request = requests.emplace_back(expansion.pattern);
      if (shape.choices() > 1) request.choice = static_cast<uint32_t>(requests.size() - 1);
      request.prompt = prompt.tokens;
      request.max_tokens = static_cast<uint32_t>(*room);
      request.sampling.min_tokens = std::min(least, request.max_tokens);
      request.sampling.seed = SeedOfChoice(request.sampling.seed, i);
    }
  }
  return requests;
}

}  // namespace waferline::openai
