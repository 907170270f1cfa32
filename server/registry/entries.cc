#include "server/registry/entries.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::registry {
namespace {

namespace json = boost::json;
using membership::kMaxNameBytes;

std::string Hex(uint64_t number) { return absl::StrFormat("%016x", number); }

void ReadHex(JsonFields& fields, std::string_view name, uint64_t* target) {
  std::string text;
  fields.Text(name, 16, &text);
  if (!fields.ok()) return;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *target, 16);
  if (error != std::errc() || end != text.data() + text.size()) {
    fields.Fail(name, "must be a hexadecimal number of up to 16 digits");
  }
}

void ReadEpoch(JsonFields& fields, std::string_view name, uint64_t* epoch) {
  if (!fields.Has(name)) return;  // an older program wrote it
  ReadHex(fields, name, epoch);
  if (*epoch >= membership::kMaxEpoch) fields.Fail(name, "must be below 7fffffffffffffff");
}

absl::StatusOr<membership::Worker> ReadWorker(std::string_view id, const json::object& object) {
  WL_RETURN_IF_ERROR(membership::CheckName("worker", id));
  membership::Worker worker{.id = std::string(id)};
  JsonFields fields(object);
  fields.Require({"incarnation", "role", "endpoint", "fingerprint"});
  ReadHex(fields, "incarnation", &worker.incarnation);
  ReadHex(fields, "fingerprint", &worker.fingerprint);
  std::string role, layers = "any";
  fields.Text("role", kMaxNameBytes, &role);
  fields.Text("endpoint", 2 * kMaxNameBytes, &worker.endpoint);
  fields.Text("layers", kMaxNameBytes, &layers);
  fields.Text("zone", kMaxNameBytes, &worker.zone);
  fields.Text("version", kMaxNameBytes, &worker.version);
  ReadEpoch(fields, "epoch", &worker.epoch);
  WL_RETURN_IF_ERROR(fields.status());
  WL_ASSIGN_OR_RETURN(worker.role, membership::RoleOf(role));
  WL_ASSIGN_OR_RETURN(worker.layers, membership::LayersOf(layers));
  return worker;
}

absl::StatusOr<membership::Claim> ReadClaim(const json::object& object) {
  membership::Claim claim;
  JsonFields fields(object);
  fields.Require({"cell", "epoch"});
  fields.Text("cell", kMaxNameBytes, &claim.cell);
  ReadHex(fields, "epoch", &claim.epoch);
  WL_RETURN_IF_ERROR(fields.status());
  return claim;
}

absl::StatusOr<membership::Leader> ReadLeader(const json::object& object) {
  membership::Leader leader;
  JsonFields fields(object);
  fields.Require({"id"});
  fields.Text("id", 2 * kMaxNameBytes, &leader.id);
  fields.Text("http", 2 * kMaxNameBytes, &leader.http);
  ReadEpoch(fields, "above", &leader.above);
  WL_RETURN_IF_ERROR(fields.status());
  return leader;
}

}  // namespace

std::string WorkerKey(std::string_view id) { return absl::StrCat(Absl(kWorkers), Absl(id)); }
std::string ClaimKey(std::string_view id) { return absl::StrCat(Absl(kClaims), Absl(id)); }
std::string LeaderKey(std::string_view cell) {
  return absl::StrCat(Absl(kCells), Absl(cell), Absl(kLeader));
}

std::string ValueOf(const membership::Worker& worker) {
  return JsonText(json::object{{"incarnation", Hex(worker.incarnation)},
                               {"role", membership::RoleName(worker.role)},
                               {"endpoint", worker.endpoint},
                               {"fingerprint", Hex(worker.fingerprint)},
                               {"layers", membership::TextOf(worker.layers)},
                               {"zone", worker.zone},
                               {"version", worker.version},
                               {"epoch", Hex(worker.epoch)}});
}

std::string ValueOf(const membership::Claim& claim) {
  return JsonText(json::object{{"cell", claim.cell}, {"epoch", Hex(claim.epoch)}});
}

std::string ValueOf(const membership::Leader& leader) {
  return JsonText(
      json::object{{"id", leader.id}, {"http", leader.http}, {"above", Hex(leader.above)}});
}

absl::Status AddEntry(std::string_view key, const Entry& entry, membership::Snapshot* snapshot) {
  const bool leader = key.starts_with(kCells) && key.ends_with(kLeader);
  if (!leader && !key.starts_with(kWorkers) && !key.starts_with(kClaims)) return absl::OkStatus();
  if (entry.value.size() > membership::kMaxValueBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("holds ", entry.value.size(), " bytes, at most ", membership::kMaxValueBytes));
  }
  boost::system::error_code error;
  const json::value value = json::parse(json::string_view(entry.value), error);
  if (error || !value.is_object()) return absl::InvalidArgumentError("is not a JSON object");
  const json::object& object = value.get_object();
  if (key.starts_with(kWorkers)) {
    const std::string_view id = key.substr(kWorkers.size());
    WL_ASSIGN_OR_RETURN(snapshot->workers[std::string(id)], ReadWorker(id, object));
  } else if (leader) {
    key.remove_prefix(kCells.size());
    key.remove_suffix(kLeader.size());
    WL_ASSIGN_OR_RETURN(membership::Leader read, ReadLeader(object));
    read.since = entry.created;
    read.epoch = static_cast<uint64_t>(entry.created);
    if (read.above > 0) read.epoch = std::max(read.epoch, read.above + 1);
    snapshot->leaders[std::string(key)] = std::move(read);
  } else {
    WL_ASSIGN_OR_RETURN(snapshot->claims[std::string(key.substr(kClaims.size()))],
                        ReadClaim(object));
  }
  return absl::OkStatus();
}

void RemoveEntry(std::string_view key, membership::Snapshot* snapshot) {
  if (key.starts_with(kWorkers)) snapshot->workers.erase(std::string(key.substr(kWorkers.size())));
  if (key.starts_with(kClaims)) snapshot->claims.erase(std::string(key.substr(kClaims.size())));
  if (!key.starts_with(kCells) || !key.ends_with(kLeader)) return;
  key.remove_prefix(kCells.size());
  key.remove_suffix(kLeader.size());
  snapshot->leaders.erase(std::string(key));
}

}  // namespace waferline::registry
