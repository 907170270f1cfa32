// Runs the real waferctl as a child: with pipes, or on a terminal of its own.
#pragma once

#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "wafer_backend/base/check.h"

namespace waferline::cli {

struct Finished {
  int code = -1;  // exit code; -1: ended by a signal
  std::string out, err;
};

inline void Execute(std::vector<std::string> words) {
  words.insert(words.begin(), WAFERLINE_BIN_DIR "/waferctl");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(127);
}

inline int ExitCode(pid_t pid) {
  int status = 0;
  WL_CHECK(waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// `in` is all of stdin; it must fit into a pipe.
inline Finished Waferctl(const std::vector<std::string>& words, const std::string& in = "") {
  int to[2], from[2], errors[2];
  WL_CHECK(pipe(to) == 0 && pipe(from) == 0 && pipe(errors) == 0);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(to[0], 0);
    dup2(from[1], 1);
    dup2(errors[1], 2);
    for (const int fd : {to[0], to[1], from[0], from[1], errors[0], errors[1]}) close(fd);
    Execute(words);
  }
  WL_CHECK(pid > 0);
  close(to[0]);
  close(from[1]);
  close(errors[1]);
  WL_CHECK(write(to[1], in.data(), in.size()) == static_cast<ssize_t>(in.size()));
  close(to[1]);
  Finished finished;
  const auto drain = [](int fd, std::string* text) {
    char buffer[4096];
    for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0;) {
      text->append(buffer, static_cast<size_t>(got));
    }
    close(fd);
  };
  std::thread reader([&] { drain(errors[0], &finished.err); });
  drain(from[0], &finished.out);
  reader.join();
  finished.code = ExitCode(pid);
  return finished;
}

// waferctl on a terminal that the test types into.
class Terminal {
 public:
  explicit Terminal(const std::vector<std::string>& words) {
    pid_ = forkpty(&fd_, nullptr, nullptr, nullptr);
    if (pid_ == 0) Execute(words);
    WL_CHECK(pid_ > 0);
  }
  ~Terminal() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      ExitCode(pid_);
    }
    close(fd_);
  }

  void Type(const std::string& text) {
    WL_CHECK(write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  // Waits until `text` is on the screen, after what was awaited before.
  bool Await(const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < deadline) {
      const size_t at = screen_.find(text, seen_);
      if (at != std::string::npos) {
        seen_ = at + text.size();
        return true;
      }
      char buffer[4096];
      const ssize_t got = read(fd_, buffer, sizeof buffer);
      if (got <= 0) return false;
      screen_.append(buffer, static_cast<size_t>(got));
    }
    return false;
  }
  int Wait() {
    char buffer[4096];
    while (read(fd_, buffer, sizeof buffer) > 0) {
    }
    const int code = ExitCode(pid_);
    pid_ = -1;
    return code;
  }
  const std::string& screen() const { return screen_; }

 private:
  int fd_ = -1;
  pid_t pid_ = -1;
  std::string screen_;
  size_t seen_ = 0;
};

}  // namespace waferline::cli
