// Claims of workers, as transactions.
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

// The transaction that claims, if nothing has changed since the last snapshot.
absl::StatusOr<etcdserverpb::TxnRequest> EtcdRegistry::ClaimOf(const membership::Worker& worker,
                                                               const Claimed& by) const {
  const auto now = snapshot();
  const auto listed = [&] {
    return now != nullptr && now->workers.contains(worker.id) &&
           now->workers.at(worker.id).incarnation == worker.incarnation;
  };
  etcdserverpb::TxnRequest txn;
  etcdserverpb::PutRequest* put = txn.add_success()->mutable_request_put();
  put->set_key(root_ + ClaimKey(worker.id));
  put->set_value(ValueOf(membership::Claim{by.cell, by.epoch}));
  txn.add_failure()->mutable_request_range()->set_key(put->key());
  const MutexLock lock(&mutex_);
  const auto modified = modified_.find(WorkerKey(worker.id));
  if (!listed() || modified == modified_.end()) {
    return absl::FailedPreconditionError(
        absl::StrCat("worker ", worker.id, " is not listed, or was restarted"));
  }
  const auto leader = now->leaders.find(by.cell);
  if (leader == now->leaders.end() || leader->second.epoch != by.epoch) {
    return absl::FailedPreconditionError(
        absl::StrCat("epoch ", by.epoch, " of cell ", by.cell, " is over"));
  }
  RequireModified(&txn, root_ + WorkerKey(worker.id), modified->second);
  RequireCreated(&txn, root_ + LeaderKey(by.cell), leader->second.since);
  put->set_lease(lease_);
  return txn;
}

absl::Status EtcdRegistry::Take(const membership::Worker& worker, const Claimed& by) {
  WL_ASSIGN_OR_RETURN(const etcdserverpb::TxnRequest claim, ClaimOf(worker, by));
  const std::string claim_key = root_ + ClaimKey(worker.id);
  etcdserverpb::TxnRequest txn = claim;
  RequireCreated(&txn, claim_key, 0);
  WL_ASSIGN_OR_RETURN(etcdserverpb::TxnResponse response, client_.Txn(txn));
  if (response.succeeded()) return absl::OkStatus();
  if (response.responses(0).response_range().kvs().empty()) {
    return absl::FailedPreconditionError(absl::StrCat("worker ", worker.id,
                                                      " was restarted, or epoch ", by.epoch,
                                                      " of cell ", by.cell, " is over"));
  }
  const mvccpb::KeyValue& there = response.responses(0).response_range().kvs(0);
  if (there.value() == claim.success(0).request_put().value()) return absl::OkStatus();
  membership::Snapshot read;
  const bool older = AddEntry(ClaimKey(worker.id), {there.value()}, &read).ok() &&
                     read.claims.begin()->second.cell == by.cell &&
                     read.claims.begin()->second.epoch < by.epoch;
  if (older) {  // of the same cell: a leadership that is over
    txn = claim;
    RequireModified(&txn, claim_key, there.mod_revision());
    WL_ASSIGN_OR_RETURN(response, client_.Txn(txn));
    if (response.succeeded()) return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("worker ", worker.id, " is claimed: ", there.value()));
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
