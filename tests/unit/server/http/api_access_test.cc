// Who may ask what: keys, scopes, operators, pages of other origins.
#include <catch2/catch.hpp>

#include "tests/unit/server/http/api_fixture.h"

namespace waferline::http {

TEST_CASE("keys: who may ask, for what") {
  Fixture fixture({.keys = {{.key = "k1", .tenant = "t1", .models = {"bytes"}},
                            {.key = "k2", .tenant = "t2", .admin = true}}});
  RawClient client(fixture.port);
  const auto ask = [&](const std::string& request) {
    client.Send(request);
    return client.ReadResponse();
  };
  const std::string k1 = "authorization: Bearer k1\r\n", k2 = "authorization: Bearer k2\r\n";
  CHECK(ask(Get("/v1/models")).code == 401);
  CHECK(ask(Get("/v1/models", "authorization: Bearer no\r\n")).code == 401);
  CHECK(ask(Get("/v1/models", k1)).code == 200);
  CHECK(ask(Get("/health")).code == 200);
  CHECK(ask(Get("/metrics")).code == 200);
  CHECK(ask(Get("/v1/tcp_warming")).code == 200);
  CHECK(ask(Post("/v1/completions", R"({"model":"mute","prompt":"a"})", k1)).code == 403);
  CHECK(ask(Post("/admin/drain", "", k1)).code == 403);
  CHECK(ask(Get("/admin/load", k1)).code == 403);
  CHECK(fixture.admin.orders() == 0);
  CHECK(ask(Post("/admin/drain", "", k2)).body == R"({"status":"draining","in_flight":7})");
  CHECK(fixture.admin.orders() == 1);
  client.Send(Post("/v1/completions", kText + "}", k1));
  CHECK(fixture.door.request(0)->tenant == "t1");
  fixture.door.sink(0)->OnRefused({absl::UnavailableError("x"), Seconds(1)});
  client.ReadResponse();
}

TEST_CASE("a port answers what is in its scope, by the names that it has") {
  const auto code = [](Fixture& fixture, const std::string& path, const std::string& host) {
    RawClient client(fixture.port);
    client.Send("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    return client.ReadResponse().code;
  };
  Fixture clients({.access = {Access::Scope::kClients, {"api.example.org"}}});
  CHECK(code(clients, "/v1/models", "api.example.org") == 200);
  CHECK(code(clients, "/v1/models", "API.example.org:8080") == 200);
  CHECK(code(clients, "/v1/models", "localhost:8080") == 200);
  CHECK(code(clients, "/v1/models", "evil.example.org") == 421);
  CHECK(code(clients, "/v1/models", "api.example.org.evil.com") == 421);
  CHECK(code(clients, "/ready", "evil.example.org") == 421);
  CHECK(code(clients, "/admin/server", "localhost") == 404);
  Fixture operators({.access = {Access::Scope::kOperators, {}}});
  CHECK(code(operators, "/admin/server", "localhost") == 200);
  CHECK(code(operators, "/ready", "localhost") == 200);
  CHECK(code(operators, "/v1/models", "localhost") == 404);
}

TEST_CASE("operators ask, give orders and learn what is wrong with them") {
  Fixture fixture;
  RawClient client(fixture.port);
  const auto ask = [&](const std::string& request) {
    client.Send(request);
    return client.ReadResponse();
  };
  CHECK(ask(Get("/admin/server")).body ==
        R"({"version":"1.2.3","clock":"real","speed":1.0,"models":["bytes"]})");
  const json::value load = json::parse(ask(Get("/admin/load")).body);
  CHECK(load.at("state").as_string() == "ready");
  CHECK(load.at("models").at(0).at("units").at(1).at("name").as_string() == "wafers-1");
  CHECK(load.at("models").at(0).at("units").at(1).at("alive").as_bool());
  CHECK(ask(Post("/admin/reset_prefix_cache", "")).body == R"({"status":"reset"})");
  CHECK(ask(Post("/admin/abort", R"({"request_id":"victim"})")).body == R"({"aborted":2})");
  CHECK(ask(Post("/admin/abort", R"({"request_id":"unknown"})")).body == R"({"aborted":0})");
  CHECK(ask(Get("/admin/drain")).code == 405);

  CHECK(
      ask(Post("/admin/faults", R"({"fault":"unit_slow","model":"bytes","index":1,"factor":2.5})"))
          .body == R"({"status":"applied"})");
  const admin::FaultOrder order = fixture.admin.last_fault();
  CHECK(order.fault.kind == "unit_slow");
  CHECK(order.model == "bytes");
  CHECK(order.fault.index == 1);
  CHECK(order.fault.factor == 2.5);

  CHECK(ask(Post("/admin/faults", R"({"fault":"stage_slow","model":"bytes","stage":3,"factor":2})"))
            .code == 200);
  CHECK(fixture.admin.last_fault().fault.kind == "stage_slow");
  CHECK(fixture.admin.last_fault().fault.stage == 3);

  CHECK(ask(Post("/admin/faults", R"({"fault":"power_cap","model":"bytes","watts":12000})")).code ==
        200);
  CHECK(fixture.admin.last_fault().fault.kind == "power_cap");
  CHECK(fixture.admin.last_fault().fault.watts == 12000);

  const auto [path, body, param] = GENERATE(table<std::string, std::string, std::string>({
      {"abort", R"({})", "request_id"},
      {"abort", R"({"request_id":7})", "request_id"},
      {"abort", R"({"request_id":"a","id":"b"})", "id"},
      {"abort", R"({"request_id":"a","tenant":7})", "tenant"},
      {"faults", R"({"model":"bytes"})", "fault"},
      {"faults", R"({"fault":"meteor","model":"bytes"})", "fault"},
      {"faults", R"({"fault":"unit_lost"})", "model"},
      {"faults", R"({"fault":"unit_lost","model":"none"})", "model"},
      {"faults", R"({"fault":"unit_lost","model":"bytes","index":-1})", "index"},
      {"faults", R"({"fault":"unit_lost","model":"bytes","index":9})", "index"},
      {"faults", R"({"fault":"unit_lost","model":"bytes","factor":2})", "factor"},
      {"faults", R"({"fault":"unit_slow","model":"bytes"})", "factor"},
      {"faults", R"({"fault":"link_speed","model":"bytes","factor":"half"})", "factor"},
      {"faults", R"({"fault":"stage_slow","model":"bytes","factor":2})", "stage"},
      {"faults", R"({"fault":"unit_slow","model":"bytes","factor":2,"stage":1})", "stage"},
      {"faults", R"({"fault":"unit_lost","model":"bytes","unit":1})", "unit"},
      {"faults", R"({"fault":"core"})", "model"},
      {"faults", R"({"fault":"core","model":"bytes","place":-1})", "place"},
      {"faults", R"({"fault":"thermal","model":"bytes","clock_share":2})", "clock_share"},
      {"faults", R"({"fault":"wafer","model":"bytes","factor":2})", "factor"},
  }));
  INFO(path << " " << body);
  const auto refused = ask(Post("/admin/" + path, body));
  CHECK(refused.code == 400);
  CHECK(json::parse(refused.body).at("error").at("param").as_string() == param);
  fixture.admin.StopAnswering();
  CHECK(ask(Post("/admin/drain", "")).code == 503);
}

TEST_CASE("pages of this machine may read and post, others may not") {
  Fixture fixture;
  RawClient client(fixture.port);
  const auto ask = [&](const std::string& request) {
    client.Send(request);
    return client.ReadResponse();
  };
  const auto own = ask(Get("/v1/models", "origin: http://localhost:3000\r\n"));
  CHECK(own.Has("access-control-allow-origin: http://localhost:3000"));
  const auto foreign = ask(Get("/v1/models", "origin: http://evil.example\r\n"));
  CHECK(!foreign.Has("access-control-allow-origin"));
  CHECK(ask(Post("/admin/drain", "", "origin: http://evil.example\r\n")).code == 403);
  CHECK(fixture.admin.orders() == 0);
  const auto preflight =
      ask("OPTIONS /v1/chat/completions HTTP/1.1\r\nhost: x\r\norigin: http://127.0.0.1:8\r\n"
          "access-control-request-headers: x-stainless-os\r\n\r\n");
  CHECK(preflight.code == 204);
  CHECK(preflight.Has("access-control-allow-headers: x-stainless-os"));
  CHECK(IsLoopbackOrigin("https://[::1]"));
  CHECK(!IsLoopbackOrigin("http://localhost.evil.example"));
  CHECK(!IsLoopbackOrigin("http://localhost:80.evil.example"));
  CHECK(!IsLoopbackOrigin("null"));
}

TEST_CASE("only this machine itself operates a server without keys") {
  Fixture fixture;
  RawClient client(fixture.port);
  const auto drain = [&](const std::string& host, const std::string& more = "") {
    client.Send("POST /admin/drain HTTP/1.1\r\nhost: " + host + "\r\n" + more +
                "content-length: 0\r\n\r\n");
    return client.ReadResponse().code;
  };
  for (const char* own : {"localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.9.9.9", "[::1]:80"}) {
    INFO(own);
    CHECK(drain(own) == 200);
  }
  // A page whose name points at loopback, and a proxy that says for whom it asks.
  for (const char* rebound : {"evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.io",
                              "0.0.0.0", "[::]", "10.0.0.1", ""}) {
    INFO(rebound);
    CHECK(drain(rebound) == 403);
  }
  CHECK(drain("evil.example", "origin: http://evil.example\r\n") == 403);
  for (const char* forwarded :
       {"x-forwarded-for: 1.2.3.4", "X-Forwarded-For: 127.0.0.1", "x-forwarded-port: 80",
        "forwarded: for=1.2.3.4", "x-real-ip: 1.2.3.4", "via: 1.1 p"}) {
    INFO(forwarded);
    CHECK(drain("localhost", std::string(forwarded) + "\r\n") == 403);
  }
  CHECK(fixture.admin.orders() == 5);
}

}  // namespace waferline::http
