// Runs the batches of a server that has a database; else nothing.
//
// Owner: the front ends; all that it is given outlives it. Thread: any. End: Drain when no new
// requests are taken, Stop before the usage records settle.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "server/app/billing.h"
#include "server/batches/batch_runner.h"
#include "server/http/generations.h"

namespace waferline::app {

class BatchService {
 public:
  using Post = std::function<void(std::function<void()> task)>;  // runs it on the io thread

  // At most `max_lines` are under way.
  BatchService(Billing* billing, http::Generations* generations, size_t max_lines, Post post);

  void Start();
  void Drain();
  void Stop();

 private:
  std::unique_ptr<batches::BatchRunner> runner_;
};

}  // namespace waferline::app
