// What the process says when another program cuts a file short that it has mapped into memory (the
// index of a SQLite log, say): the kernel then ends it by SIGBUS, as a kill would. A file that has
// a way to go on (compute/model/torn_pages.h) is handled before.
#pragma once

namespace waferline::runtime {

// Once, before other threads. From then on such an end names the file on stderr.
void NameBusErrors();

}  // namespace waferline::runtime
