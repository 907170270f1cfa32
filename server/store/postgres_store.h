// A store in a PostgreSQL database, which several servers may share.
#pragma once

#include <memory>
#include <string>

#include "server/store/store.h"

namespace waferline::store {

// `url` as libpq reads it: postgresql://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE. Commits are
// synchronous, whatever the server's default.
std::unique_ptr<Store> MakePostgresStore(const std::string& url);

}  // namespace waferline::store
