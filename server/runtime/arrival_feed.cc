#include "server/runtime/arrival_feed.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace waferline::runtime {
namespace {

// What was refused keeps its number but has no ticket any more.
void Refuse(Inbox::Submitted* request, const absl::Status& why) {
  if (std::exchange(request->ticket, kNoTicket) == kNoTicket) return;
  // Room appears when the engine has taken what is due.
  const Nanoseconds retry = absl::IsUnavailable(why) ? Milliseconds(10) : Nanoseconds();
  if (request->request.sink) request->request.sink->OnRefused({why, retry});
}

}  // namespace

void ArrivalFeed::Open() {
  open_ = true;
  begin_ = frontier_ = timeline_->now();
  next_ = 0;
  last_.reset();
}

absl::Status ArrivalFeed::Check(const OwnArrival& own) const {
  if (own.number < next_ || early_.contains(own.number)) {
    return absl::InvalidArgumentError(absl::StrCat("arrival_number: ", own.number,
                                                   " has come before; a trace numbers its requests "
                                                   "0, 1, 2, ... in the order of their arrival"));
  }
  if (last_ && own.number > *last_) {
    return absl::InvalidArgumentError(absl::StrCat("arrival_number: ", own.number, " lies behind ",
                                                   *last_,
                                                   ", which was sent as the trace's last_arrival"));
  }
  if (own.last && !early_.empty() && early_.rbegin()->first > own.number) {
    return absl::InvalidArgumentError(absl::StrCat("last_arrival: number ", own.number,
                                                   " cannot be the last, ", early_.rbegin()->first,
                                                   " has come already"));
  }
  // The number that is missing is always taken, unless others are on their way to their instants.
  const bool moves_on = own.number == next_ && waiting_.empty();
  if (!moves_on && early_.size() + waiting_.size() >= bounds_.held) {
    return absl::UnavailableError(
        absl::StrCat("arrival_number: ", bounds_.held,
                     " requests are ahead of their instants; send this one again later"));
  }
  return absl::OkStatus();
}

void ArrivalFeed::Take(Inbox::Submitted request) {
  still_since_ns_.reset();
  if (!open_) {
    if (!waiting_.empty()) {
      return Refuse(&request, absl::UnavailableError(
                                  "arrival_number: the last requests of another trace have not "
                                  "arrived yet; one trace runs at a time"));
    }
    Open();
  }
  const OwnArrival own = *request.request.own_arrival;
  if (absl::Status s = Check(own); !s.ok()) return Refuse(&request, s);
  if (own.last) last_ = own.number;
  early_.emplace(own.number, std::move(request));
  while (!early_.empty() && early_.begin()->first == next_) {
    Enqueue(std::move(early_.extract(early_.begin()).mapped()));
  }
}

void ArrivalFeed::Enqueue(Inbox::Submitted request) {
  const Nanoseconds at = begin_ + request.request.own_arrival->at;
  if (last_ == next_) open_ = false;
  ++next_;
  if (at < frontier_) {
    return Refuse(&request, absl::InvalidArgumentError(absl::StrCat(
                                "arrival_ns: number ", next_ - 1, " arrives ",
                                (frontier_ - at).count(), " ns before the number before it")));
  }
  frontier_ = at;
  waiting_.push_back(std::move(request));
  if (waiting_.size() == 1) ScheduleFront();
}

void ArrivalFeed::ScheduleFront() {
  timeline_->Schedule(begin_ + waiting_.front().request.own_arrival->at, Priority::kArrival, this,
                      generation_);
}

void ArrivalFeed::OnEvent(uint64_t generation) {
  if (generation != generation_) return;  // closed meanwhile
  Inbox::Submitted request = std::move(waiting_.front());
  waiting_.pop_front();
  if (!waiting_.empty()) ScheduleFront();
  if (request.ticket != kNoTicket) deliver_(std::move(request));
}

template <typename Named>
uint32_t ArrivalFeed::RefuseThose(const Named& named, const absl::Status& why) {
  uint32_t refused = 0;
  const auto look = [&](Inbox::Submitted& request) {
    if (request.ticket == kNoTicket || !named(request)) return;
    Refuse(&request, why);
    ++refused;
  };
  for (Inbox::Submitted& request : waiting_) look(request);
  for (auto& [number, request] : early_) look(request);
  return refused;
}

bool ArrivalFeed::Cancel(Ticket ticket) {
  return RefuseThose([ticket](const auto& request) { return request.ticket == ticket; },
                     absl::CancelledError("cancelled before its arrival")) > 0;
}

uint32_t ArrivalFeed::Abort(const RequestName& name, const absl::Status& why) {
  return RefuseThose([&name](const auto& request) { return name.Names(request.request); }, why);
}

void ArrivalFeed::StandStill(int64_t wall_ns) {
  if (!open_) return;
  if (!still_since_ns_) still_since_ns_ = wall_ns;
  if (wall_ns - *still_since_ns_ <= bounds_.grace.count()) return;
  Close(absl::FailedPreconditionError(
      absl::StrCat("arrival_number: ", next_, " did not come within ", ToSeconds(bounds_.grace),
                   " s; this trace was given up")));
}

void ArrivalFeed::Close(const absl::Status& why) {
  open_ = false;
  ++generation_;
  still_since_ns_.reset();
  for (Inbox::Submitted& request : waiting_) Refuse(&request, why);
  for (auto& [number, request] : early_) Refuse(&request, why);
  waiting_.clear();
  early_.clear();
}

}  // namespace waferline::runtime
