#include "client/cli/fleet/fleet_command.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <memory>
#include <thread>

#include "client/cli/frame/output.h"
#include "server/registry/open_registry.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using membership::Snapshot;
constexpr std::chrono::seconds kPatience{5};

absl::StatusOr<std::shared_ptr<const Snapshot>> Read(const registry::RegistryAddress& address) {
  WL_ASSIGN_OR_RETURN(const auto registry, registry::OpenRegistry(address, nullptr));
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (registry->snapshot() == nullptr) {
    if (std::chrono::steady_clock::now() > end) return registry->status();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return registry->snapshot();
}

std::string ClaimText(const Snapshot& fleet, const std::string& worker) {
  const auto claim = fleet.claims.find(worker);
  if (claim == fleet.claims.end()) return "spare";
  return fmt::format("{} (epoch {})", claim->second.cell, claim->second.epoch);
}

void PrintFleet(const Snapshot& fleet) {
  Table cells({"cell", "leader", "http", "epoch"}, {Table::Align::kLeft});
  for (const auto& [name, leader] : fleet.leaders) {
    cells.Add({name, leader.id, leader.http, std::to_string(leader.epoch)});
  }
  Table workers({"worker", "role", "layers", "endpoint", "zone", "version", "claimed by"},
                {Table::Align::kLeft});
  size_t spares = 0;
  for (const auto& [id, worker] : fleet.workers) {
    const bool shard = worker.role == membership::Role::kShard;
    spares += fleet.claims.contains(id) ? 0 : 1;
    workers.Add({id, std::string(membership::RoleName(worker.role)),
                 shard ? membership::TextOf(worker.layers) : "", worker.endpoint, worker.zone,
                 worker.version, ClaimText(fleet, id)});
  }
  Print("{}\n", Counted(static_cast<int64_t>(fleet.leaders.size()), "cell"));
  if (!fleet.leaders.empty()) cells.Print();
  Print("{}, {}\n", Counted(static_cast<int64_t>(fleet.workers.size()), "worker"),
        Counted(static_cast<int64_t>(spares), "spare"));
  if (!fleet.workers.empty()) workers.Print();
}

json::object FleetJson(const Snapshot& fleet) {
  json::array cells, workers;
  for (const auto& [name, leader] : fleet.leaders) {
    cells.push_back(
        {{"cell", name}, {"leader", leader.id}, {"http", leader.http}, {"epoch", leader.epoch}});
  }
  for (const auto& [id, worker] : fleet.workers) {
    json::object entry{{"id", id},
                       {"role", membership::RoleName(worker.role)},
                       {"endpoint", worker.endpoint},
                       {"incarnation", fmt::format("{:016x}", worker.incarnation)},
                       {"fingerprint", fmt::format("{:016x}", worker.fingerprint)},
                       {"zone", worker.zone},
                       {"version", worker.version},
                       {"claim", nullptr}};
    if (worker.role == membership::Role::kShard) {
      entry["layers"] = membership::TextOf(worker.layers);
    }
    if (const auto claim = fleet.claims.find(id); claim != fleet.claims.end()) {
      entry["claim"] = {{"cell", claim->second.cell}, {"epoch", claim->second.epoch}};
    }
    workers.push_back(std::move(entry));
  }
  return {
      {"revision", fleet.revision}, {"cells", std::move(cells)}, {"workers", std::move(workers)}};
}

absl::Status RunFleet(const Arguments& arguments) {
  auto address = registry::ParseAddress(arguments.Text("registry"));
  if (!address.ok()) return UsageError("--registry: " + std::string(address.status().message()));
  address->cloud = arguments.Text("cloud");
  address->prefix = arguments.Text("prefix");
  address->tls = {
      .ca = arguments.Text("ca"), .cert = arguments.Text("cert"), .key = arguments.Text("key")};
  WL_ASSIGN_OR_RETURN(const auto fleet, Read(*address));
  if (arguments.json()) {
    PrintText(JsonText(FleetJson(*fleet)) + "\n");
  } else {
    PrintFleet(*fleet);
  }
  return absl::OkStatus();
}

}  // namespace

Group FleetGroup() {
  return {
      .name = "fleet",
      .summary = "See the members of a cloud of several hosts",
      .commands = {{.words = "fleet",
                    .summary = "List cells with their leaders and epochs, workers with their "
                               "claims, and spares",
                    .flags = {TextFlag("registry", "etcd=[https://]HOST:PORT,...|file=PATH",
                                       "where the members are listed")
                                  .Required(),
                              TextFlag("cloud", "NAME", "whose members").Default("default"),
                              TextFlag("prefix", "PATH", "of etcd's keys").Default("/waferline/1"),
                              TextFlag("ca", "FILE", "CAs of https endpoints, PEM").Default(""),
                              TextFlag("cert", "FILE", "own certificate for them, PEM").Default(""),
                              TextFlag("key", "FILE", "its private key, PEM").Default("")},
                    .examples = {"waferctl fleet --registry etcd=127.0.0.1:2379"},
                    .run = RunFleet}}};
}

}  // namespace waferline::cli
