#include "client/cli/serving/answer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "client/cli/frame/output.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/command_line/stdout_text.h"
#include "wafer_backend/base/notification.h"

namespace waferline::cli {
namespace {

// How soon Ctrl-C is noticed.
constexpr Nanoseconds kPollEvery = Milliseconds(50);

// A byte is in it for each interrupt not yet taken: a flag alone could be raised just before a read
// of the terminal begins, and on another thread.
int interrupts[2];
struct sigaction previous_interrupt, previous_end;

}  // namespace

InterruptWatch::InterruptWatch(Signals signals) : signals_(signals) {
  WL_CHECK(pipe2(interrupts, O_NONBLOCK | O_CLOEXEC) == 0);
  struct sigaction action = {};
  action.sa_flags = SA_RESTART;
  action.sa_handler = [](int) {
    const int before = errno;
    // A full pipe already holds an interrupt.
    (void)!write(interrupts[1], "", 1);
    errno = before;
  };
  sigaction(SIGINT, &action, &previous_interrupt);
  if (signals_ == Signals::kBoth) sigaction(SIGTERM, &action, &previous_end);
}

InterruptWatch::~InterruptWatch() {
  sigaction(SIGINT, &previous_interrupt, nullptr);
  if (signals_ == Signals::kBoth) sigaction(SIGTERM, &previous_end, nullptr);
  for (const int end : interrupts) close(end);
}

bool InterruptWatch::Take() {
  bool any = false;
  for (char byte; read(interrupts[0], &byte, 1) == 1;) any = true;
  return any;
}

bool InterruptWatch::AwaitInput(int file) {
  pollfd waits[] = {{file, POLLIN, 0}, {interrupts[0], POLLIN, 0}};
  while (poll(waits, 2, -1) < 0 && errno == EINTR) {
  }
  return waits[1].revents == 0 || !Take();
}

Answer Ask(sdk::TokenClient& client, const sdk::GenerateSpec& spec, bool show) {
  Answer answer;
  Notification ended;
  const auto call = client.Start(spec, {.on_piece =
                                            [&](const sdk::Piece& piece) {
                                              answer.text += piece.text;
                                              if (!show) return;
                                              PrintText(piece.text);
                                              FlushStdout().IgnoreError();  // RunProgram says it
                                            },
                                        .on_end =
                                            [&](const sdk::Ending& ending) {
                                              answer.ending = ending;
                                              ended.Notify();
                                            }});
  while (!ended.WaitFor(kPollEvery)) {
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
  std::string text = fmt::format("{} tokens in {:.2f} ms of emulated time",
                                 *ending.completion_tokens, total_s * 1e3);
  const Nanoseconds from_first =
      ending.times->total -
      ending.times->first_token.value_or(ending.times->total - ending.times->completion);
  const double decode_s = ToSeconds(from_first);
  if (*ending.completion_tokens > 1 && decode_s > 0) {
    text += fmt::format(", {:.0f} tokens/s after the first",
                        (*ending.completion_tokens - 1) / decode_s);
  }
  return text;
}

}  // namespace waferline::cli
