// Reads one schema object's keywords, by a table of them. Inner part of schema_keywords.h.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/compute/grammar/schema_facts.h"
#include "wafer_backend/compute/grammar/value_set.h"

namespace waferline::grammar {

namespace json = boost::json;

class KeywordReader {
 public:
  KeywordReader(const SchemaNode& node, SchemaFacts* facts)
      : node_(node), object_(node.schema->get_object()), facts_(*facts) {}

  absl::Status Read();

 private:
  using Reader = absl::Status (KeywordReader::*)(std::string_view, const json::value&);
  struct Keyword {
    std::string_view name;
    Reader read;
  };
  static const Keyword kKeywords[];

  absl::Status Error(std::string_view keyword, std::string_view message) const {
    return SchemaError(node_.pointer, keyword, message);
  }
  SchemaNode Below(std::string_view keyword, const json::value& schema) const {
    return {&schema, PointerTo(node_.pointer, keyword)};
  }
  // Values of a kind that every such keyword has.
  absl::StatusOr<size_t> Count(std::string_view keyword, const json::value& value) const;
  absl::StatusOr<std::vector<SchemaNode>> List(std::string_view keyword,
                                               const json::value& value) const;
  absl::StatusOr<std::vector<std::pair<std::string, SchemaNode>>> Map(
      std::string_view keyword, const json::value& value) const;
  absl::Status CheckSchema(std::string_view keyword, const SchemaNode& node) const;

  absl::Status ReadElsewhere(std::string_view, const json::value&) { return absl::OkStatus(); }
  absl::Status ReadType(std::string_view keyword, const json::value& value);
  absl::Status ReadEnum(std::string_view keyword, const json::value& value);
  absl::Status ReadConst(std::string_view keyword, const json::value& value);
  absl::Status ReadBound(std::string_view keyword, const json::value& value);
  absl::Status ReadMultiple(std::string_view keyword, const json::value& value);
  absl::Status ReadLength(std::string_view keyword, const json::value& value);
  absl::Status ReadPattern(std::string_view keyword, const json::value& value);
  absl::Status ReadFormat(std::string_view keyword, const json::value& value);
  absl::Status ReadNames(std::string_view keyword, const json::value& value);
  absl::Status ReadRequired(std::string_view keyword, const json::value& value);
  absl::Status ReadUnique(std::string_view keyword, const json::value& value);
  absl::Status ReadContains(std::string_view keyword, const json::value& value);
  absl::Status ReadUnevaluated(std::string_view keyword, const json::value& value);
  absl::Status ReadArray();
  absl::Status ReadObject();
  void Limit(NumberBound bound, bool is_min);
  absl::Status Keep(Values values, std::string_view keyword);

  const SchemaNode& node_;
  const json::object& object_;
  SchemaFacts& facts_;
};

}  // namespace waferline::grammar
