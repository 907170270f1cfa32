#include "server/runtime/bus_error.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <string>

namespace waferline::runtime {

TEST_CASE("an end by a mapped file that was cut names the file") {
  char path[] = "/tmp/waferline-bus-XXXXXX";
  const int file = mkstemp(path);
  REQUIRE(file >= 0);
  REQUIRE(ftruncate(file, 4096) == 0);
  void* const mapped = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, 0);
  REQUIRE(mapped != MAP_FAILED);
  REQUIRE(ftruncate(file, 0) == 0);
  int said[2];
  REQUIRE(pipe(said) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(said[1], STDERR_FILENO);
    NameBusErrors();
    _exit(*static_cast<volatile char*>(mapped));
  }
  close(said[1]);
  std::string text(4096, 0);
  size_t used = 0;
  for (ssize_t more; (more = read(said[0], text.data() + used, text.size() - used)) > 0;) {
    used += static_cast<size_t>(more);
  }
  text.resize(used);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS));
  CHECK(text.find(std::string("waferd: ") + path + " was cut short by another program") == 0);
  close(said[0]);
  munmap(mapped, 4096);
  close(file);
  unlink(path);
}

}  // namespace waferline::runtime
