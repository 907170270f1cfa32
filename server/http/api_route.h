// A row of the table of routes. Inner part of api.h.
#pragma once

#include <string_view>

#include "server/http/api.h"

namespace waferline::http {

enum class Guard { kOpen, kKey, kUsage, kAdmin };

// Who answers: the api itself, or a function of one of the others.
struct Api::Route {
  static constexpr std::string_view kName = "{id}", kSecondName = "{child_id}";

  std::string_view path;    // kName stands for any name, kSecondName for one more
  std::string_view method;  // GET also answers HEAD
  Guard guard;
  std::string_view about;
  void (*answer)(Generations&, const Call&) = nullptr;
  void (Api::*handler)(const Call&) = nullptr;
  void (AdminRoutes::*order)(const Call&) const = nullptr;
  void (AccountRoutes::*account)(const Call&) const = nullptr;
  size_t name = path.find(kName);  // where it begins; each request looks at every route

  bool Matches(std::string_view asked) const;
  static constexpr Route OfAccounts(std::string_view path, std::string_view method,
                                    std::string_view about,
                                    void (AccountRoutes::*answer)(const Call&) const) {
    return {path, method, Guard::kAdmin, about, nullptr, nullptr, nullptr, answer};
  }
};

}  // namespace waferline::http
