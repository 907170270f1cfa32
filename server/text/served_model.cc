#include "server/text/served_model.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/strings.h"

namespace waferline::text {

ModelCatalog::ModelCatalog(std::vector<std::shared_ptr<const ServedModel>> models)
    : models_(std::move(models)) {
  std::set<std::string_view> names;
  for (const auto& model : models_) WL_CHECK(names.insert(model->name).second);
}

absl::StatusOr<std::shared_ptr<const ServedModel>> ModelCatalog::Find(std::string_view name) const {
  std::string served;
  for (const auto& model : models_) {
    if (model->name == name) return model;
    absl::StrAppend(&served, served.empty() ? "" : ", ", model->name);
  }
  return absl::NotFoundError(
      absl::StrCat("model ", model::Quoted(name),
                   " does not exist; served: ", served.empty() ? "none" : served));
}

}  // namespace waferline::text
