// tojson: as Python's json.dumps(value, ensure_ascii=False), which chat templates are trained on.
#include "absl/strings/str_cat.h"
#include "server/text/jinja/builtins.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::jinja {
namespace {

constexpr int kMaxDepth = 200;

Text Quote(const Text& text) {
  const std::string& bytes = text.bytes();
  Text out("\"");
  size_t plain = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto c = static_cast<unsigned char>(bytes[i]);
    std::string escape;
    if (c == '"' || c == '\\') {
      escape = {'\\', bytes[i]};
    } else if (c == '\n') {
      escape = "\\n";
    } else if (c == '\r') {
      escape = "\\r";
    } else if (c == '\t') {
      escape = "\\t";
    } else if (c == '\b') {
      escape = "\\b";
    } else if (c == '\f') {
      escape = "\\f";
    } else if (c < 0x20) {
      constexpr char kHex[] = "0123456789abcdef";
      escape = std::string("\\u00") + kHex[c >> 4] + kHex[c & 15];
    } else {
      continue;
    }
    out.Append(text.Slice(plain, i));
    out.Append(escape);
    plain = i + 1;
  }
  out.Append(text.Slice(plain, bytes.size()));
  out.Append("\"");
  return out;
}

class Writer {
 public:
  explicit Writer(int64_t indent) : indent_(indent) {}

  absl::Status Write(const Value& value, int depth) {
    if (depth > kMaxDepth) return absl::InvalidArgumentError("the value is nested too deeply");
    if (const Text* text = value.As<Text>()) {
      out_.Append(Quote(*text));
    } else if (const List* list = value.As<List>()) {
      return WriteList(*list, depth);
    } else if (const Dict* dict = value.As<Dict>()) {
      return WriteDict(*dict, depth);
    } else if (value.is_none()) {
      out_.Append("null");
    } else if (const bool* b = value.As<bool>()) {
      out_.Append(*b ? "true" : "false");
    } else if (value.is_number()) {
      out_.Append(Print(value));
    } else {
      return absl::InvalidArgumentError(absl::StrCat(Absl(TypeName(value)), " has no JSON form"));
    }
    return absl::OkStatus();
  }

  Text Take() { return std::move(out_); }

 private:
  void NewLine(int depth) {
    if (indent_ < 0) return;
    out_.Append("\n" + std::string(static_cast<size_t>(indent_ * depth), ' '));
  }
  void Comma(bool first, int depth) {
    if (!first) out_.Append(indent_ < 0 ? ", " : ",");
    NewLine(depth);
  }

  absl::Status WriteList(const List& list, int depth) {
    out_.Append("[");
    for (size_t i = 0; i < list.items.size(); ++i) {
      Comma(i == 0, depth + 1);
      WL_RETURN_IF_ERROR(Write(list.items[i], depth + 1));
    }
    if (!list.items.empty()) NewLine(depth);
    out_.Append("]");
    return absl::OkStatus();
  }

  absl::Status WriteDict(const Dict& dict, int depth) {
    out_.Append("{");
    bool first = true;
    for (const auto& [key, value] : dict.items()) {
      Comma(first, depth + 1);
      first = false;
      out_.Append(Quote(Print(key)));
      out_.Append(": ");
      WL_RETURN_IF_ERROR(Write(value, depth + 1));
    }
    if (!first) NewLine(depth);
    out_.Append("}");
    return absl::OkStatus();
  }

  const int64_t indent_;
  Text out_;
};

}  // namespace

absl::StatusOr<Text> ToJson(const Value& value, int64_t indent) {
  Writer writer(indent);
  WL_RETURN_IF_ERROR(writer.Write(value, 0));
  return writer.Take();
}

}  // namespace waferline::jinja
