#include "wafer_backend/simulated/world.h"

#include <algorithm>
#include <utility>

#include "wafer_backend/base/check.h"
#include "wafer_backend/simulated/net.h"

namespace waferline::simulated {
namespace {

// Any wall clock's time will do, as long as it is one: 2026-01-01.
constexpr Nanoseconds kBegin = Seconds(1'767'225'600);

}  // namespace

World::World(uint64_t seed) : draws_(seed), now_(kBegin), net_(std::make_unique<Net>(this)) {
  WL_CHECK(OfThisThread() == nullptr);
  SetForThisThread(this);
}

World::~World() {
  SetForThisThread(nullptr);
  WL_CHECK(threads_.empty());
}

Nanoseconds World::DrawTime(Nanoseconds from, Nanoseconds to) {
  return from +
         Nanoseconds(static_cast<int64_t>(Draw(static_cast<uint64_t>((to - from).count()) + 1)));
}

Node World::AddNode(const std::string& name) { return net_->AddNode(name); }

std::unique_ptr<link::Network> World::MakeNetwork() { return net_->Attach(current()); }

Process* World::StartProcess(Node node, std::function<void(Process&)> main) {
  Process* const process = &processes_.emplace_back();
  process->name = net_->NameOf(node);
  process->node = node;
  Spawn(process, [process, main = std::move(main)] {
    main(*process);
    process->over = true;
  });
  return process;
}

void World::Kill(Process* process) {
  if (process->dead || process->over) return;
  process->dead = true;
  process->paused_until = Nanoseconds(0);
  process->stop = true;
  net_->OnDeath(process);
  for (const auto& call : on_kill_) call(*process);
}

void World::Pause(Process* process, Nanoseconds time) {
  if (process->dead) return;
  process->paused_until = std::max(process->paused_until, now_ + time);
  At(process->paused_until, [] {});  // so that its ready threads are looked at then
}

void World::Push(Event event) {
  event.order = ++order_;
  events_.push_back(event);
  std::push_heap(events_.begin(), events_.end());
}

void World::At(Nanoseconds when, std::function<void()> action) {
  if (free_actions_.empty()) {
    free_actions_.push_back(actions_.size());
    actions_.emplace_back();
  }
  const size_t place = free_actions_.back();
  free_actions_.pop_back();
  actions_[place] = std::move(action);
  Push({.at = std::max(when, now_), .order = 0, .action = place});
}

uint64_t World::Spawn(Process* process, std::function<void()> run) {
  const uint64_t number = ++last_thread_;
  ++process->threads;
  auto& thread = threads_[number];
  thread = std::make_unique<SimThread>(number, process, std::move(run));
  ready_.push_back(thread.get());
  return number;
}

uint64_t World::Start(std::function<void()> run) {
  WL_CHECK(running_ != nullptr);
  return Spawn(running_->process, std::move(run));
}

void World::Join(uint64_t number) {
  for (auto found = threads_.find(number); found != threads_.end(); found = threads_.find(number)) {
    Wait(found->second.get(), kForever);
  }
}

void World::Wait(const void* what, Nanoseconds until) {
  WL_CHECK(running_ != nullptr);
  SimThread* const self = running_;
  self->waits_for = what;
  ++self->wait;
  if (until != kForever) {
    Push({.at = std::max(until, now_), .order = 0, .thread = self->number, .wait = self->wait});
  }
  Fiber::Suspend();
}

void World::MakeReady(SimThread* thread) {
  thread->waits_for = nullptr;
  ++thread->wait;
  ready_.push_back(thread);
}

void World::Notify(const void* what) {
  for (const auto& [number, thread] : threads_) {
    if (thread->waits_for == what) MakeReady(thread.get());
  }
}

World::SimThread* World::PickReady() {
  size_t able = 0;
  for (const SimThread* thread : ready_) able += thread->process->paused_until <= now_ ? 1 : 0;
  if (able == 0) return nullptr;
  uint64_t skip = Draw(able);
  for (auto at = ready_.begin(); at != ready_.end(); ++at) {
    if ((*at)->process->paused_until > now_ || skip-- > 0) continue;
    SimThread* const picked = *at;
    ready_.erase(at);
    return picked;
  }
  return nullptr;
}

void World::Turn(SimThread* thread) {
  ++turns_;
  digest_ = Mix(digest_ ^ Mix(static_cast<uint64_t>(now_.count()) + thread->number));
  running_ = thread;
  thread->fiber.Resume();
  running_ = nullptr;
  if (!thread->fiber.ended()) return;
  --thread->process->threads;
  const auto ended = threads_.extract(thread->number);
  Notify(thread);  // who joins it
}

bool World::NextEvent(Nanoseconds until) {
  if (events_.empty() || events_.front().at > until) return false;
  std::pop_heap(events_.begin(), events_.end());
  const Event event = events_.back();
  events_.pop_back();
  now_ = std::max(now_, event.at);
  if (event.action > 0) {
    const auto action = std::exchange(actions_[event.action], nullptr);
    free_actions_.push_back(event.action);
    action();
    return true;
  }
  const auto found = threads_.find(event.thread);
  if (found != threads_.end() && found->second->wait == event.wait) MakeReady(found->second.get());
  return true;
}

bool World::Run(Nanoseconds until, const std::function<bool()>& done) {
  while (!done()) {
    if (turns_ > kMaxTurns) return false;
    if (SimThread* const thread = PickReady()) {
      Turn(thread);
    } else if (!NextEvent(until)) {
      return false;
    }
  }
  return true;
}

}  // namespace waferline::simulated
