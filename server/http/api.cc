#include "server/http/api.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/http/api_description.h"
#include "server/http/model_routes.h"
#include "server/http/origin.h"
#include "server/http/page_routes.h"
#include "server/serving/access.h"
#include "wafer_backend/base/strings.h"

namespace waferline::http {
namespace {

constexpr char kJson[] = "application/json";

enum class Guard { kOpen, kKey, kAdmin };

// Whether the page that asks, if one does, is of this machine or this server.
bool MayRead(const Request& request) {
  const std::string_view origin = request.Header("origin");
  return origin.empty() || IsLoopbackOrigin(origin) || IsOwnOrigin(request);
}

// Lets such pages read the answer (CORS).
Headers OriginHeaders(const Request& request) {
  const std::string_view origin = request.Header("origin");
  if (origin.empty() || !MayRead(request)) return {};
  Headers headers = {{"access-control-allow-origin", std::string(origin)},
                     {"vary", "origin"},
                     {"access-control-expose-headers",
                      "x-request-id, x-waferline-warnings, retry-after, retry-after-ms"}};
  if (request.method == "OPTIONS") {
    const std::string_view wanted = request.Header("access-control-request-headers");
    headers.emplace_back("access-control-allow-methods", "GET, HEAD, POST, DELETE, OPTIONS");
    headers.emplace_back("access-control-allow-headers", wanted.empty() ? "*" : wanted);
    headers.emplace_back("access-control-max-age", "600");
  }
  return headers;
}

}  // namespace

// Who answers: the api itself, or a function of one of the others.
struct Api::Route {
  std::string_view path;    // "{id}" stands for any name
  std::string_view method;  // GET also answers HEAD
  Guard guard;
  std::string_view about;
  void (*answer)(Generations&, const Call&) = nullptr;
  void (Api::*handler)(const Call&) = nullptr;
  void (AdminRoutes::*order)(const Call&) const = nullptr;

  bool Matches(std::string_view asked) const;
};

bool Api::Route::Matches(std::string_view asked) const {
  constexpr std::string_view kName = "{id}";
  const size_t name = path.find(kName);
  if (name == std::string_view::npos) return path == asked;
  const std::string_view rest = path.substr(name + kName.size());
  return asked.size() > name + rest.size() && asked.starts_with(path.substr(0, name)) &&
         asked.ends_with(rest);
}

std::span<const Api::Route> Api::Routes() {
  static constexpr Route kRoutes[] = {
      {"/v1/completions", "POST", Guard::kKey, "Continues a text.", Completions},
      {"/v1/chat/completions", "POST", Guard::kKey, "Answers a chat.", ChatCompletions},
      {"/v1/responses", "POST", Guard::kKey, "Answers, and may keep the answer.", Responses},
      {"/v1/responses/{id}", "GET", Guard::kKey, "An answer that was kept.", OneResponse},
      {"/v1/responses/{id}", "DELETE", Guard::kKey, "Forgets it.", DeleteResponse},
      {"/v1/messages", "POST", Guard::kKey, "Answers a chat, as Anthropic's clients ask.",
       Messages},
      {"/v1/messages/count_tokens", "POST", Guard::kKey, "Counts a chat's tokens.",
       CountMessageTokens},
      {"/v1/embeddings", "POST", Guard::kKey, "Vectors of texts.", Embeddings},
      {"/v1/models", "GET", Guard::kKey, "Lists the models.", Models},
      {"/v1/models/{id}", "GET", Guard::kKey, "Describes one model.", OneModel},
      {"/v1/tcp_warming", "GET", Guard::kOpen, "Does nothing: opens a connection.", Warm},
      {"/tokenize", "POST", Guard::kKey, "Tokens of a text.", Tokenize},
      {"/detokenize", "POST", Guard::kKey, "Text of tokens.", Detokenize},
      {"/tokenizer_info", "GET", Guard::kKey, "The first model's tokenizer.", TokenizerInfo},
      {"/tokenizer_info/{id}", "GET", Guard::kKey, "A model's tokenizer.", TokenizerInfo},
      {"/health", "GET", Guard::kOpen, "Whether the engine makes progress.", nullptr,
       &Api::HealthPage},
      {"/live", "GET", Guard::kOpen, "The same.", nullptr, &Api::Live},
      {"/ready", "GET", Guard::kOpen, "Whether requests are taken.", nullptr, &Api::Ready},
      {"/metrics", "GET", Guard::kOpen, "Prometheus text.", nullptr, &Api::Metrics},
      {"/", "GET", Guard::kOpen, "A page that shows the running cloud.", Page},
      {"/page/{id}", "GET", Guard::kOpen, "The page's files.", PageAsset},
      {"/version", "GET", Guard::kOpen, "This build's version.", Version},
      {"/docs", "GET", Guard::kOpen, "This list.", nullptr, &Api::Docs},
      {"/openapi.json", "GET", Guard::kOpen, "This list for programs.", nullptr, &Api::OpenApi},
      {"/admin/layout", "GET", Guard::kAdmin, "Where each model lies on which wafers.", nullptr,
       &Api::Layout},
      {"/admin/live", "GET", Guard::kAdmin, "Looks at the cloud, two a second.", nullptr,
       &Api::Watch},
      {"/admin/server", "GET", Guard::kAdmin, "Version, clock and models.", nullptr, nullptr,
       &AdminRoutes::Server},
      {"/admin/load", "GET", Guard::kAdmin, "What waits and runs, and the schedule's digest.",
       nullptr, nullptr, &AdminRoutes::Load},
      {"/admin/usage", "GET", Guard::kAdmin, "What each tenant used.", nullptr, nullptr,
       &AdminRoutes::Usage},
      {"/admin/drain", "POST", Guard::kAdmin, "Takes no new requests from now on.", nullptr,
       nullptr, &AdminRoutes::Drain},
      {"/admin/abort", "POST", Guard::kAdmin, "Ends one request.", nullptr, nullptr,
       &AdminRoutes::Abort},
      {"/admin/reset_prefix_cache", "POST", Guard::kAdmin, "Empties the prefix caches.", nullptr,
       nullptr, &AdminRoutes::ResetPrefixCaches},
      {"/admin/faults", "POST", Guard::kAdmin, "Breaks, slows or repairs emulated hardware.",
       nullptr, nullptr, &AdminRoutes::ApplyFault},
  };
  return kRoutes;
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
      live_feed_(operations_.live, post_) {}

void Api::Handle(std::shared_ptr<Exchange> exchange) {
  const Request& request = exchange->request();
  std::string request_id = generations_->deps().ids->IdFor(request.Header("x-request-id"));
  exchange->AddHeader("x-request-id", request_id);
  for (auto& [name, value] : OriginHeaders(request)) {
    exchange->AddHeader(std::move(name), std::move(value));
  }
  Verdict verdict = Judge(request);
  if (verdict.refusal) return exchange->Send(*std::move(verdict.refusal));
  const Call call{std::move(exchange), std::move(verdict.caller), std::move(request_id)};
  const Route& route = *verdict.route;
  if (route.answer != nullptr) return route.answer(*generations_, call);
  if (route.order != nullptr) return (admin_.*route.order)(call);
  (this->*route.handler)(call);
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
  static constexpr std::array<std::string_view, 4> kOfBoth = {"/health", "/live", "/ready",
                                                              "/metrics"};
  if (access_.scope == Access::Scope::kAll) return true;
  if (std::find(kOfBoth.begin(), kOfBoth.end(), path) != kOfBoth.end()) return true;
  return path.starts_with("/admin/") == (access_.scope == Access::Scope::kOperators);
}

bool Api::MayBeCalled(const Request& request) const {
  if (access_.hosts.empty()) return true;
  const std::string_view host = request.Header("host");
  if (request.from_loopback && IsLoopbackHost(host)) return true;
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
  switch (route.guard) {
    case Guard::kOpen:
      return tenancy::Caller{};
    case Guard::kKey:
      return serving::Authenticate(deps, authorization);
    case Guard::kAdmin:
      break;
  }
  return serving::AuthorizeAdmin(deps, authorization, IsFromThisMachine(request));
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
