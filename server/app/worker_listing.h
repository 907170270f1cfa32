// A worker in the registry of its cloud's members: listed from the moment it is ready until it
// ends. Owner: the worker's role; thread: the main one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/registry/etcd_client.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/command_line/flag.h"
#include "wafer_backend/membership/registry.h"

namespace waferline::app {

struct ListingOptions {
  std::string registry;  // registry::ParseAddress; "": not listed
  std::string cloud;
  std::string id;         // "": HOST-PORT
  std::string advertise;  // host:port at which others reach it; "": where it listens
  std::string zone;
  registry::EtcdFiles tls;  // for https
};

// Of workers: --registry and its files, --cloud, --worker-id, --advertise, --zone.
std::vector<cli::Flag> ListingFlags();
ListingOptions ReadListing(const cli::Arguments& arguments);

class WorkerListing {
 public:
  // `worker` has its role and layers; `listen` is HOST:PORT, `model` its file. Errors name the
  // flag.
  static absl::StatusOr<WorkerListing> Prepare(const ListingOptions& options,
                                               membership::Worker worker, const std::string& listen,
                                               const std::string& model);
  // Lists it, if it is to be listed.
  void Announce(uint16_t port);
  // A driver of this epoch has it: the listing says so, for a leader that the registry gave a
  // smaller one. On the thread that called Announce.
  void OnDriver(uint64_t epoch);

 private:
  std::unique_ptr<membership::Registry> registry_;  // null: not listed
  membership::Worker worker_;
  std::string host_;
};

}  // namespace waferline::app
