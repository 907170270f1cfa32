#include "server/store/postgres_store.h"

#include <libpq-fe.h>
#include <poll.h>

#include <cstdlib>
#include <unordered_map>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::store {
namespace {

constexpr char kRowsChanged[] = "rows changed: ";
constexpr Oid kInt2 = 21, kInt4 = 23, kInt8 = 20, kNumeric = 1700;

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Answer = std::unique_ptr<PGresult, ClearResult>;

// Conflicts with other servers, rows that were there already, a server that is full or going down,
// a table or a right that is missing until its operator mends it: another attempt may succeed.
bool MayPass(std::string_view state) {
  return state.empty() || state.starts_with("08") || state.starts_with("40") ||
         state.starts_with("42") || state.starts_with("53") || state.starts_with("55") ||
         state.starts_with("57") || state.starts_with("58") || state == "23505" || state == "25006";
}

class PostgresConnection : public Connection {
 public:
  ~PostgresConnection() override { PQfinish(db_); }

  absl::Status Open(const std::string& url) {
    const std::string wait = std::to_string(kMaxConnectWait.count() / 1'000'000'000);
    const char* const names[] = {"dbname", "connect_timeout", "options", "application_name",
                                 nullptr};
    const char* const values[] = {url.c_str(), wait.c_str(),
                                  "-c synchronous_commit=on -c lock_timeout=1000 "
                                  "-c idle_in_transaction_session_timeout=60000",
                                  "waferd", nullptr};
    db_ = PQconnectdbParams(names, values, 1);
    PQsetNoticeProcessor(
        db_, [](void*, const char*) {}, nullptr);  // else on stderr
    if (PQstatus(db_) == CONNECTION_OK) return absl::OkStatus();
    absl::Status status = absl::UnavailableError("PostgreSQL: cannot be reached");
    status.SetPayload(kOperatorDetail, absl::Cord(Trimmed(PQerrorMessage(db_))));
    return status;
  }

  Dialect dialect() const override { return Dialect::kPostgres; }
  // Also looks whether the server has ended it meanwhile: nothing else comes to an idle one.
  bool alive() const override {
    pollfd socket{.fd = PQsocket(db_), .events = POLLIN, .revents = 0};
    while (alive_ && PQtransactionStatus(db_) == PQTRANS_IDLE && poll(&socket, 1, 0) > 0) {
      if (PQconsumeInput(db_) == 0) break;
    }
    return alive_ && PQstatus(db_) == CONNECTION_OK;
  }
  // Goes with the first statement.
  absl::Status Begin() override {
    begin_waits_ = true;
    return absl::OkStatus();
  }
  absl::Status BeginRead() override {
    return RunScript("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  }
  absl::Status CommitAfter(const std::vector<Statement>& last) override {
    // With no work before them they are a transaction by themselves: what goes together is one.
    const bool whole = std::exchange(begin_waits_, false);
    if (whole && last.empty()) return absl::OkStatus();
    const auto answers = RunTogether(last, whole ? nullptr : "COMMIT");
    if (!answers.ok())
      return alive() ? answers.status() : absl::UnknownError(answers.status().message());
    // A failed transaction answers COMMIT with ROLLBACK.
    const bool kept = whole || std::string_view(PQcmdStatus(answers->back().get())) == "COMMIT";
    return kept ? absl::OkStatus()
                : absl::UnavailableError("PostgreSQL: the transaction was rolled back");
  }
  void Rollback() override {
    begin_waits_ = false;
    if (alive() && PQtransactionStatus(db_) != PQTRANS_IDLE) (void)RunScript("ROLLBACK");
  }

  absl::StatusOr<Result> Run(const std::string& sql, const std::vector<Value>& values) override {
    WL_ASSIGN_OR_RETURN(std::vector<Result> results, RunAll({{.sql = &sql, .values = values}}));
    return std::move(results.front());
  }

  absl::StatusOr<std::vector<Result>> RunAll(const std::vector<Statement>& statements) override {
    if (statements.empty()) return std::vector<Result>();
    WL_ASSIGN_OR_RETURN(const auto answers, RunTogether(statements, nullptr));
    std::vector<Result> results;
    for (const Answer& answer : answers) results.push_back(ResultOf(answer.get()));
    return results;
  }

  absl::Status RunScript(const std::string& sql) override {
    const std::string begun = std::exchange(begin_waits_, false) ? "BEGIN; " + sql : sql;
    PQsendQuery(db_, begun.c_str());
    return Await().status();
  }

 private:
  static std::string Trimmed(const char* text) {
    return std::string(absl::StripTrailingAsciiWhitespace(text));
  }

  // In one round trip, with BEGIN before them if that waits, and `end` after them. Gives the
  // answers to all but BEGIN.
  absl::StatusOr<std::vector<Answer>> RunTogether(const std::vector<Statement>& statements,
                                                  const char* end) {
    std::vector<std::string> names;
    for (const Statement& statement : statements) {
      WL_ASSIGN_OR_RETURN(names.emplace_back(), Prepare(statement));
    }
    if (PQenterPipelineMode(db_) == 0) return Lost(Trimmed(PQerrorMessage(db_)));
    const size_t first = begin_waits_ ? 1 : 0;
    if (std::exchange(begin_waits_, false)) SendText("BEGIN");
    for (size_t i = 0; i < statements.size(); ++i) Send(names[i], statements[i]);
    if (end != nullptr) SendText(end);
    PQpipelineSync(db_);
    const size_t count = first + statements.size() + (end != nullptr ? 1 : 0);
    WL_ASSIGN_OR_RETURN(std::vector<Answer> answers, AwaitPipeline(count));
    answers.erase(answers.begin(), answers.begin() + static_cast<std::ptrdiff_t>(first));
    return answers;
  }

  // How many rows one changes that must change so many is checked in PostgreSQL, so that no COMMIT
  // follows; the cast fails by its text, which says what was wrong in PostgreSQL's log too.
  absl::StatusOr<std::string> Prepare(const Statement& statement) {
    auto& names = names_[statement.changes ? 1 : 0];
    if (const auto found = names.find(*statement.sql); found != names.end()) return found->second;
    const std::string name = absl::StrCat(statement.changes ? "c" : "s", names.size());
    const std::string count = absl::StrCat("$", statement.values.size() + 1);
    const std::string sql =
        !statement.changes ? *statement.sql
                           : absl::StrCat("WITH changed AS (", *statement.sql,
                                          " RETURNING 1) SELECT CASE WHEN count(*) = CAST(", count,
                                          " AS bigint) THEN 0 ELSE CAST('", kRowsChanged,
                                          "' || count(*) AS integer) END FROM changed");
    PQsendPrepare(db_, name.c_str(), sql.c_str(), 0, nullptr);
    WL_RETURN_IF_ERROR(Await().status());
    return names.emplace(*statement.sql, name).first->second;
  }

  void SendText(const char* sql) {
    PQsendQueryParams(db_, sql, 0, nullptr, nullptr, nullptr, nullptr, 0);
  }

  void Send(const std::string& name, const Statement& statement) {
    const std::vector<Value>& values = statement.values;
    std::vector<std::string> texts(values.size());
    std::vector<const char*> pointers(values.size(), nullptr);
    for (size_t i = 0; i < values.size(); ++i) {
      if (const auto* number = std::get_if<int64_t>(&values[i])) {
        pointers[i] = (texts[i] = std::to_string(*number)).c_str();
      } else if (const auto* text = std::get_if<std::string>(&values[i])) {
        pointers[i] = text->c_str();
      }
    }
    const std::string changes = std::to_string(statement.changes.value_or(0));
    if (statement.changes) pointers.push_back(changes.c_str());
    PQsendQueryPrepared(db_, name.c_str(), static_cast<int>(pointers.size()), pointers.data(),
                        nullptr, nullptr, 0);
  }

  // The next answer; null: there is no more of this statement's. A server that is silent for
  // kMaxAnswerWait is lost.
  absl::StatusOr<Answer> AwaitNext() {
    while (PQisBusy(db_) != 0) {
      pollfd socket{.fd = PQsocket(db_), .events = POLLIN, .revents = 0};
      const int ready = poll(&socket, 1, static_cast<int>(kMaxAnswerWait.count() / 1'000'000));
      if (ready <= 0) return Lost("the server has not answered in time");
      if (PQconsumeInput(db_) == 0) return Lost(Trimmed(PQerrorMessage(db_)));
    }
    return Answer(PQgetResult(db_));
  }

  // Those of `count` statements, or the first failure in them.
  absl::StatusOr<std::vector<Answer>> AwaitPipeline(size_t count) {
    std::vector<Answer> answers;
    absl::Status failure;
    bool ended = true;  // a statement's answers
    for (;;) {
      WL_ASSIGN_OR_RETURN(Answer next, AwaitNext());
      if (next == nullptr && std::exchange(ended, true)) return Lost(Trimmed(PQerrorMessage(db_)));
      if (next == nullptr) continue;
      ended = false;
      const ExecStatusType kind = PQresultStatus(next.get());
      if (kind == PGRES_PIPELINE_SYNC) break;
      const bool fine = kind == PGRES_COMMAND_OK || kind == PGRES_TUPLES_OK;
      if (!fine && failure.ok()) failure = FailureOf(next.get());
      answers.push_back(std::move(next));
    }
    PQexitPipelineMode(db_);
    if (!failure.ok()) return failure;
    if (answers.size() != count) return Lost("the server has not answered every statement");
    return answers;
  }

  // The last answer to what was sent, or the first failure in it.
  absl::StatusOr<Answer> Await() {
    Answer last;
    absl::Status failure;
    for (;;) {
      WL_ASSIGN_OR_RETURN(Answer next, AwaitNext());
      if (next == nullptr) break;
      const ExecStatusType kind = PQresultStatus(next.get());
      if (kind != PGRES_COMMAND_OK && kind != PGRES_TUPLES_OK && failure.ok()) {
        failure = FailureOf(next.get());
      }
      last = std::move(next);
    }
    if (!failure.ok()) return failure;
    if (last == nullptr) return Lost(Trimmed(PQerrorMessage(db_)));
    return last;
  }

  // By the first line of `why`: libpq's guesses come after it.
  absl::Status Lost(const std::string& why) {
    alive_ = false;
    return absl::UnavailableError("PostgreSQL: " + why.substr(0, why.find('\n')));
  }

  // Clients need not see the statement, which is in the whole text.
  static absl::Status FailureOf(const PGresult* result) {
    const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const std::string message =
        absl::StrCat("PostgreSQL: ", primary == nullptr ? "has failed" : primary);
    const std::string_view kind = state == nullptr ? "" : state;
    const bool miscounted = kind == "22P02" && absl::StrContains(message, kRowsChanged);
    absl::Status status = miscounted || MayPass(kind) ? absl::UnavailableError(message)
                                                      : absl::InternalError(message);
    status.SetPayload(kOperatorDetail, absl::Cord(Trimmed(PQresultErrorMessage(result))));
    return status;
  }

  static Result ResultOf(PGresult* answer) {
    Result result;
    result.changed = std::strtoll(PQcmdTuples(answer), nullptr, 10);
    for (int row = 0; row < PQntuples(answer); ++row) result.rows.push_back(RowOf(answer, row));
    return result;
  }

  static Row RowOf(const PGresult* result, int row) {
    Row values(static_cast<size_t>(PQnfields(result)));
    for (int i = 0; i < static_cast<int>(values.size()); ++i) {
      if (PQgetisnull(result, row, i) != 0) continue;
      const char* text = PQgetvalue(result, row, i);
      const Oid type = PQftype(result, i);
      const bool integer = type == kInt2 || type == kInt4 || type == kInt8 || type == kNumeric;
      values[static_cast<size_t>(i)] =
          integer ? Value(int64_t{std::strtoll(text, nullptr, 10)}) : Value(std::string(text));
    }
    return values;
  }

  PGconn* db_ = nullptr;
  bool alive_ = true;
  bool begin_waits_ = false;
  // SQL to its statement's name: of those that may change any number of rows, and of the others.
  std::unordered_map<std::string, std::string> names_[2];
};

class PostgresStore : public Store {
 public:
  explicit PostgresStore(std::string url) : url_(std::move(url)) {}

  absl::StatusOr<std::unique_ptr<Connection>> Connect() override {
    auto connection = std::make_unique<PostgresConnection>();
    WL_RETURN_IF_ERROR(connection->Open(url_));
    return connection;
  }
  bool one_server() const override { return false; }
  // Without the password that a URL may hold.
  std::string Describe() const override {
    const size_t at = url_.rfind('@');
    const size_t host = at == std::string::npos ? url_.find("//") + 2 : at + 1;
    return "PostgreSQL " + url_.substr(host, url_.find('?') - host);
  }

 private:
  const std::string url_;
};

}  // namespace

std::unique_ptr<Store> MakePostgresStore(const std::string& url) {
  return std::make_unique<PostgresStore>(url);
}

}  // namespace waferline::store
