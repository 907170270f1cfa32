#include "wafer_backend/hardware/silicon/hardware_file.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/temporary_folder.h"
#include "wafer_backend/base/strings.h"

namespace waferline::silicon {
namespace {

std::string FileText(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string H100() { return FileText(WAFERLINE_SOURCE_DIR "/deploy/hardware/h100.yaml"); }

std::string Replaced(std::string text, const std::string& what, const std::string& by) {
  const size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), by);
}

std::string ErrorOf(const std::string& yaml) {
  const auto hardware = ParseHardware("x.yaml", yaml);
  REQUIRE_FALSE(hardware.ok());
  REQUIRE(hardware.status().code() == absl::StatusCode::kInvalidArgument);
  return std::string(Std(hardware.status().message()));
}

TEST_CASE("every hardware file of deploy is built in and reads without a fault") {
  size_t files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(WAFERLINE_SOURCE_DIR "/deploy/hardware")) {
    const auto built_in = LoadHardware(entry.path().stem());
    INFO(entry.path() << ": " << built_in.status());
    REQUIRE(built_in.ok());
    CHECK(built_in->name == entry.path().stem());
    CHECK(ParseHardware("x", FileText(entry.path())).ok());
    ++files;
  }
  CHECK(files == BuiltInHardware().size());
  CHECK(files >= 9);
}

TEST_CASE("the facts of a wafer agree with each other") {
  for (const char* name : {"wse-2", "wse-3", "wse-3-2x"}) {
    const auto hardware = LoadHardware(name);
    REQUIRE(hardware.ok());
    const WaferSpec* w = hardware->wafer();
    REQUIRE(w != nullptr);
    CHECK(hardware->accelerator() == nullptr);
    // The cores cover the wafer, and hold what the wafer holds.
    CHECK(w->cores_physical.value * w->core_area_mm2.value ==
          Approx(w->side_mm.value * w->side_mm.value).epsilon(0.01));
    CHECK(w->cores_working.value * w->sram_per_core_bytes.value ==
          Approx(w->sram_per_wafer_bytes.value).epsilon(0.05));
    CHECK(w->grid_columns.value * w->grid_rows.value <= w->cores_working.value);
    CHECK(w->clock_hz.source != "");
  }
}

TEST_CASE("all faults of a file are reported at once, each with line and field") {
  std::string yaml = H100();
  yaml = Replaced(yaml, "9.89e14", "-1");
  yaml = Replaced(yaml, "memory_bytes:", "memory_byte:");
  yaml = Replaced(yaml, "mark: P, source: \"400 Gb/s network port a device\"", "mark: Q");
  const std::string error = ErrorOf(yaml);
  INFO(error);
  CHECK(error.find("x.yaml:8: peak_fp16_flops.value: is -1") != std::string::npos);
  CHECK(error.find("memory_byte: is not known here") != std::string::npos);
  CHECK(error.find("memory_bytes: is missing") != std::string::npos);
  CHECK(error.find("network_bytes_per_second.mark: must be P") != std::string::npos);
  CHECK(error.find("network_bytes_per_second.source: is missing") != std::string::npos);
}

TEST_CASE("numbers that are none are refused") {
  for (const char* bad : {"abc", ".nan", ".inf", "1e999", "12x", "0", "-0.0", "[1]", "~", "\"\""}) {
    INFO(bad);
    const std::string error =
        ErrorOf(Replaced(H100(), "value: 700,", std::string("value: ") + bad + ","));
    CHECK(error.find("power_watts.value") != std::string::npos);
  }
  CHECK(ErrorOf(Replaced(H100(), "value: 0.52", "value: 0.9")).find("outside its own range") !=
        std::string::npos);
}

TEST_CASE("published figures have one measure, a mark and a source") {
  const auto refused = [](const char* what, const char* by, const char* says) {
    const std::string error = ErrorOf(Replaced(H100(), what, by));
    INFO(by << ": " << error);
    CHECK(error.find(says) != std::string::npos);
  };
  refused("tokens_per_second: 28312}", "token_ms: 3}", "users: must be at least 1 with");
  refused("tokens_per_second: 28312}", "tokens_per_second: 2, token_ms: 3}", "needs one of");
  refused("tokens_per_second: 28312}", "tokens_per_hour: 2}", "tokens_per_hour: is not known here");
  refused("within: 0.2", "within: 0", "within: is 0");
  refused("mark: P\n", "mark: D\n", "mark: must be P or S");
  refused("devices: 1", "devices: 0", "devices: is 0");
  refused("fitted: true\n", "fitted: true\n    over: {hardware: a100, weights: fp16, devices: 1}\n",
          "fitted: must be false where `over` is given");
  refused("devices: 1", "over: {hardware: a100, weights: fp16, devices: 0}", "over.devices: is 0");
  refused("allreduce_seconds:", "allreduce:", "allreduce_seconds: is missing");
  const auto h100 = LoadHardware("h100");
  const PublishedFigures& first = h100->accelerator()->checks.at(0);
  CHECK(first.model == "llama-3.1-8b");
  CHECK(first.fitted);
  CHECK(first.figures.at(1).value == 22714);
  CHECK(!LoadHardware("h100")->accelerator()->checks.back().fitted);
}

TEST_CASE("what can only be counted is whole, and one wrong number is one error") {
  std::ifstream file(std::string(WAFERLINE_SOURCE_DIR) + "/deploy/hardware/wse-3.yaml");
  const std::string wse3{std::istreambuf_iterator<char>(file), {}};
  CHECK(ErrorOf(Replaced(wse3, "die_columns: {value: 12,", "die_columns: {value: 12.5,"))
            .find("die_columns: is 12.5, must be a whole number") != std::string::npos);
  const std::string still =
      ErrorOf(Replaced(wse3, "clock_hz: {value: 1.1e9", "clock_hz: {value: 0"));
  CHECK(still.find("clock_hz.value: is 0") != std::string::npos);
  CHECK(still.find("own range") == std::string::npos);
}

TEST_CASE("texts that are not a hardware file at all are refused") {
  for (const char* bad : {"", "[]", "3", "a: [", "{", "name: x", "kind: wafer", "kind: horse",
                          "\xff\xfe", "? [a]\n: 1", "name: &a [*a]", "- x\n- y"}) {
    INFO(bad);
    CHECK(ErrorOf(bad).find("x.yaml") != std::string::npos);
  }
  CHECK(ErrorOf(std::string(100000, '[')).find("x.yaml") != std::string::npos);
  CHECK(ErrorOf(std::string(2 << 20, ' ')).find("larger than") != std::string::npos);
  CHECK(ErrorOf(H100() + "name: twice\n").find("given twice") != std::string::npos);
}

TEST_CASE("a name that is not built in says which are; a path is read") {
  const auto missing = LoadHardware("wse-9");
  REQUIRE(missing.status().code() == absl::StatusCode::kNotFound);
  CHECK(std::string(Std(missing.status().message())).find("wse-3-2x") != std::string::npos);
  CHECK(LoadHardware("./no/such.yaml").status().code() == absl::StatusCode::kNotFound);
  CHECK(LoadHardware(WAFERLINE_SOURCE_DIR "/deploy/hardware/b200.yaml").ok());
  const test::TemporaryFolder folder;
  const std::string other = folder.File("not-its-name.yaml");
  std::filesystem::copy_file(WAFERLINE_SOURCE_DIR "/deploy/hardware/b200.yaml", other);
  const auto misnamed = LoadHardware(other);
  CHECK(std::string(Std(misnamed.status().message()))
            .find("must be the file's name, 'not-its-name'") != std::string::npos);
}

}  // namespace
}  // namespace waferline::silicon
