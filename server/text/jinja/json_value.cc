#include "server/text/jinja/json_value.h"

#include <string>
#include <utility>

namespace waferline::jinja {

Value FromJson(const boost::json::value& json, Text::Origin origin) {
  switch (json.kind()) {
    case boost::json::kind::null:
      return Value();
    case boost::json::kind::bool_:
      return Value(json.get_bool());
    case boost::json::kind::int64:
      return Value(int64_t{json.get_int64()});
    case boost::json::kind::uint64:
      return Value(static_cast<double>(json.get_uint64()));
    case boost::json::kind::double_:
      return Value(json.get_double());
    case boost::json::kind::string:
      return Value(Text(std::string(json.get_string()), origin));
    case boost::json::kind::array: {
      List list;
      for (const auto& item : json.get_array()) list.items.push_back(FromJson(item, origin));
      return Value(std::move(list));
    }
    case boost::json::kind::object:
      break;
  }
  Dict dict;
  for (const auto& [key, value] : json.get_object()) {
    dict.Set(Value(Text(std::string(key), origin)), FromJson(value, origin));
  }
  return Value(std::move(dict));
}

}  // namespace waferline::jinja
