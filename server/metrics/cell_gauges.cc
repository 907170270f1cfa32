// What routers, registries and collectors see of this server: a cell, with all the rest or, for a
// front end that stands by, alone; publishers of KV events; spans.
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/metrics/exposition.h"
#include "server/metrics/snapshot_gauges.h"

namespace waferline::metrics {

void SnapshotGauges::SetCell(const CellFigures& cell) {
  const Labels labels = {{"cell", cell.cell}};
  Put("waferline_cell_epoch", "Number of this front end's last leadership of its cell; 0: none.",
      labels, static_cast<double>(cell.epoch));
  Put("waferline_cell_leading", "1 if this front end leads its cell, 0 if it stands by.", labels,
      cell.leading ? 1 : 0);
  Put("waferline_registry_age_seconds", "Host time since the registry of members last answered.",
      labels, ToSeconds(cell.registry_age));
  Put("waferline_cell_workers", "Workers that the cell has claimed.", labels,
      static_cast<double>(cell.claimed));
  Put("waferline_spare_workers", "Workers that are listed and that no cell has claimed.", labels,
      static_cast<double>(cell.spare));
}

void SnapshotGauges::SetChains(const ComputeFigures& figures) {
  const Labels model = {{"model_name", figures.model}};
  for (size_t i = 0; i < figures.chains.size(); ++i) {
    const ComputeFigures::Chain& chain = figures.chains[i];
    Labels labels = model;
    labels["chain"] = absl::StrCat(i);
    Put("waferline_chain_state",
        "Of a chain of worker processes: 0 it lacks a worker, 1 it is being built, 2 it is up.",
        labels, chain.state);
    Put("waferline_chain_generation",
        "Number of the chain that was built last; how much it grew says how often one was built.",
        labels, static_cast<double>(chain.generation));
    Put("waferline_link_heartbeat_age_seconds",
        "Host time since the worker of the chain that has been silent for longest said anything; "
        "each sends a heartbeat a second.",
        labels, ToSeconds(chain.silence));
    Put("waferline_host_outage_seconds",
        "Host time for which the chain has lacked a worker that it needs; 0: it has all.", labels,
        ToSeconds(chain.outage));
  }
  Count("waferline_chain_moves_total",
        "Sequences that went to another chain because theirs was out.", model,
        static_cast<double>(figures.moved_sequences));
}

void SnapshotGauges::SetKvEvents(const KvEventFigures& publisher) {
  const Labels labels = {{"bind", publisher.bind}};
  Count("waferline_kv_event_batches_total", "Batches of KV events that were published.", labels,
        static_cast<double>(publisher.batches));
  Count("waferline_kv_events_dropped_total", "KV events that were dropped: the queue was full.",
        labels, static_cast<double>(publisher.dropped));
}

void SnapshotGauges::SetCertificate(int64_t expires_unix) {
  Put("waferline_tls_certificate_expires_seconds",
      "Unix time at which the server's own certificate ends.", {},
      static_cast<double>(expires_unix));
}

void SnapshotGauges::SetSpans(const SpanFigures& spans) {
  for (const auto& [result, count] :
       {std::pair{"exported", spans.exported}, std::pair{"dropped", spans.dropped},
        std::pair{"failed", spans.failed}}) {
    Count(
        "waferline_trace_spans_total",
        "Spans of requests: exported, dropped (too many waited), failed (the collector took none).",
        {{"result", result}}, static_cast<double>(count));
  }
}

std::string StandbyText(const CellFigures& cell, const std::vector<std::string>& names) {
  Families families;
  SnapshotGauges gauges(families, {});
  gauges.Set({}, {.cell = cell}, names);
  return families.Text(names);
}

}  // namespace waferline::metrics
