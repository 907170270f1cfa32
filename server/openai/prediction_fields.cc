#include "server/openai/prediction_fields.h"

#include <string>
#include <utility>

#include "server/openai/prompt_fields.h"
#include "server/serving/limits.h"
#include "server/text/prediction.h"

namespace waferline::openai {

std::shared_ptr<const Prediction> ReadPrediction(Fields& fields, const text::ServedModel& model) {
  const boost::json::object* object = fields.Object("prediction");
  if (object == nullptr) return nullptr;
  Fields inner(*object, "prediction.");
  std::string type;
  inner.Require({"type", "content"});
  inner.Text("type", serving::kMaxNameBytes, &type);
  if (inner.ok() && type != "content") inner.Fail("type", "must be \"content\"");
  inner.RefuseOthers({"type", "content"});
  fields.Fail(inner.status());
  if (!fields.ok()) return nullptr;
  const absl::StatusOr<std::string> content = ReadContent(inner, false);
  if (!content.ok()) {
    fields.Fail(content.status());
    return nullptr;
  }
  fields.Fail(CheckTextFits("prediction.content", content->size(), model));
  return fields.ok() ? text::PredictionOf(*content, *model.tokenizer) : nullptr;
}

}  // namespace waferline::openai
