#include "server/config/listen_reader.h"

#include <arpa/inet.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/tls/identity.h"
#include "wafer_backend/base/yaml_optional.h"

namespace waferline::config {
namespace {

bool IsLoopbackAddress(const std::string& address) {
  return address.starts_with("127.") || address == "::1";
}

std::string ReadAddress(YamlForm& form, const char* field, const std::string& otherwise) {
  const std::string address = TextOr(form, field, otherwise);
  in6_addr parsed;  // large enough for both kinds
  if (inet_pton(AF_INET, address.c_str(), &parsed) != 1 &&
      inet_pton(AF_INET6, address.c_str(), &parsed) != 1) {
    form.AddError(field, "\"" + address + "\" must be an IP address, as 127.0.0.1, 0.0.0.0 or ::");
  }
  return address;
}

// Is there an address at which both listen? "::" takes those of IPv4 too.
bool Overlap(const std::string& one, const std::string& other) {
  const auto covers = [](const std::string& all, const std::string& part) {
    return all == "::" || (all == "0.0.0.0" && part.find(':') == std::string::npos);
  };
  return one == other || covers(one, other) || covers(other, one);
}

}  // namespace

std::optional<PortClash> FindPortClash(const ListenConfig& listen) {
  const auto clash = [](const char* field, int port, const char* other) {
    return PortClash{field,
                     absl::StrCat("is ", port, ", as listen.", other,
                                  "; each needs a port of its own, 0 lets the system choose")};
  };
  if (listen.grpc_port != 0 && listen.grpc_port == listen.http_port) {
    return clash("grpc_port", listen.grpc_port, "http_port");
  }
  const int admin = listen.admin_port.value_or(0);
  if (admin == 0 || !Overlap(listen.admin_address, listen.address)) return std::nullopt;
  if (admin == listen.http_port) return clash("admin_port", admin, "http_port");
  if (admin == listen.grpc_port) return clash("admin_port", admin, "grpc_port");
  return std::nullopt;
}

ListenConfig ReadListen(YamlForm form, const PortFlags& ports) {
  ListenConfig out;
  out.address = ReadAddress(form.About("address to listen on"), "address", out.address);
  out.http_port = static_cast<int>(form.About("HTTP port; 0: the system chooses")
                                       .IntegerOr("http_port", out.http_port, 0, 65535));
  out.grpc_port = static_cast<int>(form.About("gRPC port; 0: the system chooses")
                                       .IntegerOr("grpc_port", out.grpc_port, 0, 65535));
  out.http_port = ports.http.value_or(out.http_port);
  out.grpc_port = ports.grpc.value_or(out.grpc_port);
  if (form.About("names that Host may have; any if not given").Has("hosts")) {
    for (YamlForm& host : form.List("hosts")) {
      out.hosts.push_back(host.About("without a port").Text("name"));
      host.RefuseOthers();
    }
  }
  if (form.About("a port of operators' own; none if not given").Has("admin_port")) {
    out.admin_port = static_cast<int>(form.Integer("admin_port", 0, 65535));
    out.admin_address =
        ReadAddress(form.About("address of operators' port"), "admin_address", out.admin_address);
  }
  out.insecure = form.About(
                         "beyond loopback although there are neither api_keys nor tls: every "
                         "machine that reaches it may use it")
                     .Flag("insecure", false);
  if (const auto clash = FindPortClash(out)) {
    const bool by_flag = ports.http || ports.grpc;
    form.AddError(
        clash->field,
        clash->what + (by_flag ? " (--http-port and --grpc-port replace the file's)" : ""));
  }
  form.RefuseOthers();
  return out;
}

TlsConfig ReadTls(YamlForm form, const std::filesystem::path& folder) {
  const auto path = [&folder](const std::string& text) {
    return text.empty() ? text : (folder / text).lexically_normal().string();
  };
  TlsConfig out;
  out.cert = path(form.About("PEM file: own certificate, then those up to its CA").Text("cert"));
  out.key = path(form.About("PEM file: its private key").Text("key"));
  out.ca = path(TextOr(form.About("PEM file: CAs of peers; without it no peer is asked for a "
                                  "certificate"),
                       "ca", ""));
  const double seconds = PlainOr(form.About("how often the files are looked at for new ones"),
                                 "reload_s", 30, Range{1, 86'400});
  out.reload = Nanoseconds(static_cast<int64_t>(seconds * 1e9));
  out.trust_domain =
      TextOr(form.About("with ca; the SPIFFE trust domain of peers; the own certificate's if not "
                        "given"),
             "trust_domain", "");
  if (!out.trust_domain.empty() && out.ca.empty()) {
    form.AddError("trust_domain", "has no effect without ca");
  } else if (!out.trust_domain.empty() && !tls::IsTrustDomain(out.trust_domain)) {
    form.AddError("trust_domain", "may have lower-case letters, digits, '.', '_' and '-'");
  }
  out.required = ChoiceOr<bool>(
      form.About("with ca; whether clients of HTTP and gRPC must have a certificate"),
      "client_certificates", false, {{"optional", false}, {"required", true}});
  if (out.required && out.ca.empty()) {
    form.AddError("client_certificates", "required needs ca");
  }
  YamlForm doors = form.About("which ports speak TLS").OptionalMap("doors");
  out.http = doors.About("HTTP, and operators' own port").Flag("http", true);
  out.grpc = doors.About("gRPC").Flag("grpc", true);
  doors.RefuseOthers();
  out.links =
      form.About("with ca; whether links to worker processes speak TLS").Flag("links", false);
  if (out.links && out.ca.empty()) form.AddError("links", "needs ca");
  form.RefuseOthers();
  return out;
}

TraceConfig ReadTrace(YamlForm form) {
  TraceConfig out;
  out.otlp = TextOr(form.About("http://HOST:4317 of a collector (OTLP/gRPC); "
                               "OTEL_EXPORTER_OTLP_ENDPOINT's if not given"),
                    "otlp", "");
  out.ratio = PlainOr(form.About("share of the requests whose caller does not say, in traceparent, "
                                 "whether they are traced"),
                      "ratio", 1, Range{0, 1});
  form.RefuseOthers();
  return out;
}

void CheckProtection(const ServerConfig& config, YamlForm* root) {
  // A usage database may have keys; the server warns if there are none when it starts.
  if (config.listen.insecure || !config.api_keys.empty() || config.billing.on) return;
  if (config.tls && config.tls->http && config.tls->grpc) return;
  for (const std::string& address : {config.listen.address, config.listen.admin_address}) {
    if (IsLoopbackAddress(address)) continue;
    return root->AddError("listen",
                          address +
                              " can be reached from other machines, and there are neither api_keys "
                              "nor tls; add one of them, or insecure: true to listen all the same");
  }
}

}  // namespace waferline::config
