// A client of a token cloud: streams one completion and prints the text as it comes, then what the
// emulated hardware took for it.
//
//   example_complete "Once upon a time"      the server is $WAFERLINE_URL, default
//   http://127.0.0.1:8080; grpc://HOST:PORT works too
#include <cstdio>
#include <cstdlib>
#include <string>

#include "client/sdk/endpoint.h"
#include "client/sdk/token_client.h"

using namespace waferline;

namespace {

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "example_complete: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const char* const url = std::getenv("WAFERLINE_URL");
  const auto endpoint = sdk::ParseEndpoint(url != nullptr ? url : "http://127.0.0.1:8080");
  if (!endpoint.ok()) return Fail(endpoint.status());
  const auto client = sdk::MakeClient(*endpoint);

  const auto models = client->ListModels();
  if (!models.ok()) return Fail(models.status());
  if (models->empty()) return Fail(absl::NotFoundError("the server serves no model"));

  sdk::GenerateSpec spec;
  spec.model = models->front().id;
  spec.prompt = std::string(argc > 1 ? argv[1] : "Once upon a time");
  spec.max_tokens = 40;
  spec.seed = 7;
  // Run waits for the end; Start returns at once and calls the listener from the client's threads.
  const sdk::Ending ending = sdk::Run(*client, spec, [](const sdk::Piece& piece) {
    std::fputs(piece.text.c_str(), stdout);
    std::fflush(stdout);
  });
  std::puts("");
  if (!ending.status.ok()) return Fail(ending.status);
  if (ending.times.has_value()) {
    std::printf("emulated: decode began after %.3f ms, the whole request took %.3f ms\n",
                1e-6 * static_cast<double>((ending.times->queue + ending.times->prompt).count()),
                1e-6 * static_cast<double>(ending.times->total.count()));
  }
  return 0;
}
