// What every answer of this server says of itself, in all protocols: the emulated times, and what
// is emulated and what is computed. Pure functions, appending JSON members.
#pragma once

#include <string>

#include "server/openai/answer_format.h"

namespace waferline::openai {

// ,"time_info":{...}: Cerebras' field, in seconds.
void AppendTimeInfo(std::string& out, const ResponseShape& shape, const Usage& usage);

// ,"usage_id":"...","cost":"...": members of a usage object, those that there are.
void AppendRecord(std::string& out, const Usage& usage);

// {"prompt_tokens":...}: OpenAI's usage.
void AppendUsageObject(std::string& out, const Usage& usage);

// ,"waferline":{"time":"emulated","tokens":"computed"}
void AppendOrigin(std::string& out, const ResponseShape& shape);

}  // namespace waferline::openai
