#include "client/cli/billing/books_source.h"

#include <boost/json/parse.hpp>
#include <cstdio>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/serving/server_flags.h"
#include "client/sdk/token_client.h"
#include "server/accounts/price_books.h"
#include "server/store/store.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

absl::StatusOr<std::string> AskServer(const Arguments& arguments, const BooksQuestion& question) {
  WL_ASSIGN_OR_RETURN(const sdk::Endpoint endpoint, EndpointOf(arguments));
  if (endpoint.protocol != sdk::Endpoint::Protocol::kHttp) {
    return UsageError("--server: commands about invoices use HTTP: give http://HOST:PORT");
  }
  return sdk::AskHttp(endpoint, {question.method, question.path, question.body});
}

absl::StatusOr<std::string> Work(store::Connection& connection, const BooksQuestion& question) {
  WL_ASSIGN_OR_RETURN(const billing::PriceBook book, accounts::StoredPriceBook(connection));
  return question.work(connection, book);
}

// What was lost while no server ran, and the like: the first to open a store finds it.
void PrintNotices(store::Store* store) {
  for (const std::string& notice : store->TakeNotices()) {
    fprintf(stderr, "warning: %s: %s\n", store->Describe().c_str(), notice.c_str());
  }
}

absl::StatusOr<std::unique_ptr<store::Store>> OpenToRead(const std::string& url) {
  auto store = store::OpenStoreToRead(url);
  if (!absl::IsInvalidArgument(store.status())) return store;
  return UsageError(absl::StrCat("--store: ", store.status().message()));
}

}  // namespace

std::vector<Flag> BooksFlags(std::vector<Flag> more) {
  std::vector<Flag> flags = HttpServerFlags();
  flags.push_back(
      TextFlag("store", "URL", "ask this store, not a server: sqlite:PATH or postgresql://..."));
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

absl::StatusOr<std::string> AskBooks(const Arguments& arguments, const BooksQuestion& question) {
  if (!arguments.Has("store")) return AskServer(arguments, question);
  WL_ASSIGN_OR_RETURN(const std::unique_ptr<store::Store> store,
                      OpenToRead(arguments.Text("store")));
  WL_ASSIGN_OR_RETURN(const std::unique_ptr<store::Connection> connection, store->Connect());
  PrintNotices(store.get());
  return Work(*connection, question);
}

absl::StatusOr<std::string> ChangeBooks(const Arguments& arguments, const BooksQuestion& question) {
  if (!arguments.Has("store")) return AskServer(arguments, question);
  const std::string url = arguments.Text("store");
  // A name that is mistyped makes no database.
  WL_ASSIGN_OR_RETURN(std::unique_ptr<store::Store> readable, OpenToRead(url));
  PrintNotices(readable.get());
  readable.reset();
  WL_ASSIGN_OR_RETURN(const std::unique_ptr<store::Store> store,
                      store::OpenStore(url, store::Durability::kPower));
  WL_ASSIGN_OR_RETURN(const std::unique_ptr<store::Connection> connection, store->Connect());
  PrintNotices(store.get());
  WL_RETURN_IF_ERROR(connection->Begin());
  absl::StatusOr<std::string> answer = Work(*connection, question);
  absl::Status status = answer.status();
  if (status.ok()) status = connection->Commit();
  if (!status.ok()) {
    connection->Rollback();
    return status;
  }
  return answer;
}

absl::StatusOr<boost::json::object> ObjectOf(const std::string& answer) {
  boost::system::error_code error;
  boost::json::value value = boost::json::parse(answer, error);
  if (!error && value.is_object()) return std::move(value.get_object());
  return absl::InternalError("the answer is not a JSON object");
}

}  // namespace waferline::cli
