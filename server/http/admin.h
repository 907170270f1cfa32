// The routes under /admin/: an operator's orders as JSON. Who may give them is Api's business.
//
// Owner: Api. Thread: io. An order that needs the engine is answered when the engine has carried it
// out; a client that has gone meanwhile is not told, the order stands.
#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "server/admin/operator_port.h"
#include "server/http/generations.h"

namespace waferline::http {

class Admin {
 public:
  // Both must outlive the server. `post` runs a task on the io thread.
  Admin(admin::OperatorPort* operators, const Generations* generations,
        std::function<void(std::function<void()>)> post)
      : operators_(operators), generations_(generations), post_(std::move(post)) {}

  void Server(const Call& call) const;
  void Load(const Call& call) const;
  void Usage(const Call& call) const;
  void Drain(const Call& call) const;
  void Abort(const Call& call) const;
  void ResetPrefixCaches(const Call& call) const;
  void ApplyFault(const Call& call) const;

 private:
  // What takes an answer of the engine's thread to the io thread: the JSON of it, or its failure.
  std::function<void(absl::StatusOr<std::string>)> Later(const Call& call) const;
  void Answer(const Call& call, const absl::StatusOr<std::string>& body) const;

  admin::OperatorPort* const operators_;
  const Generations* const generations_;
  const std::function<void(std::function<void()>)> post_;
};

}  // namespace waferline::http
