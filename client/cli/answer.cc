#include "client/cli/answer.h"

#include <signal.h>

#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "wafer_backend/base/notification.h"

namespace waferline::cli {
namespace {

// How soon Ctrl-C is noticed.
constexpr Nanoseconds kGlance = Milliseconds(50);

volatile sig_atomic_t interrupted = 0;
struct sigaction previous;

}  // namespace

InterruptWatch::InterruptWatch() {
  interrupted = 0;
  struct sigaction action = {};
  // Without SA_RESTART, so that a read of the terminal returns.
  action.sa_handler = [](int) { interrupted = 1; };
  sigaction(SIGINT, &action, &previous);
}

InterruptWatch::~InterruptWatch() { sigaction(SIGINT, &previous, nullptr); }

bool InterruptWatch::Take() {
  const bool was = interrupted != 0;
  interrupted = 0;
  return was;
}

Answer Ask(sdk::TokenClient& client, const sdk::GenerateSpec& spec, bool show) {
  Answer answer;
  Notification ended;
  const auto call =
      client.Start(spec, {.on_piece =
                              [&](const sdk::Piece& piece) {
                                answer.text += piece.text;
                                if (!show) return;
                                fwrite(piece.text.data(), 1, piece.text.size(), stdout);
                                fflush(stdout);
                              },
                          .on_end =
                              [&](const sdk::Ending& ending) {
                                answer.ending = ending;
                                ended.Notify();
                              }});
  while (!ended.WaitFor(kGlance)) {
    if (!InterruptWatch::Take()) continue;
    answer.interrupted = true;
    call->Cancel();
  }
  return answer;
}

boost::json::object Describe(const sdk::Ending& ending) {
  boost::json::object object;
  if (!ending.finish_reason.empty()) object["finish_reason"] = ending.finish_reason;
  if (ending.prompt_tokens && ending.completion_tokens) {
    object["usage"] =
        boost::json::object{{"prompt_tokens", *ending.prompt_tokens},
                            {"completion_tokens", *ending.completion_tokens},
                            {"total_tokens", *ending.prompt_tokens + *ending.completion_tokens}};
  }
  if (ending.times) {
    object["time_info"] =
        boost::json::object{{"queue_time", ToSeconds(ending.times->queue)},
                            {"prompt_time", ToSeconds(ending.times->prompt)},
                            {"completion_time", ToSeconds(ending.times->completion)},
                            {"total_time", ToSeconds(ending.times->total)}};
  }
  return object;
}

std::string Pace(const sdk::Ending& ending) {
  if (!ending.completion_tokens || !ending.times) return "";
  const double total_s = ToSeconds(ending.times->total);
  std::string text = absl::StrFormat("%d tokens in %.2f ms of emulated time",
                                     *ending.completion_tokens, total_s * 1e3);
  const double decode_s = ToSeconds(ending.times->completion);
  if (*ending.completion_tokens > 1 && decode_s > 0) {
    absl::StrAppend(&text, absl::StrFormat(", %.0f tokens/s once it writes",
                                           (*ending.completion_tokens - 1) / decode_s));
  }
  return text;
}

}  // namespace waferline::cli
