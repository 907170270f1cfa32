#include "server/app/process_identity.h"

#include <unistd.h>

#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/runtime/host.h"

namespace waferline::app {

std::string ProcessName() {
  std::array<char, 64> host{};  // cut if it is longer
  (void)gethostname(host.data(), host.size() - 1);
  std::string name = absl::StrCat(host.data(), "-", getpid());
  for (char& c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_') c = '-';
  }
  return name;
}

membership::Credentials DriverCredentials(const std::string& cell, uint64_t epoch) {
  return {
      .cell = cell,
      .worker = ProcessName(),
      .incarnation = runtime::RandomSeed(),
      .fence = {.epoch = epoch, .generation = runtime::RandomSeed() >> 16}};  // room to count on
}

}  // namespace waferline::app
