// waferctl tenants and keys: who may use a server with a database.
#include <boost/json.hpp>
#include <csignal>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/frame/output.h"
#include "client/cli/serving/account_answers.h"
#include "client/cli/serving/server_flags.h"
#include "client/cli/serving/serving_commands.h"
#include "client/sdk/token_client.h"
#include "wafer_backend/base/command_line/stdout_text.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

std::vector<Flag> KeyFlags() {
  return {TextFlag("tenant", "NAME", "who pays for what it asks").Required(),
          TextFlag("project", "NAME", "of the tenant; usage is split by it"),
          TextFlag("model", "NAME", "a model it may use; all if not given").Repeatable(),
          Switch("admin", "it may operate the server and read all usage"),
          Switch("read-usage", "it may read its tenant's usage"),
          IntegerFlag("expires-days", "N", "never if not given", {1, 36500})};
}

absl::Status ListTenants(const Arguments& arguments) {
  return Report(arguments, AskAccounts(arguments, "GET", "/admin/tenants"), [](const auto& answer) {
    PrintList(answer, "tenants",
              {"name", "plan", "created_at", "disabled_at", "spent_usd", "held_usd"});
  });
}

absl::Status AddTenant(const Arguments& arguments) {
  const std::string& name = arguments.operand(0);
  json::object order{{"name", name}};
  if (arguments.Has("plan")) order["plan"] = arguments.Text("plan");
  const std::string body = JsonText(order);
  return Report(arguments, AskAccounts(arguments, "POST", "/admin/tenants", body),
                [&](const json::object& answer) {
                  const json::value* found = answer.if_contains("found");
                  if (found == nullptr || *found == json::value(false)) {
                    return Print("added tenant {}\n", name);
                  }
                  Print("tenant {} was there already{}\n", name,
                        arguments.Has("plan") ? " and pays by plan " + arguments.Text("plan") : "");
                });
}

absl::Status DisableTenant(const Arguments& arguments) {
  const std::string& name = arguments.operand(0);
  return Report(arguments, AskAccounts(arguments, "DELETE", "/admin/tenants/" + Escaped(name)),
                [&](const auto&) { Print("disabled tenant {}: its keys are refused\n", name); });
}

absl::Status ListKeys(const Arguments& arguments) {
  return Report(arguments, AskAccounts(arguments, "GET", "/admin/keys"), [](const auto& answer) {
    PrintList(answer, "keys",
              {"id", "prefix", "tenant", "project", "admin", "read_usage", "models", "origin",
               "expires_at", "revoked_at"});
  });
}

// A key is shown once, so one that cannot be shown is revoked again; `then` says what else to do.
absl::Status ShowNewKey(const Arguments& arguments, const absl::StatusOr<json::object>& answer,
                        const std::string& then) {
  signal(SIGPIPE, SIG_IGN);  // a reader that has gone is a failed write too
  WL_RETURN_IF_ERROR(Report(arguments, answer, [](const json::object& made) {
    Print("{}\n", CellOf(made, "key"));
    Print("id {}. The key is shown once: keep it now.\n", CellOf(made, "id"));
  }));
  const absl::Status shown = FlushStdout();
  if (shown.ok()) return shown;
  const std::string id = CellOf(*answer, "id");
  const absl::Status revoked =
      AskAccounts(arguments, "DELETE", "/admin/keys/" + Escaped(id)).status();
  if (revoked.ok()) {
    return {shown.code(),
            absl::StrCat(shown.message(), "; the new key ", id, " is revoked again", then)};
  }
  // Of a server without keys, or in the place of the operator's own: no other key may revoke it.
  const bool only = absl::IsUnauthenticated(revoked);
  return {shown.code(),
          absl::StrCat(shown.message(), "; the new key ", id, " is valid: ",
                       only ? CellOf(*answer, "key") : "revoke it by waferctl keys revoke " + id,
                       "; it could not be revoked: ", revoked.message())};
}

absl::Status CreateKey(const Arguments& arguments) {
  json::object body{{"tenant", arguments.Text("tenant")},
                    {"admin", arguments.On("admin")},
                    {"read_usage", arguments.On("read-usage")}};
  if (arguments.Has("project")) body["project"] = arguments.Text("project");
  if (arguments.Has("model")) body["models"] = json::value_from(arguments.Texts("model"));
  if (arguments.Has("expires-days")) {
    body["expires_in_s"] = arguments.Integer("expires-days") * 24 * 3600;
  }
  const auto made = AskAccounts(arguments, "POST", "/admin/keys", JsonText(body));
  if (!made.ok()) return NamedByFlags(made.status(), KeyFlags());
  return ShowNewKey(arguments, made, "");
}

absl::Status RotateKey(const Arguments& arguments) {
  const json::object body{{"overlap_s", arguments.Integer("overlap-hours") * 3600}};
  const std::string& id = arguments.operand(0);
  const std::string path = "/admin/keys/" + Escaped(id) + "/rotate";
  return ShowNewKey(arguments, AskAccounts(arguments, "POST", path, JsonText(body)),
                    absl::StrCat("; ", id, " ends all the same, as --overlap-hours says"));
}

absl::Status RevokeKey(const Arguments& arguments) {
  const std::string& id = arguments.operand(0);
  return Report(arguments, AskAccounts(arguments, "DELETE", "/admin/keys/" + Escaped(id)),
                [&](const auto&) { Print("revoked key {}\n", id); });
}

std::vector<Command> TenantCommands() {
  const std::vector<Operand> name = {{"NAME", "the tenant"}};
  return {{.words = "tenants list",
           .summary = "List tenants, and what they spent",
           .flags = HttpServerFlags(),
           .examples = {"waferctl tenants list --json"},
           .run = ListTenants},
          {.words = "tenants add",
           .summary = "Add a tenant, enable a disabled one, or change its plan",
           .operands = name,
           .flags = WithServer({TextFlag(
               "plan", "NAME", "how it pays, of the server's prices; as it goes if not given")}),
           .examples = {"waferctl tenants add acme --plan developer"},
           .run = AddTenant},
          {.words = "tenants disable",
           .summary = "Refuse all keys of a tenant",
           .operands = name,
           .flags = HttpServerFlags(),
           .examples = {"waferctl tenants disable acme"},
           .run = DisableTenant}};
}

std::vector<Command> KeyCommands() {
  const std::vector<Operand> id = {{"ID", "the key's id, from 'keys list'"}};
  return {{.words = "keys list",
           .summary = "List API keys",
           .flags = HttpServerFlags(),
           .examples = {"waferctl keys list"},
           .run = ListKeys},
          {.words = "keys create",
           .summary = "Make an API key, which is shown once",
           .flags = WithServer(KeyFlags()),
           .examples = {"waferctl keys create --tenant acme --project search --expires-days 90"},
           .run = CreateKey},
          {.words = "keys rotate",
           .summary = "Make a key like another, which ends after a while",
           .operands = id,
           .flags = WithServer(
               {IntegerFlag("overlap-hours", "N", "how long the old key goes on", {0, 90 * 24})
                    .Default(24)}),
           .examples = {"waferctl keys rotate key_0123456789abcdef --overlap-hours 1"},
           .run = RotateKey},
          {.words = "keys revoke",
           .summary = "End a key at once",
           .operands = id,
           .flags = HttpServerFlags(),
           .examples = {"waferctl keys revoke key_0123456789abcdef"},
           .run = RevokeKey}};
}

}  // namespace

Group AccountsGroup() {
  Group group{
      .name = "accounts", .summary = "Tenants, keys, limits and usage of a server", .commands = {}};
  for (auto make : {TenantCommands, KeyCommands, QuotaCommands}) {
    for (Command& command : make()) group.commands.push_back(std::move(command));
  }
  group.commands.push_back(UsageCommand());
  return group;
}

}  // namespace waferline::cli
