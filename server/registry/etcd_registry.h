// Membership in etcd: one lease a process, under which its worker, its leadership and its claims
// are listed; elections and claims are transactions; changes come by a watch.
//
//   keeper thread: grants the lease, renews it three times within its time, lists what is wanted
//   watch thread:  reads everything at one revision, then changes from there; again when etcd has
//                  forgotten them (compaction) or the stream ends
//
// While no member answers the last snapshot stays, and both threads go on trying (100 ms to 1 s
// between attempts, with jitter).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/registry/etcd_client.h"
#include "wafer_backend/membership/registry.h"

namespace waferline::registry {

struct EtcdOptions {
  std::vector<std::string> endpoints;  // of members (etcd_client.h)
  EtcdFiles tls;
  std::string prefix = "/waferline/1";     // of all keys
  std::string cloud = "default";           // whose members find each other
  int ttl_s = 5;                           // of the lease; etcd 3.4 makes at least 2 of it
  Nanoseconds call_patience = Seconds(1);  // for one member's answer
  // For the operator's log: entries that cannot be read, a name that another process has. Optional;
  // on the registry's threads.
  std::function<void(const std::string&)> on_remark;
};

// Starts its threads; a cluster that cannot be reached is what status() says.
std::unique_ptr<membership::Registry> OpenEtcdRegistry(const EtcdOptions& options);

}  // namespace waferline::registry
