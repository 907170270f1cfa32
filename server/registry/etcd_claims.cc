// Claims of workers, as transactions.
#include <optional>

#include "absl/strings/str_cat.h"
#include "server/registry/etcd_registry_impl.h"
#include "wafer_backend/base/status.h"

namespace waferline::registry {
namespace {

etcdserverpb::Compare* AddCompare(etcdserverpb::TxnRequest* txn, const std::string& key,
                                  etcdserverpb::Compare::CompareTarget target) {
  etcdserverpb::Compare* compare = txn->add_compare();
  compare->set_key(key);
  compare->set_target(target);
  compare->set_result(etcdserverpb::Compare::EQUAL);
  return compare;
}

}  // namespace

void RequireCreated(etcdserverpb::TxnRequest* txn, const std::string& key, int64_t revision) {
  AddCompare(txn, key, etcdserverpb::Compare::CREATE)->set_create_revision(revision);
}

void RequireModified(etcdserverpb::TxnRequest* txn, const std::string& key, int64_t revision) {
  AddCompare(txn, key, etcdserverpb::Compare::MOD)->set_mod_revision(revision);
}

absl::Status EtcdRegistry::Take(const membership::Worker& worker, const Claimed& by) {
  const std::string claim_key = root_ + ClaimKey(worker.id);
  const std::string value = ValueOf(membership::Claim{by.cell, by.epoch});
  etcdserverpb::TxnRequest txn;
  const auto now = snapshot();
  const auto incarnation = [&]() -> std::optional<uint64_t> {
    if (now == nullptr || !now->workers.contains(worker.id)) return std::nullopt;
    return now->workers.at(worker.id).incarnation;
  }();
  etcdserverpb::PutRequest* put = txn.add_success()->mutable_request_put();
  {
    const MutexLock lock(&mutex_);
    const auto modified = modified_.find(WorkerKey(worker.id));
    if (incarnation != worker.incarnation || modified == modified_.end()) {
      return absl::FailedPreconditionError(
          absl::StrCat("worker ", worker.id, " is not listed, or was restarted"));
    }
    RequireModified(&txn, root_ + WorkerKey(worker.id), modified->second);
    put->set_lease(lease_);
  }
  RequireCreated(&txn, claim_key, 0);
  RequireCreated(&txn, root_ + LeaderKey(by.cell), static_cast<int64_t>(by.epoch));
  put->set_key(claim_key);
  put->set_value(value);
  txn.add_failure()->mutable_request_range()->set_key(claim_key);
  WL_ASSIGN_OR_RETURN(const etcdserverpb::TxnResponse response, client_.Txn(txn));
  if (response.succeeded()) return absl::OkStatus();
  const auto& claims = response.responses(0).response_range().kvs();
  if (claims.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("worker ", worker.id,
                                                      " was restarted, or epoch ", by.epoch,
                                                      " of cell ", by.cell, " is over"));
  }
  if (claims[0].value() == value) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("worker ", worker.id, " is claimed: ", claims[0].value()));
}

absl::Status EtcdRegistry::Release(const std::string& worker, const Claimed& by) {
  const std::string key = root_ + ClaimKey(worker);
  etcdserverpb::TxnRequest txn;
  AddCompare(&txn, key, etcdserverpb::Compare::VALUE)
      ->set_value(ValueOf(membership::Claim{by.cell, by.epoch}));
  txn.add_success()->mutable_request_delete_range()->set_key(key);
  WL_ASSIGN_OR_RETURN(const etcdserverpb::TxnResponse response, client_.Txn(txn));
  if (response.succeeded()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("worker ", worker, " is not claimed by epoch ", by.epoch, " of cell ", by.cell));
}

}  // namespace waferline::registry
