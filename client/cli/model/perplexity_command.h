// waferctl model perplexity: how well a model file predicts a text, computed by the same layers as
// a server's. Chunks are cut and scored as llama.cpp's llama-perplexity does, so that the figures
// of the two can be compared: the text with the model's begin token in front is cut into chunks of
// `context` tokens, the rest is left out; each chunk begins anew, its first token replaced by the
// begin token if the model wants one; tokens of its second half are scored.
#pragma once

#include <vector>

#include "client/cli/frame/command.h"

namespace waferline::cli {

std::vector<Command> PerplexityCommands();

}  // namespace waferline::cli
