// HTTP and gRPC in front of a cloud. Owner: main; dies before the cloud does.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "server/admin/admin_port.h"
#include "server/app/cell_member.h"
#include "server/app/cloud.h"
#include "server/config/server_config.h"

namespace waferline::app {

class FrontEnds {
 public:
  // Listens on both ports. Unavailable naming the address that cannot be had. All outlive this;
  // `member` is null for a server that is in no cell.
  static absl::StatusOr<std::unique_ptr<FrontEnds>> Start(const config::ServerConfig& config,
                                                          Cloud* cloud, admin::AdminPort* admin,
                                                          const CellMember* member);
  virtual ~FrontEnds() = default;

  virtual uint16_t http_port() const = 0;
  virtual uint16_t grpc_port() const = 0;
  virtual uint16_t admin_port() const = 0;  // 0: operators have no port of their own

  // Callers need a key: of the configuration or of the database.
  virtual bool needs_keys() const = 0;

  // gRPC's health says SERVING or NOT_SERVING. Connections are accepted all the time, and their
  // requests refused by a draining engine; those in flight go on. Any thread.
  virtual void SetServing(bool serving) = 0;
  // NOT_SERVING, and no batch begins a line any more.
  virtual void StopServing() = 0;
  // After the engine has stopped: lets what it said last reach the clients, for a moment, then
  // closes.
  virtual void Stop() = 0;
};

}  // namespace waferline::app
