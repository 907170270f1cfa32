// One INSERT for many rows. Its texts are made once, for kSizes rows, so a
// connection prepares few statements and a group of rows takes few of them. A value; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/connection.h"

namespace waferline::store {

class ManyRows {
 public:
  static constexpr size_t kSizes[] = {1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 24, 32, 48, 64};

  // "INSERT INTO t(a, b)", 2, " ON CONFLICT DO NOTHING".
  ManyRows(const std::string& head, size_t columns, const std::string& tail);

  // The statements that insert `rows`; this outlives them.
  void AddTo(std::vector<Statement>* statements, std::vector<Row> rows) const;
  // What the statements return, together. No two rows may have the same key if the tail updates.
  absl::StatusOr<std::vector<Row>> Run(Connection& connection, std::vector<Row> rows) const;

 private:
  std::vector<std::string> texts_;  // for kSizes[index] rows
};

}  // namespace waferline::store
