#include "server/text/jinja/value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::jinja {
namespace {

// As Python's repr(float): the shortest digits that read back, fixed between 1e-4 and 1e16.
std::string PrintDouble(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d > 0 ? "inf" : "-inf";
  std::array<char, 64> out;
  const double size = std::fabs(d);
  const bool fixed = d == 0 || (size >= 1e-4 && size < 1e16);
  const auto end = std::to_chars(out.data(), out.data() + out.size(), d,
                                 fixed ? std::chars_format::fixed : std::chars_format::scientific)
                       .ptr;
  std::string text(out.data(), end);
  if (fixed && text.find('.') == std::string::npos) text += ".0";
  return text;
}

Text QuoteText(const Text& text) {
  const std::string& bytes = text.bytes();
  const bool single = bytes.find('\'') == std::string::npos || bytes.find('"') != std::string::npos;
  const char quote = single ? '\'' : '"';
  const char escaped_quote[] = {'\\', quote};
  Text out(std::string(1, quote));
  size_t plain = 0;  // from here on nothing is copied yet
  const auto escape = [&](size_t i, std::string_view with) {
    out.Append(text.Slice(plain, i));
    out.Append(with);
    plain = i + 1;
  };
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (c == '\\') {
      escape(i, "\\\\");
    } else if (c == quote) {
      escape(i, std::string_view(escaped_quote, 2));
    } else if (c == '\n') {
      escape(i, "\\n");
    } else if (c == '\r') {
      escape(i, "\\r");
    } else if (c == '\t') {
      escape(i, "\\t");
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      constexpr char kHex[] = "0123456789abcdef";
      const char escaped[] = {'\\', 'x', kHex[(c >> 4) & 15], kHex[c & 15]};
      escape(i, std::string_view(escaped, 4));
    }
  }
  out.Append(text.Slice(plain, bytes.size()));
  out.Append(std::string_view(&quote, 1));
  return out;
}

Text ReprList(const List& list) {
  Text out(list.tuple ? "(" : "[");
  for (size_t i = 0; i < list.items.size(); ++i) {
    if (i > 0) out.Append(", ");
    out.Append(Repr(list.items[i]));
  }
  out.Append(!list.tuple ? "]" : list.items.size() == 1 ? ",)" : ")");
  return out;
}

Text ReprDict(const Dict& dict) {
  Text out("{");
  for (const auto& [key, value] : dict.items()) {
    if (out.size() > 1) out.Append(", ");
    out.Append(Repr(key));
    out.Append(": ");
    out.Append(Repr(value));
  }
  out.Append("}");
  return out;
}

bool EqualLists(const List& a, const List& b) {
  if (a.items.size() != b.items.size() || a.tuple != b.tuple) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!Equal(a.items[i], b.items[i])) return false;
  }
  return true;
}

bool EqualDicts(const Dict& a, const Dict& b) {
  if (a.items().size() != b.items().size()) return false;
  for (const auto& [key, value] : a.items()) {
    const Value* other = b.Find(key);
    if (other == nullptr || !Equal(value, *other)) return false;
  }
  return true;
}

}  // namespace

std::string Dict::IndexKey(const Value& key) {
  if (const Text* text = key.As<Text>()) return "s" + text->bytes();
  if (key.is_number()) return "n" + PrintDouble(AsDouble(key));
  return "o" + Repr(key).bytes();
}

const Value* Dict::Find(const Value& key) const {
  const auto it = index_.find(IndexKey(key));
  return it == index_.end() ? nullptr : &items_[it->second].second;
}

const Value* Dict::Find(std::string_view key) const {
  const auto it = index_.find("s" + std::string(key));
  return it == index_.end() ? nullptr : &items_[it->second].second;
}

void Extent::Hold(const Extent& inner) {
  if (__builtin_add_overflow(bytes, inner.bytes, &bytes)) {
    bytes = std::numeric_limits<int64_t>::max();
  }
  depth = std::max(depth, inner.depth + 1);
}

Value::Value(List list) {
  list.extent = {.bytes = 1, .depth = 1};
  for (const Value& item : list.items) list.extent.Hold(item.extent());
  v_ = std::make_shared<const List>(std::move(list));
}

Extent Value::extent() const {
  if (const Text* text = As<Text>()) return {.bytes = 1 + static_cast<int64_t>(text->size())};
  if (const List* list = As<List>()) return list->extent;
  if (const Dict* dict = As<Dict>()) return dict->extent();
  return {};
}

void Dict::Set(Value key, Value value) {
  extent_.Hold(key.extent());
  extent_.Hold(value.extent());
  const auto [it, fresh] = index_.emplace(IndexKey(key), items_.size());
  if (fresh) {
    items_.emplace_back(std::move(key), std::move(value));
  } else {
    items_[it->second].second = std::move(value);
  }
}

const Value* CallArguments::Find(size_t place, std::string_view name) const {
  if (place < positional.size()) return &positional[place];
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

bool Value::is_number() const {
  return std::holds_alternative<bool>(v_) || std::holds_alternative<int64_t>(v_) ||
         std::holds_alternative<double>(v_);
}

std::string_view TypeName(const Value& value) {
  constexpr std::array<std::string_view, 11> kNames = {"undefined", "NoneType", "bool",    "int",
                                                       "float",     "str",      "list",    "dict",
                                                       "namespace", "loop",     "callable"};
  return kNames[value.variant().index()];
}

bool Truth(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (value.is_number()) return AsDouble(value) != 0;
  if (const Text* text = value.As<Text>()) return !text->empty();
  if (const List* list = value.As<List>()) return !list->items.empty();
  if (const Dict* dict = value.As<Dict>()) return !dict->items().empty();
  return true;
}

bool Equal(const Value& a, const Value& b) {
  const auto *ia = a.As<int64_t>(), *ib = b.As<int64_t>();
  if (ia != nullptr && ib != nullptr) return *ia == *ib;
  if (a.is_number() && b.is_number()) return AsDouble(a) == AsDouble(b);
  if (a.variant().index() != b.variant().index()) return false;
  if (const Text* text = a.As<Text>()) return text->bytes() == b.As<Text>()->bytes();
  if (const List* list = a.As<List>()) return EqualLists(*list, *b.As<List>());
  if (const Dict* dict = a.As<Dict>()) return EqualDicts(*dict, *b.As<Dict>());
  if (const Namespace* fields = a.As<Namespace>()) return fields == b.As<Namespace>();
  if (const Callable* callable = a.As<Callable>()) return callable == b.As<Callable>();
  return a.is_none() || a.is_undefined();
}

absl::StatusOr<bool> Less(const Value& a, const Value& b) {
  const auto *ia = a.As<int64_t>(), *ib = b.As<int64_t>();
  if (ia != nullptr && ib != nullptr) return *ia < *ib;
  if (a.is_number() && b.is_number()) return AsDouble(a) < AsDouble(b);
  const Text *ta = a.As<Text>(), *tb = b.As<Text>();
  if (ta != nullptr && tb != nullptr) return ta->bytes() < tb->bytes();
  const List *la = a.As<List>(), *lb = b.As<List>();
  if (la != nullptr && lb != nullptr) {
    for (size_t i = 0; i < la->items.size() && i < lb->items.size(); ++i) {
      if (!Equal(la->items[i], lb->items[i])) return Less(la->items[i], lb->items[i]);
    }
    return la->items.size() < lb->items.size();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("cannot compare ", Absl(TypeName(a)), " with ", Absl(TypeName(b))));
}

Text Repr(const Value& value) {
  if (value.is_undefined()) return Text("Undefined");
  const Text* text = value.As<Text>();
  return text != nullptr ? QuoteText(*text) : Print(value);
}

Text Print(const Value& value) {
  if (value.is_undefined()) return Text();
  if (value.is_none()) return Text("None");
  if (const bool* b = value.As<bool>()) return Text(*b ? "True" : "False");
  if (const int64_t* i = value.As<int64_t>()) return Text(std::to_string(*i));
  if (const double* d = value.As<double>()) return Text(PrintDouble(*d));
  if (const Text* text = value.As<Text>()) return *text;
  if (const List* list = value.As<List>()) return ReprList(*list);
  if (const Dict* dict = value.As<Dict>()) return ReprDict(*dict);
  return Text("<" + std::string(TypeName(value)) + ">");
}

double AsDouble(const Value& value) {
  if (const bool* b = value.As<bool>()) return *b ? 1 : 0;
  if (const int64_t* i = value.As<int64_t>()) return static_cast<double>(*i);
  const double* d = value.As<double>();
  return d != nullptr ? *d : 0;
}

absl::StatusOr<int64_t> AsInteger(const Value& value, std::string_view what) {
  if (const int64_t* i = value.As<int64_t>()) return *i;
  if (const bool* b = value.As<bool>()) return *b ? 1 : 0;
  return absl::InvalidArgumentError(
      absl::StrCat(Absl(what), " is ", Absl(TypeName(value)), ", must be an integer"));
}

}  // namespace waferline::jinja
