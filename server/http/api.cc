#include "server/http/api.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/http/api_description.h"
#include "server/http/api_route.h"
#include "server/http/model_routes.h"
#include "server/http/origin.h"
#include "server/http/page_routes.h"
#include "server/serving/access.h"
#include "wafer_backend/base/strings.h"

namespace waferline::http {
namespace {

constexpr char kJson[] = "application/json";

// Whether the page that asks, if one does, is of this machine or this server.
bool MayRead(const Request& request) {
  const std::string_view origin = request.Header("origin");
  return origin.empty() || IsLoopbackOrigin(origin) || IsOwnOrigin(request);
}

// Lets such pages read the answer (CORS).
Headers OriginHeaders(const Request& request) {
  const std::string_view origin = request.Header("origin");
  if (origin.empty() || !MayRead(request)) return {};
  Headers headers = {
      {"access-control-allow-origin", std::string(origin)},
      {"vary", "origin"},
      {"access-control-expose-headers",
       "x-request-id, x-waferline-warnings, retry-after, retry-after-ms, traceparent, "
       "tracestate"}};
  if (request.method == "OPTIONS") {
    const std::string_view wanted = request.Header("access-control-request-headers");
    headers.emplace_back("access-control-allow-methods", "GET, HEAD, POST, DELETE, OPTIONS");
    headers.emplace_back("access-control-allow-headers", wanted.empty() ? "*" : wanted);
    headers.emplace_back("access-control-max-age", "600");
  }
  return headers;
}

}  // namespace

bool Api::Route::Matches(std::string_view asked) const {
  if (name == std::string_view::npos) return path == asked;
  if (!asked.starts_with(path.substr(0, name))) return false;
  std::string_view rest = path.substr(name + kName.size());
  asked.remove_prefix(name);
  if (const size_t second = rest.find(kSecondName); second != std::string_view::npos) {
    const size_t at = asked.find(rest.substr(0, second), 1);
    if (at == std::string_view::npos) return false;
    asked.remove_prefix(at + second);
    rest.remove_prefix(second + kSecondName.size());
  }
  return asked.size() > rest.size() && asked.ends_with(rest);
}

Api::Found Api::Find(std::string_view path, std::string_view method) {
  path = WithoutAlias(path);
  if (method == "HEAD") method = "GET";
  Found found;
  for (const Route& route : Routes()) {
    if (!route.Matches(path)) continue;
    // A path belongs to the first that it matches, and to those that share its name.
    if (found.path.empty()) found.path = route.path;
    if (found.path != route.path) continue;
    if (route.method == method) found.route = &route;
    found.methods += route.method == "GET" ? "GET, HEAD, " : absl::StrCat(Absl(route.method), ", ");
  }
  return found;
}

std::string_view Api::RouteOf(std::string_view path) {
  const Found found = Find(path, "");
  return found.path.empty() ? "other" : found.path;
}

Api::Api(Generations* generations, Operations operations, Access access,
         std::function<void(std::function<void()>)> post)
    : generations_(generations),
      operations_(std::move(operations)),
      access_(std::move(access)),
      post_(std::move(post)),
      admin_(generations->deps().admin_port, generations, post_),
      accounts_(generations, post_),
      live_feed_(operations_.live, post_) {}

void Api::Handle(std::shared_ptr<Exchange> exchange) {
  const Request& request = exchange->request();
  std::string request_id = generations_->deps().ids->IdFor(request.Header("x-request-id"));
  exchange->AddHeader("x-request-id", request_id);
  for (auto& [name, value] : OriginHeaders(request)) {
    exchange->AddHeader(std::move(name), std::move(value));
  }
  Verdict verdict = Judge(request);
  std::optional<trace::Tracer::Started> trace = StartTrace(*exchange);
  if (verdict.refusal) return exchange->Send(*std::move(verdict.refusal));
  const Call call{std::move(exchange), std::move(verdict.caller), std::move(request_id),
                  std::move(trace)};
  const Route& route = *verdict.route;
  if (route.answer != nullptr) return route.answer(*generations_, call);
  if (route.order != nullptr) return (admin_.*route.order)(call);
  if (route.account != nullptr) return (accounts_.*route.account)(call);
  (this->*route.handler)(call);
}

// The answer says which trace it belongs to, if it belongs to one.
std::optional<trace::Tracer::Started> Api::StartTrace(Exchange& exchange) const {
  const Request& request = exchange.request();
  std::string state;  // may come in several fields (RFC 9110, 5.3)
  for (const auto& [name, value] : request.headers) {
    if (name == "tracestate") absl::StrAppend(&state, state.empty() ? "" : ",", value);
  }
  auto started = generations_->deps().tracer->Start(
      trace::ReadTraceContext(request.Header("traceparent"), state));
  if (!started) return started;
  exchange.AddHeader("traceparent", trace::TraceparentOf(started->context));
  if (!started->context.state.empty()) exchange.AddHeader("tracestate", started->context.state);
  return started;
}

std::optional<Reply> Api::Admit(const Request& request) const {
  Verdict verdict = Judge(request);
  std::optional<Reply> refusal = std::move(verdict.refusal);
  if (!refusal && verdict.route->guard == Guard::kKey) {
    const absl::Status memory = generations_->deps().memory->Check();
    if (!memory.ok()) refusal = generations_->ErrorReply(request, memory, Nanoseconds(0));
  }
  if (!refusal) return std::nullopt;
  Headers more = OriginHeaders(request);
  more.emplace_back("x-request-id",
                    generations_->deps().ids->IdFor(request.Header("x-request-id")));
  refusal->headers.insert(refusal->headers.end(), more.begin(), more.end());
  return refusal;
}

// `path` as the table has it.
bool Api::InScope(std::string_view path) const {
  static constexpr std::array<std::string_view, 7> kOfBoth = {
      "/health", "/live", "/ready", "/ping", "/metrics", "/", "/page/{id}"};
  if (access_.scope == Access::Scope::kAll) return true;
  if (std::find(kOfBoth.begin(), kOfBoth.end(), path) != kOfBoth.end()) return true;
  return path.starts_with("/admin/") == (access_.scope == Access::Scope::kOperators);
}

bool Api::MayBeCalled(const Request& request) const {
  if (access_.hosts.empty()) return true;
  const std::string_view host = request.Header("host");
  if (request.peer.from_loopback && IsLoopbackHost(host)) return true;
  return std::any_of(access_.hosts.begin(), access_.hosts.end(),
                     [host](const std::string& name) { return IsNamed(host, name); });
}

Api::Verdict Api::Judge(const Request& request) const {
  if (!MayBeCalled(request)) {
    return {.refusal = Failure(request,
                               {421, "the name in Host is none of this server's (listen.hosts)"})};
  }
  if (request.path == "*") return {.refusal = Reply{.code = 204}};  // OPTIONS *
  const auto [path, route, methods] = Find(request.path, request.method);
  if (path.empty() || !InScope(path)) {
    return {.refusal = Failure(request, {404, absl::StrCat("there is no ", Absl(request.path),
                                                           " here; /docs lists what there is")})};
  }
  const std::string allowed = methods + "OPTIONS";
  if (request.method == "OPTIONS") {
    return {.refusal = Reply{.code = 204, .headers = {{"allow", allowed}}}};
  }
  if (route == nullptr) {
    std::string message = absl::StrCat(request.path, " takes ", allowed, ", not ", request.method);
    return {.refusal = Failure(request, {405, std::move(message), {{"allow", allowed}}})};
  }
  const bool is_read = route->method == "GET";
  if (!is_read && !MayRead(request)) {
    return {.refusal = Failure(request, {403, "pages of other machines may not post here"})};
  }
  auto caller = Authorize(*route, request);
  if (!caller.ok())
    return {.refusal = generations_->ErrorReply(request, caller.status(), Nanoseconds(0))};
  return {.route = route, .caller = *std::move(caller)};
}

absl::StatusOr<tenancy::Caller> Api::Authorize(const Route& route, const Request& request) const {
  const serving::ServerDeps& deps = generations_->deps();
  std::string authorization(request.Header("authorization"));
  // Anthropic's header for a key.
  const std::string_view key = request.Header("x-api-key");
  if (authorization.empty() && !key.empty()) authorization = absl::StrCat("Bearer ", Absl(key));
  const serving::Origin origin{IsFromThisMachine(request), request.peer.identity};
  switch (route.guard) {
    case Guard::kOpen:
      return tenancy::Caller{};
    case Guard::kKey:
      return serving::Authenticate(deps, authorization);
    case Guard::kUsage:
      return serving::AuthorizeUsage(deps, authorization, origin);
    case Guard::kAdmin:
      break;
  }
  return serving::AuthorizeAdmin(deps, authorization, origin);
}

Reply Api::Failure(const Request& request, Fault fault) const {
  return {
      .code = fault.code,
      .content_type = kJson,
      .body = openai::ErrorBody(fault.code, fault.message, generations_->ErrorShapeFor(request)),
      .headers = std::move(fault.headers)};
}

void Api::Docs(const Call& call) {
  const std::string page = DocsPage(Descriptions());
  call.exchange->Send({.content_type = "text/html", .body = page, .headers = PageHeaders()});
}

void Api::OpenApi(const Call& call) {
  const std::string version = generations_->deps().admin_port->Facts().version;
  call.exchange->Send({.content_type = kJson, .body = OpenApiText(Descriptions(), version)});
}

std::vector<RouteDescription> Api::Descriptions() {
  std::vector<RouteDescription> all;
  for (const Route& route : Routes()) {
    all.push_back({.path = route.path,
                   .method = route.method,
                   .about = route.about,
                   .needs = route.guard == Guard::kOpen  ? RouteDescription::Needs::kNothing
                            : route.guard == Guard::kKey ? RouteDescription::Needs::kKey
                                                         : RouteDescription::Needs::kOperator});
  }
  return all;
}

}  // namespace waferline::http
