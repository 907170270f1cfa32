#include "server/openai/answer_facts.h"

#include "server/openai/json_text.h"

namespace waferline::openai {
namespace {

// Nanoseconds are whole, so the shortest text of the nearest number is the time itself.
void AppendSeconds(std::string& out, Nanoseconds time) {
  AppendNumber(out, static_cast<double>(time.count()) / 1e9);
}

}  // namespace

void AppendTimeInfo(std::string& out, const ResponseShape& shape, const Usage& usage) {
  const RequestTimes& times = usage.times;
  out += ",\"time_info\":{\"queue_time\":";
  AppendSeconds(out, times.queue);
  out += ",\"prompt_time\":";  // until the decode shards hold the prompt
  AppendSeconds(out, times.prefill + times.transfer);
  out += ",\"completion_time\":";
  AppendSeconds(out, times.decode);
  out += ",\"total_time\":";
  AppendSeconds(out, times.total());
  if (usage.first_token) {
    out += ",\"first_token_time\":";
    AppendSeconds(out, *usage.first_token);
  }
  out += ",\"created\":";
  AppendInteger(out, shape.created_unix_seconds);
  out += '}';
}

void AppendOrigin(std::string& out, const ResponseShape& shape) {
  out += ",\"waferline\":{\"time\":\"emulated\",\"tokens\":\"";
  out += shape.computed ? "computed" : "stand-in";
  out += "\"}";
}

}  // namespace waferline::openai
