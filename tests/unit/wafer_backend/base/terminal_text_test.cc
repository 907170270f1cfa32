#include "wafer_backend/base/terminal_text.h"

#include <catch2/catch.hpp>

namespace waferline {

TEST_CASE("text is as it was, without what a terminal would act on") {
  CHECK(TerminalText("plain, gr\xc3\xbc\xc3\x9f, \xf0\x9f\x98\x80\ttab\nline") ==
        "plain, gr\xc3\xbc\xc3\x9f, \xf0\x9f\x98\x80\ttab\nline");
  CHECK(TerminalText("\x1b[2J\x07\r\x7f") == "\xEF\xBF\xBD[2J\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(TerminalText("\xc2\x9b"
                     "31m") ==
        "\xEF\xBF\xBD"
        "31m");  // CSI as one character
  CHECK(TerminalText("\xc2\xa0") == "\xc2\xa0");
}

TEST_CASE("bytes that are not UTF-8 are not passed on") {
  const std::string odd = "\xEF\xBF\xBD";
  for (const char* text : {"\xff", "\xc2", "\x9b", "\xc0", "\xf8"})
    CHECK(TerminalText(text) == odd);
  CHECK(TerminalText("a\xeb, b") == "a" + odd + ", b");
  CHECK(TerminalText("\xe2\x82") == odd + odd);
  CHECK(TerminalText("\xed\xa0\x80") == odd + odd + odd);             // a surrogate
  CHECK(TerminalText("\xe0\x80\x9b[2J") == odd + odd + odd + "[2J");  // CSI, too long
  CHECK(TerminalText("\xf4\x8f\xbf\xbf\xef\xbf\xbd\xe2\x82\xac") ==
        "\xf4\x8f\xbf\xbf" + odd + "\xe2\x82\xac");
}

TEST_CASE("a log line is one line, of a bounded length") {
  CHECK(LogLine("a\nwaferd: forged\r\x1b[2K") == "a waferd: forged\xEF\xBF\xBD\xEF\xBF\xBD[2K");
  const std::string cut = LogLine(std::string(5000, 'x'), 40);
  CHECK(cut.size() < 60);
  CHECK(cut.starts_with(std::string(40, 'x')));
}

TEST_CASE("the first byte that is not UTF-8 is named") {
  CHECK(CheckUtf8("").ok());
  CHECK(CheckUtf8("caf\xc3\xa9 \xe2\x82\xac").ok());
  CHECK(CheckUtf8("caf\xc3\xa9 \xe9").message() == "is not UTF-8 text: byte 6 is 0xe9");
  CHECK(CheckUtf8("ab\xe2\x82").message() == "is not UTF-8 text: byte 2 is 0xe2");
}

}  // namespace waferline
