#include "client/cli/model/model_commands.h"

namespace waferline::cli {

Group ModelGroup() {
  return {.name = "model",
          .summary = "Look into a GGUF model file and compute with it",
          .commands = {InspectCommand(), TokenizeCommand(), ExportHfCommand(), LogitsCommand(),
                       PerplexityCommand(), BenchModelCommand()}};
}

}  // namespace waferline::cli
