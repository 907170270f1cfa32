// Sets of JSON values by what JSON Schema calls equal: 1 and 1.0 are the same, the order of
// properties says nothing. A value; looking up takes time in proportion to the value's size, times
// the logarithm of the set's.
#pragma once

#include <boost/json/value.hpp>
#include <set>
#include <string>
#include <vector>

namespace waferline::grammar {

using Values = std::vector<const boost::json::value*>;

class ValueSet {
 public:
  ValueSet() = default;
  explicit ValueSet(const Values& values);

  // False: an equal one is there.
  bool Add(const boost::json::value& value);
  bool Contains(const boost::json::value& value) const;

 private:
  std::set<std::string> texts_;  // equal values have one text
};

}  // namespace waferline::grammar
