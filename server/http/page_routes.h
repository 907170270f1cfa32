// The routes of the page at /: its files, compiled in (page_files.h). Owner: Api. Thread: io.
#pragma once

#include "server/http/exchange.h"
#include "server/http/generations.h"

namespace waferline::http {

void Page(Generations& generations, const Call& call);
void PageAsset(Generations& generations, const Call& call);
// This build's version.
void Version(Generations& generations, const Call& call);

// The page loads what this server serves, and nothing else.
Headers PageHeaders();

}  // namespace waferline::http
