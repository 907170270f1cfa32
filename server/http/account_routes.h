// Tenants, keys, quotas, invoices and the ledger under /admin/, and the usage API:
// accounts::Accounts and Books as JSON. Api checks who may call them.
//
// Owner: Api. Thread: io. A call is answered after the database has answered, even if the client
// has disconnected meanwhile.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http/generations.h"
#include "server/http/organization_json.h"

namespace waferline::http {

class AccountRoutes {
 public:
  // `generations` must outlive the server. `post` runs a task on the io thread.
  AccountRoutes(const Generations* generations, std::function<void(std::function<void()>)> post)
      : generations_(generations), post_(std::move(post)) {}

  void ListTenants(const Call& call) const;
  void AddTenant(const Call& call) const;
  void DisableTenant(const Call& call) const;
  void ListKeys(const Call& call) const;
  void CreateKey(const Call& call) const;
  void RotateKey(const Call& call) const;
  void RevokeKey(const Call& call) const;
  void ListQuotas(const Call& call) const;
  void SetQuota(const Call& call) const;
  void RemoveQuota(const Call& call) const;
  // An administrator sees all tenants, another key its own.
  void Usage(const Call& call) const;
  void Costs(const Call& call) const;
  // organization_routes.cc
  void ListProjects(const Call& call) const;
  void CreateProject(const Call& call) const;
  void OneProject(const Call& call) const;
  void UpdateProject(const Call& call) const;
  void ArchiveProject(const Call& call) const;
  void ListProjectKeys(const Call& call) const;
  void OneProjectKey(const Call& call) const;
  void DeleteProjectKey(const Call& call) const;
  void ListServiceAccounts(const Call& call) const;
  void CreateServiceAccount(const Call& call) const;
  void OneServiceAccount(const Call& call) const;
  void DeleteServiceAccount(const Call& call) const;
  void ListAdminKeys(const Call& call) const;
  void CreateAdminKey(const Call& call) const;
  void OneAdminKey(const Call& call) const;
  void DeleteAdminKey(const Call& call) const;

  void ListInvoices(const Call& call) const;
  void FindInvoice(const Call& call) const;
  void InvoiceAsFocus(const Call& call) const;
  void InvoiceAsEvents(const Call& call) const;
  void CloseInvoice(const Call& call) const;
  void CreditInvoice(const Call& call) const;
  void VerifyLedger(const Call& call) const;
  void Balances(const Call& call) const;

 private:
  accounts::Accounts& accounts() const { return *generations_->deps().accounts; }
  accounts::Books& books() const { return *generations_->deps().books; }
  // An answer that is text already.
  accounts::Done<std::string> Text(const Call& call, const char* type) const;
  int64_t NowUs() const { return generations_->deps().clock.unix_seconds() * 1'000'000; }
  // What takes a database thread's answer to the io thread, as the JSON that `json` makes of it.
  template <typename Answer, typename Json>
  accounts::Done<Answer> Later(const Call& call, Json json) const {
    return [this, call, json](absl::StatusOr<Answer> answer) {
      post_([this, call, json, answer = std::move(answer)] {
        if (!answer.ok()) return Fail(call, answer.status());
        call.exchange->Send({.content_type = "application/json", .body = json(*answer)});
      });
    };
  }
  static std::string TenantOf(const Call& call, const std::string& asked);
  using ProjectAnswer =
      std::function<void(const accounts::Project&, const std::vector<accounts::Key>&,
                         const accounts::Done<std::string>&)>;
  void WithProject(const Call& call, std::string_view kind, const std::string& tenant,
                   ProjectAnswer then) const;
  void ListOfProject(const Call& call, std::string_view kind, Listed what) const;
  void OneOfProject(const Call& call, std::string_view kind, Listed what) const;
  void DeleteOfProject(const Call& call, std::string_view kind, Listed what) const;
  void Fail(const Call& call, const absl::Status& status) const;

  const Generations* const generations_;
  const std::function<void(std::function<void()>)> post_;
};

}  // namespace waferline::http
