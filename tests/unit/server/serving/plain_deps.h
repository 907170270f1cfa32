// What a front end needs besides an engine, models and operators, with nothing limited.
#pragma once

#include "server/serving/server_deps.h"

namespace waferline::serving {

struct PlainDeps {
  ServerDeps With(FrontDoor* door, const text::ModelCatalog* models, admin::AdminPort* admin) {
    return {.front_door = door,
            .models = models,
            .keys = &keys,
            .budgets = &budgets,
            .ledger = &ledger,
            .meter = &meter,
            .accounts = &accounts,
            .books = &books,
            .metrics = &metrics,
            .admin_port = admin,
            .ids = &ids,
            .texts = &texts,
            .memory = &memory,
            .tracer = &tracer,
            .log = &log,
            .clock = {.monotonic = [] { return Nanoseconds(0); },
                      .unix_seconds = [] { return int64_t{0}; }}};
  }

  tenancy::ApiKeys keys;
  tenancy::Budgets budgets{{}, {}};
  tenancy::UsageLedger ledger;
  metering::UsageMeter meter;
  accounts::Accounts accounts{{}};
  accounts::Books books{{}};
  metrics::FrontMetrics metrics;
  RequestIdSource ids{1};
  TextWorker texts{[] { return Nanoseconds(0); }};
  MemoryGate memory;
  trace::Tracer tracer{{}};
  RequestLog log;
};

}  // namespace waferline::serving
