#include "client/cli/version_command.h"

#include <cstdio>

#include "client/cli/frame/arguments.h"

namespace waferline::cli {

std::vector<Command> VersionCommands() {
  return {Command{.words = "version",
                  .summary = "Which build of Waferline this is",
                  .run = [](const Arguments& arguments) {
                    printf(arguments.json() ? "{\"version\": \"%s\"}\n" : "waferctl %s\n",
                           WAFERLINE_VERSION);
                    return absl::OkStatus();
                  }}};
}

}  // namespace waferline::cli
