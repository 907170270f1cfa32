// Asio's side of the reactor, for the .cc files of this folder only.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/link/reactor.h"

namespace waferline::link {

using Tcp = boost::asio::ip::tcp;

struct Reactor::Io {
  boost::asio::io_context context{1};  // one thread runs it
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep{
      context.get_executor()};
  std::atomic<bool> woken{false};
};

// A connection on a socket that is connected.
std::unique_ptr<Connection> MakeConnection(Tcp::socket socket);

// "host:port" apart; InvalidArgument if it is not that.
absl::StatusOr<std::pair<std::string, std::string>> SplitEndpoint(const std::string& endpoint);

}  // namespace waferline::link
