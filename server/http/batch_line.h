// A line of a batch as a request like any other: the same codec, session, budget and limits, with
// an exchange that has no connection. Its answer is always a whole document.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "server/batches/batch_runner.h"
#include "server/http/generations.h"

namespace waferline::http {

// The endpoints that a batch may have.
std::vector<std::string> BatchEndpoints();

// Takes what is to be recorded of the request whose usage record's id is this.
using TakeRecords = std::function<batches::SettleUsage(const std::string& usage_id)>;

// Thread: io. Calls back once, unless the server ends first.
void RunBatchLine(Generations& generations, const TakeRecords& take, const batches::LineCall& line,
                  std::function<void(batches::LineAnswer)> done);

}  // namespace waferline::http
