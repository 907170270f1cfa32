#include "server/openai/embeddings.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/openai/answer_facts.h"
#include "server/openai/api_error.h"
#include "server/openai/json_text.h"
#include "server/openai/prompt_fields.h"
#include "server/openai/request_fields.h"
#include "server/openai/unread_fields.h"
#include "server/serving/limits.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {
namespace {

struct VectorShape {
  PromptVector kind = PromptVector::kMean;
  bool base64 = false;
};

// To length 1, as OpenAI's vectors are.
std::vector<float> Scaled(const std::vector<float>& vector) {
  double sum = 0;
  for (const float x : vector) sum += static_cast<double>(x) * x;
  const double scale = sum > 0 ? 1 / std::sqrt(sum) : 0;
  std::vector<float> out;
  out.reserve(vector.size());
  for (const float x : vector) out.push_back(static_cast<float>(x * scale));
  return out;
}

void AppendVector(std::string& out, const std::vector<float>& vector, bool base64) {
  if (base64) {
    // float32 of little-endian machines, which all are that this runs on.
    const absl::string_view bytes(reinterpret_cast<const char*>(vector.data()),
                                  vector.size() * sizeof(float));
    absl::StrAppend(&out, "\"", absl::Base64Escape(bytes), "\"");
    return;
  }
  out += '[';
  for (size_t i = 0; i < vector.size(); ++i) {
    if (i > 0) out += ',';
    AppendNumber(out, vector[i]);
  }
  out += ']';
}

// Only ever a document.
class EmbeddingsWriter final : public AnswerFormat {
 public:
  EmbeddingsWriter(const ResponseShape& shape, VectorShape vectors)
      : shape_(shape), vectors_(vectors) {}

  void AppendStart(std::string&) override {}
  void AppendPrompt(std::string&, size_t, const std::vector<TokenDetail>&) override {}
  void SetServed(ServiceTier) override {}
  void AppendDelta(std::string&, size_t, const Delta&) override {}
  void CountTokens(uint32_t) override {}
  void AppendFinish(std::string&, size_t, const ChoiceEnd&, const Usage*) override {}
  void AppendEnd(std::string&, const Usage&) override {}
  void AppendFailure(std::string&, const absl::Status&) override {}

  std::string Document(const std::vector<ChoiceResult>& results) override {
    std::string out = "{\"object\":\"list\",\"data\":[";
    std::vector<ChoiceEnd> ends;
    for (size_t i = 0; i < results.size(); ++i) {
      absl::StrAppend(&out, i > 0 ? "," : "", "{\"object\":\"embedding\",\"index\":", i,
                      ",\"embedding\":");
      AppendVector(out, Scaled(results[i].vector), vectors_.base64);
      out += '}';
      ends.push_back(results[i].end);
    }
    out += "],\"model\":";
    AppendQuoted(out, shape_.model);
    const Usage usage = SumUsage(shape_, ends);
    absl::StrAppend(&out, ",\"usage\":{\"prompt_tokens\":", usage.prompt_tokens,
                    ",\"total_tokens\":", usage.prompt_tokens);
    AppendRecord(out, usage);
    out += '}';
    AppendTimeInfo(out, shape_, usage);
    const char* const pooling = vectors_.kind == PromptVector::kMean ? "mean" : "last";
    return absl::StrCat(out, ",\"waferline\":{\"time\":\"emulated\",\"tokens\":\"computed\",",
                        "\"pooling\":\"", pooling, "\"}}");
  }

 private:
  const ResponseShape& shape_;
  const VectorShape vectors_;
};

VectorShape ReadVectorShape(Fields& fields) {
  std::string encoding = "float", pooling = "mean";
  fields.Text("encoding_format", serving::kMaxNameBytes, &encoding);
  if (encoding != "float" && encoding != "base64") {
    fields.Fail("encoding_format", "must be float or base64");
  }
  fields.Text("pooling", serving::kMaxNameBytes, &pooling);
  if (pooling != "mean" && pooling != "last") fields.Fail("pooling", "must be mean or last");
  if (fields.Has("dimensions")) {
    fields.Fail(WithCode(FieldError("dimensions",
                                    "'dimensions' is not supported here: vectors have the model's "
                                    "own width"),
                         "unsupported_parameter"));
  }
  std::string user;
  fields.Text("user", serving::kMaxNameBytes, &user);
  return {pooling == "mean" ? PromptVector::kMean : PromptVector::kLast, encoding == "base64"};
}

}  // namespace

absl::StatusOr<ParsedRequest> ParseEmbeddings(std::string_view body, const Envelope& envelope,
                                              const text::ModelCatalog& catalog) {
  WL_ASSIGN_OR_RETURN(const boost::json::object object, ParseObject(body));
  Fields fields(object);
  ParsedRequest parsed;
  WL_ASSIGN_OR_RETURN(parsed.model, FindModel(fields, catalog));
  if (parsed.model->origin != text::TokenOrigin::kComputed) {
    return WithCode(WithParam(absl::NotFoundError(
                                  absl::StrCat("the model '", parsed.model->name,
                                               "' has no weights here and gives no embeddings")),
                              "model"),
                    "model_not_found");
  }
  const VectorShape vectors = ReadVectorShape(fields);
  ResponseShape& shape = parsed.shape;
  shape.id = absl::StrCat("embd-", envelope.request_id);
  shape.created_unix_seconds = envelope.unix_seconds;
  shape.model = parsed.model->name;
  Expansion expansion{.pattern = ReadPlacing(fields, envelope),
                      .wanted = 0,
                      .context = parsed.model->context_tokens.count(),
                      .prompt_field = "input",
                      .max_choices = serving::kMaxEmbeddings};
  WL_RETURN_IF_ERROR(fields.status());
  WL_ASSIGN_OR_RETURN(shape.prompts,
                      ReadPrompts(fields, *parsed.model,
                                  {.field = "input", .max_prompts = serving::kMaxEmbeddings}));
  expansion.pattern.model = parsed.model->name;
  expansion.pattern.sampling.prompt_vector = vectors.kind;
  WL_ASSIGN_OR_RETURN(parsed.requests, Expand(expansion, shape));
  WL_RETURN_IF_ERROR(CheckUnread(fields, {envelope.dialect, {}}, &parsed.warning));
  parsed.format = [vectors](const ResponseShape& final_shape) {
    return std::make_unique<EmbeddingsWriter>(final_shape, vectors);
  };
  return parsed;
}

}  // namespace waferline::openai
