#include "wafer_backend/base/name_table.h"

#include <catch2/catch.hpp>
#include <string>

namespace waferline {
namespace {

constexpr NamedValue<int> kTable[] = {{"unit_slow", 1}, {"off_wafer_link", 2}, {"row", 3}};

TEST_CASE("names are found with '_' or '-', and never by a part") {
  CHECK(ValueNamed(kTable, "unit_slow") == 1);
  CHECK(ValueNamed(kTable, "unit-slow") == 1);
  CHECK(ValueNamed(kTable, "off-wafer_link") == 2);
  CHECK_FALSE(ValueNamed(kTable, "unit").has_value());
  CHECK_FALSE(ValueNamed(kTable, "").has_value());
  CHECK(NameIn(kTable, 3) == "row");
  CHECK(NameIn(kTable, 4).empty());
}

TEST_CASE("a misspelled name has a suggestion, an unrelated one has none") {
  const auto names = NamesOf(kTable);
  CHECK(NearestName("unit_slwo", names) == "unit_slow");
  CHECK(NearestName("unit-slow", names) == "unit_slow");
  CHECK(NearestName("link", names) == "off_wafer_link");
  CHECK(NearestName("unit", names) == "unit_slow");  // its beginning
  CHECK(NearestName("meteor", names).empty());
  CHECK(DidYouMean("rows", names, "--") == "; did you mean '--row'?");
  CHECK(DidYouMean("meteor", names).empty());
  CHECK(NearestName("", names).empty());
  CHECK(NearestName(std::string(1000, 'r'), names).empty());
  CHECK(NotOneOf("rows", names) ==
        "is \"rows\", must be one of: unit_slow, off_wafer_link, row; did you mean 'row'?");
  CHECK(NotOneOf("", names) == "is missing, must be one of: unit_slow, off_wafer_link, row");
}

}  // namespace
}  // namespace waferline
