#include "wafer_backend/membership/owner_gate.h"

#include "absl/strings/str_cat.h"

namespace waferline::membership {
namespace {

std::string Text(const Fence& fence) {
  return absl::StrCat("epoch ", fence.epoch, ", generation ", fence.generation);
}

std::string Name(const Credentials& claim) {
  return absl::StrCat("driver \"", claim.worker, "\" of cell \"", claim.cell, "\"");
}

}  // namespace

absl::Status OwnerGate::CheckDriver(const Credentials& theirs) const {
  const bool same_driver = theirs.incarnation == last_.incarnation;
  const bool ordered =
      same_driver || theirs.fence.epoch != last_.fence.epoch || last_.fence.epoch > 0;
  if (ordered && theirs.fence < last_.fence) {
    if (theirs.fence.epoch < last_.fence.epoch) {
      return absl::FailedPreconditionError(absl::StrCat("epoch ", theirs.fence.epoch,
                                                        " is over, epoch ", last_.fence.epoch,
                                                        " owns this ", role_));
    }
    return absl::FailedPreconditionError(
        absl::StrCat("generation ", theirs.fence.generation, " of epoch ", theirs.fence.epoch,
                     " is over, generation ", last_.fence.generation, " owns this ", role_));
  }
  if (!owned_ || same_driver || (ordered && theirs.fence > last_.fence)) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat(Name(last_), " owns this ", role_, " and is alive; ",
                                               Name(theirs),
                                               " can have it when that one has left"));
}

void OwnerGate::OnDriver(const Credentials& theirs) {
  last_ = theirs;
  owned_ = true;
}

absl::Status OwnerGate::CheckPeer(const Credentials& theirs) const {
  if (owned_ && theirs.incarnation == last_.incarnation && theirs.fence == last_.fence) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat(
      "\"", theirs.worker, "\" works for a driver of ", Text(theirs.fence), ", this ", role_,
      owned_ ? absl::StrCat(" for ", Name(last_), ", ", Text(last_.fence)) : " for none now"));
}

}  // namespace waferline::membership
