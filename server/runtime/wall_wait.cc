#include "server/runtime/wall_wait.h"

#include <algorithm>

#include "server/runtime/host.h"
#include "wafer_backend/base/spin_pause.h"

namespace waferline::runtime {
namespace {
// What spinning may save up for a burst.
constexpr double kMaxCreditNs = 5e6;
}  // namespace

WallWait::WallWait(const ClockSettings& settings, Inbox* inbox)
    : spin_ns_(settings.spin.count()),
      spin_share_(settings.spin_share),
      inbox_(inbox),
      credited_at_ns_(WallNanoseconds()) {}

void WallWait::Until(int64_t wall_ns) {
  const int64_t now_ns = WallNanoseconds();
  credit_ns_ = std::min(kMaxCreditNs,
                        credit_ns_ + static_cast<double>(now_ns - credited_at_ns_) * spin_share_);
  credited_at_ns_ = now_ns;
  const int64_t spin_ns = std::min(spin_ns_, static_cast<int64_t>(credit_ns_));
  if (!inbox_->awake()) UntilWithoutSpinning(wall_ns - spin_ns);
  if (wall_ns - WallNanoseconds() <= spin_ns) Spin(wall_ns);
}

void WallWait::UntilWithoutSpinning(int64_t wall_ns) {
  const int64_t left_ns = wall_ns - WallNanoseconds();
  if (left_ns > 0) inbox_->Wait(Nanoseconds(left_ns));
}

void WallWait::SleepUntil(int64_t wall_ns) { SleepFor(Nanoseconds(wall_ns - WallNanoseconds())); }

void WallWait::Spin(int64_t until_ns) {
  const int64_t begin_ns = WallNanoseconds();
  int64_t now_ns = begin_ns;
  while (now_ns < until_ns && !inbox_->awake()) {
    SpinPause();
    now_ns = WallNanoseconds();
  }
  credit_ns_ -= static_cast<double>(now_ns - begin_ns);
}

}  // namespace waferline::runtime
