// waferctl model tokenize: how a model file's tokenizer cuts a text, or each of many texts.
#include <boost/json.hpp>
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/output.h"
#include "client/cli/model/compute_flags.h"
#include "client/cli/model/model_commands.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/tokenizer.h"
#include "wafer_backend/compute/model/utf8.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using model::Tokenizer;
using model::Utf8Text;

void PrintTokens(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  for (TokenId id : ids) Print("{:>8}  {}\n", id, Utf8Text(tokenizer.RawPiece(id)));
}

void PrintJson(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  json::array pieces, bytes;
  for (TokenId id : ids) {
    pieces.push_back(json::value(Utf8Text(tokenizer.RawPiece(id))));
    json::array each;
    for (char c : tokenizer.Piece(id)) each.push_back(static_cast<uint8_t>(c));
    bytes.push_back(std::move(each));
  }
  PrintText(JsonText(json::object{{"count", ids.size()},
                                  {"tokens", json::value_from(ids)},
                                  {"pieces", std::move(pieces)},
                                  {"bytes", std::move(bytes)}}) +
            "\n");
}

absl::Status TokenizeLines(const Tokenizer& tokenizer, model::EncodeOptions options) {
  std::string line;
  for (int64_t number = 1; std::getline(std::cin, line); ++number) {
    boost::system::error_code error;
    const json::value text = json::parse(line, error);
    if (error || !text.is_string()) {
      return absl::InvalidArgumentError(
          absl::StrCat("stdin, line ", number, ": expected a JSON string"));
    }
    const std::vector<TokenId> ids = tokenizer.Encode(std::string_view(text.get_string()), options);
    PrintText(JsonText(json::value_from(ids)) + "\n");
  }
  return absl::OkStatus();
}

absl::Status Tokenize(const Arguments& arguments) {
  const bool lines = arguments.On("lines");
  if (arguments.Has("text") == lines) {
    return UsageError("needs either --text or --lines");
  }
  WL_ASSIGN_OR_RETURN(const auto file, model::GgufFile::Open(arguments.operand(0)));
  WL_ASSIGN_OR_RETURN(const auto tokenizer, model::TokenizerFromGguf(*file));
  const model::EncodeOptions options{.add_special = !arguments.On("no-special"),
                                     .parse_special = arguments.On("parse-special")};
  if (lines) return TokenizeLines(*tokenizer, options);
  const std::vector<TokenId> ids = tokenizer->Encode(arguments.Text("text"), options);
  arguments.json() ? PrintJson(*tokenizer, ids) : PrintTokens(*tokenizer, ids);
  return absl::OkStatus();
}

}  // namespace

Command TokenizeCommand() {
  return {.words = "model tokenize",
          .summary = "Show how a model file's tokenizer cuts a text",
          .operands = {ModelFileOperand()},
          .flags = {TextFlag("text", "TEXT", "the text"),
                    Switch("lines",
                           "instead: read texts from stdin, a JSON string a line, and print the "
                           "ids of each as a JSON array"),
                    Switch("no-special", "leave out the model's begin and end tokens"),
                    Switch("parse-special",
                           "read names of control tokens in the text as these tokens")},
          .examples = {"waferctl model tokenize deploy/models/demo.gguf --text \"Hello there\""},
          .run = Tokenize};
}

}  // namespace waferline::cli
