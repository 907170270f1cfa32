// Where the commands about invoices and the ledger ask: a running server, or a store directly
// (--store), whose price book is the one that it was last used with. The answer is the same JSON.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/billing/price_book.h"
#include "server/store/connection.h"
#include "wafer_backend/base/command_line/arguments.h"

namespace waferline::cli {

// --store on top of those of a server.
std::vector<Flag> BooksFlags(std::vector<Flag> more = {});

struct BooksQuestion {
  std::string method = "GET";
  std::string path;  // of a server's /admin/
  std::string body;
  // The same of a store.
  std::function<absl::StatusOr<std::string>(store::Connection&, const billing::PriceBook&)> work;
};

// One that only reads. The server's own error if it refuses; the store's errors.
absl::StatusOr<std::string> AskBooks(const Arguments& arguments, const BooksQuestion& question);
// One that changes the store, in a transaction; a SQLite file must not be a running server's.
absl::StatusOr<std::string> ChangeBooks(const Arguments& arguments, const BooksQuestion& question);

// InternalError: the answer is not a JSON object.
absl::StatusOr<boost::json::object> ObjectOf(const std::string& answer);

}  // namespace waferline::cli
