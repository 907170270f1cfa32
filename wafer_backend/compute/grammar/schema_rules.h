// JSON Schema to rules: what may be written is JSON that the schema allows, in one form. Objects
// have their declared properties in the order of the schema, then others; where
// additionalProperties is not said and some are declared, no others. White space: at most one space
// after ':' and ',', so that no model writes spaces without end. Numbers and strings as numbers.h
// and text_rules.h say.
//
// Owner: one compilation; thread: its own. Bounds: the builder's. Errors name a keyword and its
// JSON pointer.
#pragma once

#include <algorithm>
#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/grammar/rules.h"
#include "wafer_backend/compute/grammar/schema_facts.h"
#include "wafer_backend/compute/grammar/text_rules.h"

namespace waferline::grammar {

// How an object's properties are written where it is not JSON (ToolCallForm): control tokens are
// marked. A bare value has no part `not_in_bare`.
struct ArgumentTags {
  std::string key_begin, key_end, value_end, separator;
  std::string not_in_bare;
  std::vector<std::string> bare;  // properties whose values are texts as they are
  bool python = false;
};

// What true, false and null are called.
enum class Literals : uint8_t { kJson, kPython };

class SchemaRules {
 public:
  // All must outlive this.
  SchemaRules(RuleBuilder* builder, TextRules* strings, const boost::json::value& document)
      : builder_(builder), strings_(strings), document_(document) {}

  // The rule for the document itself, with all it needs.
  absl::StatusOr<RuleId> Whole();
  // The same for a document that is of objects, with the properties it declares and no others.
  absl::StatusOr<RuleId> WholeTagged(const ArgumentTags& tags);

 private:
  absl::Status WriteRest();
  absl::Status WriteTagged(const SchemaFacts& facts, const ArgumentTags& tags, const Rule& rule);
  absl::Status WriteBare(const std::vector<SchemaNode>& nodes, const ArgumentTags& tags,
                         StateId from, StateId to);
  // A value that satisfies all of `nodes`. Its rule is written later, if it is new.
  RuleId RuleFor(std::vector<SchemaNode> nodes);
  absl::Status Write(RuleId rule, const std::vector<SchemaNode>& nodes);
  absl::Status WriteValue(const SchemaFacts& facts, StateId from, StateId to);
  absl::Status WriteValues(const SchemaFacts& facts, StateId from, StateId to);
  absl::Status CheckExcluded(const SchemaFacts& facts) const;
  // InvalidArgument at `keyword`, whose rules were written last, if they were too many.
  absl::Status CheckRoom(const SchemaFacts& facts, std::string_view keyword) const;
  absl::Status WriteNumber(const SchemaFacts& facts, StateId from, StateId to);
  absl::Status WriteString(const SchemaFacts& facts, StateId from, StateId to);
  absl::Status WriteArray(const SchemaFacts& facts, StateId from, StateId to);
  absl::Status WriteDistinct(const SchemaFacts& facts, StateId from, StateId to);
  absl::Status WriteObject(const SchemaFacts& facts, StateId from, StateId to);

  struct Member {
    std::string name;
    RuleId value;
    bool required;
  };
  struct Others {
    CharAutomaton names;
    RuleId value;
  };
  struct Members {
    std::vector<Member> declared;
    std::vector<Others> others;
  };
  absl::StatusOr<Members> MembersOf(const SchemaFacts& facts);
  absl::StatusOr<std::vector<Others>> OthersOf(const SchemaFacts& facts,
                                               const CharAutomaton& names);
  void WriteMembers(const SchemaFacts& facts, const Members& members, StateId from, StateId to);
  // How many members there were so far, 0 to top; if not bounded, top is "that many or more".
  struct MemberCount {
    size_t least = 0, top = 0;
    bool bounded = false;
    size_t After(size_t count) const { return std::min(count + 1, top); }
  };
  std::vector<StateId> MemberRow(const MemberCount& count);
  void NextMember(StateId from, size_t count, StateId name);
  // From a state for each number of members to such states behind the member.
  std::vector<StateId> WriteMember(const Member& member, const MemberCount& count,
                                   const std::vector<StateId>& at);
  void WriteOthers(const std::vector<Others>& kinds, const MemberCount& count,
                   const std::vector<StateId>& at, StateId end);
  RuleId OthersRule(const std::vector<Others>& others);

  // ',' and at most one space.
  void Comma(StateId from, StateId to);
  void Quoted(const CharAutomaton& texts, StateId from, StateId to);

  RuleBuilder* const builder_;
  TextRules* const strings_;
  const boost::json::value& document_;
  Literals literals_ = Literals::kJson;
  std::map<std::vector<SchemaNode>, RuleId> rules_;
  std::vector<std::pair<RuleId, std::vector<SchemaNode>>> to_write_;
  std::map<std::string, RuleId> plain_;  // of strings and numbers without restrictions
};

// A value as JSON in the form that the rules write: UTF-8, no white space, the shortest numbers.
std::string JsonText(const boost::json::value& value, Literals literals = Literals::kJson);

}  // namespace waferline::grammar
