// The network of a world: what happens to bytes between nodes, in virtual time. Streams keep their
// bytes and their order, as TCP's do; beneath that, packets are delayed, overtake each other, are
// lost and sent again (which delays what follows them), arrive in pieces, and stop while a
// direction is cut; one that comes twice is dropped by TCP, so none does here. A connection may be
// reset; a dead process's are reset too, or fall silent where its host is gone.
//
// Owner and thread: the world's.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/link/network.h"

namespace waferline::simulated {

class World;
struct Process;
using Node = uint32_t;

// How one direction between two nodes treats packets.
struct Conditions {
  Nanoseconds min_delay = Microseconds(20);
  Nanoseconds max_delay = Microseconds(200);
  uint64_t lost_one_in = 0;  // packets; 0: none
  uint64_t cut_one_in = 0;   // writes and reads take a part only; 0: none
  Nanoseconds cut_until;     // nothing arrives before
  Nanoseconds trickle;       // bytes arrive one by one, so far apart; 0: as they come
};

struct NetFigures {
  uint64_t packets = 0;
  uint64_t lost = 0;
  uint64_t overtaken = 0;  // arrived after a later one, and made it wait
  uint64_t pieces = 0;
  uint64_t cut = 0;  // packets that waited for a cut direction
  uint64_t resets = 0;
  uint64_t refused = 0;  // connections
};

class Net {
 public:
  static constexpr size_t kWindowBytes = size_t{64} << 10;  // of one direction of a stream

  explicit Net(World* world) : world_(world) {}
  ~Net();

  Node AddNode(const std::string& name);
  const std::string& NameOf(Node node) const { return nodes_.at(node); }
  Node nodes() const { return static_cast<Node>(nodes_.size()); }
  // A reactor's part of it.
  std::unique_ptr<link::Network> Attach(Process* process);

  Conditions& conditions(Node from, Node to) { return conditions_[{from, to}]; }
  // From now on a node that dies falls silent: no reset tells its peers.
  void SetSilentDeath(Node node, bool silent) { silent_[node] = silent; }
  // Resets one of the connections between two nodes, if there are any.
  void ResetOne(Node a, Node b);
  // `call` is called for each frame of wafer_backend/compute/link, with its kind, before it leaves.
  // It may change the conditions, for this frame too, and schedule later actions.
  void OnFrame(std::function<void(Node from, Node to, uint8_t kind)> call) {
    on_frame_ = std::move(call);
  }
  void OnDeath(Process* process);
  // Connections that are open at any end.
  size_t open_connections() const;
  const NetFigures& figures() const { return figures_; }

 private:
  friend class SimNetwork;
  friend class SimSocket;
  struct End;
  struct Attempt;
  class SimNetwork;
  class SimSocket;
  class SimAcceptor;
  class SimPending;
  struct Listening {
    SimNetwork* network = nullptr;
    link::Network::OnAccepted on_accepted;
  };

  // When a packet that leaves now arrives.
  Nanoseconds Arrival(Node from, Node to);
  std::pair<std::shared_ptr<End>, std::shared_ptr<End>> MakeStream(SimNetwork* client,
                                                                   SimNetwork* server);
  void OnSyn(const std::shared_ptr<Attempt>& attempt);
  void Answer(const std::shared_ptr<Attempt>& attempt, absl::Status status,
              std::shared_ptr<End> end);
  void Deliver(const std::shared_ptr<End>& to, std::vector<uint8_t> bytes);
  void Finish(const std::shared_ptr<End>& end, const char* why);
  void CloseEnd(End* end);
  void CompleteRead(End* end);
  void OfferRoom(End* end);
  absl::StatusOr<Node> NodeOf(const std::string& endpoint) const;

  World* const world_;
  std::vector<std::string> nodes_;
  std::map<std::pair<Node, Node>, Conditions> conditions_;
  std::map<Node, bool> silent_;
  std::map<Node, Listening> listening_;
  std::vector<std::weak_ptr<End>> ends_;
  std::function<void(Node from, Node to, uint8_t kind)> on_frame_;
  NetFigures figures_;
};

}  // namespace waferline::simulated
