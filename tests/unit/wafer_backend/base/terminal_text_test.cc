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
  CHECK(TerminalText("\xc2") == "\xc2");
}

TEST_CASE("a log line is one line, of a bounded length") {
  CHECK(LogLine("a\nwaferd: forged\r\x1b[2K") == "a waferd: forged\xEF\xBF\xBD\xEF\xBF\xBD[2K");
  const std::string cut = LogLine(std::string(5000, 'x'), 40);
  CHECK(cut.size() < 60);
  CHECK(cut.starts_with(std::string(40, 'x')));
}

}  // namespace waferline
