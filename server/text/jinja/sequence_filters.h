// Filters that take a list, a mapping, or anything else with items, as filters.cc names them: each
// gives InvalidArgument for another value or a wrong argument. Those with an Interpreter charge it.
#pragma once

#include "absl/status/statusor.h"
#include "server/text/jinja/interpreter.h"
#include "server/text/jinja/value.h"

namespace waferline::jinja {

absl::StatusOr<Value> Map(Interpreter& interpreter, const Value& input,
                          const CallArguments& arguments);
// select, reject, selectattr, rejectattr: items that pass a test, or do not; the test is of the
// item or of an attribute.
struct Selection {
  bool keeps = true;
  bool of_attribute = false;
};
absl::StatusOr<Value> Select(Interpreter& interpreter, const Value& input,
                             const CallArguments& arguments, Selection selection);
absl::StatusOr<Value> Sort(Interpreter& interpreter, const Value& input,
                           const CallArguments& arguments);
absl::StatusOr<Value> DictSort(Interpreter& interpreter, const Value& input,
                               const CallArguments& arguments);
absl::StatusOr<Value> Unique(Interpreter& interpreter, const Value& input,
                             const CallArguments& arguments);
absl::StatusOr<Value> Sum(Interpreter& interpreter, const Value& input,
                          const CallArguments& arguments);
absl::StatusOr<Value> Join(Interpreter& interpreter, const Value& input,
                           const CallArguments& arguments);
// The largest or smallest item; undefined if there is none.
absl::StatusOr<Value> Extreme(const Value& input, bool largest);
// The first or last item; undefined if there is none.
absl::StatusOr<Value> Edge(const Value& input, bool first);
// Of a text too.
absl::StatusOr<Value> Reverse(const Value& input);
// The pairs of a mapping.
absl::StatusOr<Value> Items(const Value& input);
absl::StatusOr<Value> AsList(const Value& value);

}  // namespace waferline::jinja
