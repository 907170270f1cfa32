// Reads a contract; deploy/contracts/openai-750mw.yaml shows every field. Pure functions, any
// thread.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/contracts/contract.h"

namespace waferline {
class YamlForm;
}

namespace waferline::contracts {

// InvalidArgument: all faults of the file, each with its line and field: an option that ends before
// it can be exercised, parts of a warrant that do not sum to it, a price given twice or not at all,
// unknown fields.
absl::StatusOr<Contract> ParseContract(const std::string& name, std::string_view text);
// A name of deploy/contracts, or a path.
absl::StatusOr<Contract> LoadContract(const std::string& name_or_path);

// For ParseContract (loan_reader.cc).
Loan ReadLoan(YamlForm form);
Warrant ReadWarrant(YamlForm form);
Month ReadMonth(YamlForm& form, const std::string& field);

// {availability: 0.99, cap_share: 0.15}; what is left out is 1.
Service ReadService(YamlForm form);

}  // namespace waferline::contracts
