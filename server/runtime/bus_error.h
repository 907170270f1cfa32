// When another program cuts short a file that this process has mapped into memory (the index of a
// SQLite log, say), the kernel ends the process with SIGBUS. This names the file first. Model files
// survive it (compute/model/torn_pages.h) and are handled before.
#pragma once

namespace waferline::runtime {

// Once, before other threads. From then on such an end names the file on stderr.
void NameBusErrors();

}  // namespace waferline::runtime
