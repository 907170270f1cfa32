#include "server/store/many_rows.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline::store {

ManyRows::ManyRows(const std::string& head, size_t columns, const std::string& tail) {
  for (const size_t rows : kSizes) {
    std::string text = head + " VALUES";
    for (size_t value = 0; value < rows * columns; ++value) {
      absl::StrAppend(&text,
                      value % columns > 0 ? ", "
                      : value == 0        ? "("
                                          : "), (",
                      "$", value + 1);
    }
    texts_.push_back(absl::StrCat(text, ")", tail));
  }
}

void ManyRows::AddTo(std::vector<Statement>* statements, std::vector<Row> rows) const {
  size_t next = 0;
  for (size_t size = texts_.size(); size-- > 0;) {
    const size_t count = kSizes[size];
    while (rows.size() - next >= count) {
      Statement& statement = statements->emplace_back(Statement{.sql = &texts_[size]});
      statement.values.reserve(count * rows[next].size());
      for (const size_t end = next + count; next < end; ++next) {
        statement.values.insert(statement.values.end(), std::make_move_iterator(rows[next].begin()),
                                std::make_move_iterator(rows[next].end()));
      }
    }
  }
}

absl::StatusOr<std::vector<Row>> ManyRows::Run(Connection& connection,
                                               std::vector<Row> rows) const {
  std::vector<Statement> statements;
  AddTo(&statements, std::move(rows));
  WL_ASSIGN_OR_RETURN(std::vector<Result> results, connection.RunAll(statements));
  std::vector<Row> answers;
  for (Result& result : results) {
    answers.insert(answers.end(), std::make_move_iterator(result.rows.begin()),
                   std::make_move_iterator(result.rows.end()));
  }
  return answers;
}

}  // namespace waferline::store
