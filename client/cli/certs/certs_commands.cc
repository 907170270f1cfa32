#include "client/cli/certs/certs_commands.h"

#include <boost/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "client/cli/certs/certificate_authority.h"
#include "client/cli/frame/output.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

constexpr int64_t kMaxSeconds = int64_t{100} * 365 * 86'400;

Flag ValidFlag(int64_t days) {
  return IntegerFlag("valid-s", "SECONDS", "how long it is valid", {1, kMaxSeconds})
      .Default(days * 86'400);
}

absl::Status Init(const Arguments& arguments) {
  const std::string& dir = arguments.operand(0);
  WL_RETURN_IF_ERROR(
      CertificateAuthority::Create(dir, "Waferline laboratory CA", arguments.Integer("valid-s")));
  Print("made {}/ca.crt and ca.key; anyone who can read ca.key can issue certificates\n", dir);
  return absl::OkStatus();
}

// "worker/s0" as role and name.
absl::StatusOr<tls::Identity> IdentityOf(const Arguments& arguments) {
  tls::Identity wanted{.trust_domain = arguments.Text("trust-domain"),
                       .cloud = arguments.Text("cloud"),
                       .cell = arguments.Has("cell") ? arguments.Text("cell") : ""};
  const std::string uri =
      absl::StrCat("spiffe://", wanted.trust_domain, "/cloud/", wanted.cloud,
                   wanted.cell.empty() ? "" : "/cell/", wanted.cell, "/", arguments.operand(1));
  const auto identity = tls::ParseIdentity(uri);
  if (!identity.ok()) return UsageError(std::string(identity.status().message()));
  return *identity;
}

absl::Status Issue(const Arguments& arguments) {
  IssueSpec spec{.hosts = arguments.Texts("host"), .valid_seconds = arguments.Integer("valid-s")};
  WL_ASSIGN_OR_RETURN(spec.identity, IdentityOf(arguments));
  if (spec.hosts.empty()) spec.hosts = {"localhost", "127.0.0.1", "::1"};
  spec.folder = absl::StrCat(std::string(tls::Name(spec.identity.role)),
                             spec.identity.name.empty() ? "" : "-", spec.identity.name);
  const std::string& dir = arguments.operand(0);
  WL_ASSIGN_OR_RETURN(const IssuedCertificate issued, CertificateAuthority(dir).Issue(spec));
  Print("issued {}/{}/tls.crt, tls.key and ca.crt for {}\n", dir, issued.folder, issued.uri);
  return absl::OkStatus();
}

absl::Status List(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const auto all, CertificateAuthority(arguments.operand(0)).List());
  if (arguments.json()) {
    boost::json::array out;
    for (const IssuedCertificate& one : all) {
      out.push_back({{"folder", one.folder}, {"id", one.uri}, {"expires_unix", one.expires_unix}});
    }
    PrintText(JsonText(out) + "\n");
    return absl::OkStatus();
  }
  Table table({"folder", "identity", "expires"}, {Table::Align::kLeft});
  for (const IssuedCertificate& one : all) {
    table.Add({one.folder, one.uri,
               absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", absl::FromUnixSeconds(one.expires_unix),
                                absl::UTCTimeZone())});
  }
  table.Print();
  return absl::OkStatus();
}

}  // namespace

Group CertsGroup() {
  const Operand dir{"DIR", "the authority's folder"};
  return {
      .name = "certs",
      .summary = "A certificate authority for a laboratory",
      .commands = {
          {.words = "certs init",
           .summary = "Make an authority in a folder",
           .operands = {dir},
           .flags = {ValidFlag(3650)},
           .examples = {"waferctl certs init lab"},
           .run = Init},
          {.words = "certs issue",
           .summary = "Issue a key and certificate, in place of those of before",
           .operands = {dir, {"ROLE", "frontend, operator, worker/NAME or client/NAME"}},
           .flags = {TextFlag("trust-domain", "DOMAIN", "the SPIFFE trust domain")
                         .Default("waferline.example"),
                     TextFlag("cloud", "NAME", "of the peers that trust each other").Default("lab"),
                     TextFlag("cell", "NAME", "the cell; none if not given"),
                     TextFlag("host", "NAME|IP",
                              "what clients call it; this machine's loopback "
                              "if not given")
                         .Repeatable(),
                     ValidFlag(90)},
           .examples = {"waferctl certs issue lab frontend --host cloud.example",
                        "waferctl certs issue lab worker/shard-0",
                        "waferctl certs issue lab operator"},
           .run = Issue},
          {.words = "certs list",
           .summary = "What was issued, and until when it is valid",
           .operands = {dir},
           .run = List}}};
}

}  // namespace waferline::cli
