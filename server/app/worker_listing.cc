#include "server/app/worker_listing.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/app/remark_log.h"
#include "server/registry/open_registry.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/shard/packed_model.h"

namespace waferline::app {

std::vector<cli::Flag> ListingFlags() {
  return {
      cli::TextFlag("registry", "etcd=[https://]HOST:PORT,...",
                    "list this worker there, for a cell to claim; not listed if not given"),
      cli::TextFlag("registry-ca", "FILE", "CAs of https endpoints, PEM; the system's if not given")
          .Default("")
          .With("registry"),
      cli::TextFlag("registry-cert", "FILE", "own certificate for https endpoints, PEM")
          .Default("")
          .With("registry"),
      cli::TextFlag("registry-key", "FILE", "its private key, PEM").Default("").With("registry"),
      cli::TextFlag("cloud", "NAME", "whose members find each other")
          .Default("default")
          .With("registry"),
      cli::TextFlag("worker-id", "NAME",
                    "its name in the registry, the same after a restart; HOST-PORT if not given")
          .Default("")
          .With("registry"),
      cli::TextFlag("advertise", "HOST:PORT", "where others reach it; --listen if not given")
          .Default("")
          .With("registry"),
      cli::TextFlag("zone", "NAME", "where its host is").Default("").With("registry")};
}

ListingOptions ReadListing(const cli::Arguments& arguments) {
  return {.registry = arguments.Has("registry") ? arguments.Text("registry") : "",
          .cloud = arguments.Text("cloud"),
          .id = arguments.Text("worker-id"),
          .advertise = arguments.Text("advertise"),
          .zone = arguments.Text("zone"),
          .tls = {.ca = arguments.Text("registry-ca"),
                  .cert = arguments.Text("registry-cert"),
                  .key = arguments.Text("registry-key")}};
}

absl::StatusOr<WorkerListing> WorkerListing::Prepare(const ListingOptions& options,
                                                     membership::Worker worker,
                                                     const std::string& listen,
                                                     const std::string& model) {
  WorkerListing listing;
  if (options.registry.empty()) return listing;
  listing.host_ = listen.substr(0, listen.rfind(':'));
  worker.id = options.id;
  worker.endpoint = options.advertise;
  const std::string id = worker.id.empty() ? absl::StrCat(listing.host_, "-0") : worker.id;
  WL_RETURN_IF_ERROR(membership::CheckName("--worker-id", id));
  WL_ASSIGN_OR_RETURN(registry::RegistryAddress address, registry::ParseAddress(options.registry));
  if (!address.file.empty()) {
    return absl::InvalidArgumentError(
        "--registry: a file lists its workers itself; a worker lists itself in etcd=HOST:PORT,...");
  }
  address.cloud = options.cloud;
  address.tls = options.tls;
  WL_ASSIGN_OR_RETURN(const auto file, model::GgufFile::Open(model));
  worker.fingerprint = shard::FingerprintOf(*file);
  worker.incarnation = runtime::RandomSeed();
  worker.zone = options.zone;
  worker.version = WAFERLINE_VERSION;
  listing.worker_ = std::move(worker);
  WL_ASSIGN_OR_RETURN(
      listing.registry_,
      registry::OpenRegistry(address, [log = std::make_shared<RemarkLog>("registry")](
                                          const std::string& remark) { log->Print(remark); }));
  return listing;
}

void WorkerListing::Announce(uint16_t port) {
  if (registry_ == nullptr) return;
  if (worker_.id.empty()) worker_.id = absl::StrCat(host_, "-", port);
  if (worker_.endpoint.empty()) worker_.endpoint = absl::StrCat(host_, ":", port);
  registry_->Announce(worker_);
}

void WorkerListing::OnDriver(uint64_t epoch) {
  if (registry_ == nullptr || epoch <= worker_.epoch) return;
  worker_.epoch = epoch;
  registry_->Announce(worker_);
}

}  // namespace waferline::app
