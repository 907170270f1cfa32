#include "wafer_backend/base/yaml_form.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace waferline {
namespace {

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST_CASE("a refused number differs from its bound as written, whatever their digits") {
  YamlFile file("f.yaml", "a: 4294967296\nb: 0.99999999\nc: x\n");
  YamlForm form = file.root();
  form.Integer("a", 0, 4294967295);
  form.Plain("b", {1, 2});
  form.Plain("c", {0, 1234567890});
  CHECK(Message(file.status()) ==
        "f.yaml:1: a: is 4294967296, must lie in [0, 4294967295]\n"
        "f.yaml:2: b: is 0.99999999, must lie in [1, 2]\n"
        "f.yaml:3: c: is \"x\", must be a finite number in [0, 1234567890]");
}

TEST_CASE("every field is known, in range and read once; all faults come at once, by line") {
  YamlFile file("f.yaml", "a: 1\nb: x\nlist:\n  - {c: 7}\nunknown: 2\n");
  YamlForm form = file.root();
  CHECK(form.Integer("a", 0, 5) == 1);
  form.Integer("b", 0, 5);
  for (YamlForm& entry : form.List("list")) {
    entry.Integer("c", 0, 5);
    entry.RefuseOthers();
  }
  form.Text("gone");
  form.RefuseOthers();
  CHECK(Message(file.status()) ==
        "f.yaml:1: gone: is missing\n"
        "f.yaml:2: b: is \"x\", must be a finite number in [0, 5]\n"
        "f.yaml:4: list[0].c: is 7, must lie in [0, 5]\n"
        "f.yaml:5: unknown: is not known here; known: a, b, gone, list");
}

TEST_CASE("each number of a list is held to the bounds") {
  YamlFile file("f.yaml", "good: [1, 0, 5]\nbad: [1, 6,\n  2.5, x, [1]]\nnone: 3\n");
  YamlForm form = file.root();
  CHECK(form.Integers("good", 0, 5) == std::vector<int64_t>{1, 0, 5});
  form.Integers("bad", 0, 5);
  CHECK(form.Integers("none", 0, 5).empty());
  CHECK(form.Integers("gone", 0, 5).empty());
  form.RefuseOthers();
  CHECK(Message(file.status()) ==
        "f.yaml:1: gone: is missing\n"
        "f.yaml:2: bad[1]: is 6, must lie in [0, 5]\n"
        "f.yaml:3: bad[2]: must be a whole number\n"
        "f.yaml:3: bad[3]: is \"x\", must be a finite number in [0, 5]\n"
        "f.yaml:3: bad[4]: must be a finite number in [0, 5]\n"
        "f.yaml:4: none: must be a list");
}

TEST_CASE("a file holds one document") {
  CHECK(YamlFile("f.yaml", "---\na: 1\n").status().ok());
  CHECK(YamlFile("f.yaml", "a: 1\n...\n").status().ok());
  CHECK(Message(YamlFile("f.yaml", "a: 1\n---\nb: 2\n").status()) ==
        "f.yaml:2: a second document begins here; a file holds one");
  CHECK(!YamlFile("f.yaml", "a: 1\n---\n").status().ok());
  // yaml-cpp makes documents without end of this one.
  CHECK_FALSE(YamlFile("f.yaml", ",\002 ").status().ok());
}

TEST_CASE("a file without values says so") {
  CHECK(Message(YamlFile("f.yaml", "- a\n").status()) == "f.yaml:1: must be a mapping");
  CHECK(Message(YamlFile("f.yaml", "").status()) == "f.yaml:1: is empty, must be a mapping");
  CHECK(Message(YamlFile("f.yaml", "# a: 1\n").status()) ==
        "f.yaml:1: holds no values, must be a mapping");
}

TEST_CASE("what is not YAML, or too large, says so") {
  CHECK(Message(YamlFile("f.yaml", "a: [1\n").status()).find("not YAML") != std::string::npos);
  CHECK(Message(YamlFile("f.yaml", std::string((1 << 20) + 1, '#')).status()).find("larger than") !=
        std::string::npos);
}

}  // namespace
}  // namespace waferline
