#include "server/batches/batch_run.h"

#include "absl/strings/str_cat.h"
#include "server/batches/batch_view.h"
#include "server/batches/line_rows.h"
#include "wafer_backend/base/status.h"

namespace waferline::batches {
namespace {

using store::Connection;

Lease LeaseOf(const BatchRun::Host& host) {
  return {host.server, host.unix_us() + BatchRun::kLease.count() / 1000};
}

}  // namespace

absl::StatusOr<std::shared_ptr<BatchRun>> BatchRun::Open(const Host& host, const Key& key) {
  const auto taken = std::make_shared<bool>(false);
  WL_RETURN_IF_ERROR(host.book->Write([key, lease = LeaseOf(host), taken, now = host.unix_us()](
                                          Connection& connection) -> absl::Status {
    WL_ASSIGN_OR_RETURN(*taken, TakeLease(connection, key, lease, now));
    return absl::OkStatus();
  }));
  if (!*taken) return nullptr;
  WL_ASSIGN_OR_RETURN(Batch batch, host.book->GetBatch(key));
  auto run = std::make_shared<BatchRun>(host, std::move(batch));
  WL_RETURN_IF_ERROR(run->Begin());
  if (!IsOpen(run->batch_.status)) return nullptr;
  return run;
}

absl::Status BatchRun::Begin() {
  auto text = host_.book->Content({batch_.key.tenant, TextOf(batch_, "input_file_id")});
  if (absl::IsNotFound(text.status())) return FailWhole(text.status());
  WL_RETURN_IF_ERROR(text.status());
  text_ = *std::move(text);
  auto input = ReadInput(text_, TextOf(batch_, "endpoint"));
  if (!input.ok()) return FailWhole(input.status());
  return TakeInput(*std::move(input));
}

absl::Status BatchRun::FailWhole(const absl::Status& why) {
  AddFault(&batch_, {0, "invalid_input", std::string(why.message()), ""});
  SetStatus(&batch_, "failed", host_.unix_us());
  return Move("validating", "in_progress");
}

absl::Status BatchRun::TakeInput(Input input) {
  WL_ASSIGN_OR_RETURN(const auto done,
                      host_.book->Read([&](Connection& c) { return ResultLines(c, batch_.key); }));
  WL_ASSIGN_OR_RETURN(const ResultSums sums,
                      host_.book->Read([&](Connection& c) { return SumResults(c, batch_.key); }));
  bytes_ = sums.bytes;
  lines_ = std::move(input.lines);
  SetTotal(&batch_, static_cast<int64_t>(lines_.size() + input.faults.size()));
  std::erase_if(lines_, [&](const Line& line) { return done.contains(line.number); });
  if (batch_.status == "validating") {
    for (const Fault& fault : input.faults) AddFault(&batch_, fault);
    SetStatus(&batch_, "in_progress", host_.unix_us());
    WL_RETURN_IF_ERROR(Move("validating", "validating"));
  }
  for (const Fault& fault : input.faults) {
    if (done.contains(fault.line)) continue;
    Record({.line = fault.line, .ok = false, .row = FaultRow(batch_.key, fault)});
  }
  if (batch_.status != "in_progress") StartNoMore();
  return absl::OkStatus();
}

void BatchRun::Record(LineResult result, SettleUsage settle) {
  bytes_ += static_cast<int64_t>(result.row.size());
  host_.book->WriteLater([key = batch_.key, server = host_.server, result = std::move(result),
                          settle = std::move(settle)](Connection& connection) -> absl::Status {
    WL_ASSIGN_OR_RETURN(const bool kept, KeepRow(connection, key, server, result));
    if (settle) settle(kept);
    return absl::OkStatus();
  });
}

void BatchRun::RecordFault(const Line& line, const char* code, const std::string& message) {
  const Fault fault{line.number, code, absl::StrCat("line ", line.number, ": ", message),
                    Read(line).custom_id};
  Record({.line = line.number, .ok = false, .row = FaultRow(batch_.key, fault)});
}

void BatchRun::StartNoMore() {
  next_ = lines_.size();
  again_.clear();
}

void BatchRun::Follow() {
  host_.book->WriteLater(
      [key = batch_.key, lease = LeaseOf(host_), now = host_.unix_us()](Connection& connection) {
        return TakeLease(connection, key, lease, now).status();
      });
  const auto now = host_.book->Read([&](Connection& c) { return FindBatch(c, batch_.key); });
  if (!now.ok() || !*now) return;
  if ((*now)->server != host_.server) {
    // The database was away for longer than the lease.
    over_ = true;
    return StartNoMore();
  }
  if ((*now)->status == "cancelling" && batch_.status != "cancelling") {
    batch_ = **now;
    StartNoMore();
  }
  if (host_.unix_us() >= ExpiresAtUs(batch_)) Expire();
}

std::optional<Line> BatchRun::Next(Nanoseconds now) {
  if (rests_until_ && now < *rests_until_) return std::nullopt;
  rests_until_.reset();
  while (next_ < lines_.size() || !again_.empty()) {
    const Line line = Take();
    if (bytes_ < kMaxResultBytes) {
      ++under_way_;
      return line;
    }
    RecordFault(line, "output_too_large",
                absl::StrCat("the batch's answers have more than ", kMaxResultBytes, " bytes"));
  }
  return std::nullopt;
}

Line BatchRun::Take() {
  if (again_.empty()) return lines_[next_++];
  const Line line = again_.front();
  again_.pop_front();
  return line;
}

LineRequest BatchRun::Read(const Line& line) const {
  return ReadLine(std::string_view(text_).substr(line.begin, line.size));
}

void BatchRun::End(LineResult result, SettleUsage settle) {
  --under_way_;
  Record(std::move(result), std::move(settle));
}

void BatchRun::Return(const Line& line, Nanoseconds rests_until, SettleUsage settle) {
  --under_way_;
  if (settle) {
    host_.book->WriteLater([settle = std::move(settle)](Connection&) {
      settle(false);
      return absl::OkStatus();
    });
  }
  if (over_ || batch_.status != "in_progress") return;
  again_.push_back(line);
  rests_until_ = rests_until;
}

// Its window is over: the lines that have not started say so.
void BatchRun::Expire() {
  if (batch_.status != "in_progress") return;
  while (next_ < lines_.size() || !again_.empty()) {
    RecordFault(Take(), "batch_expired", "the batch's window is over");
  }
  if (batch_.view["expired_at"].is_null()) batch_.view["expired_at"] = Seconds1970();
}

absl::Status BatchRun::Finish() {
  if (over_) return absl::OkStatus();
  // All rows are committed after this one.
  WL_RETURN_IF_ERROR(host_.book->Write([](Connection&) { return absl::OkStatus(); }));
  WL_ASSIGN_OR_RETURN(const auto now,
                      host_.book->Read([&](Connection& c) { return FindBatch(c, batch_.key); }));
  over_ = !now || !IsOpen(now->status) || now->server != host_.server;
  if (over_) return absl::OkStatus();
  const bool cancelled = now->status == "cancelling";
  const bool expired = !batch_.view["expired_at"].is_null();
  if (cancelled) batch_.view["cancelling_at"] = now->view.at("cancelling_at");
  batch_.view["finalizing_at"] = Seconds1970();
  WL_ASSIGN_OR_RETURN(const ResultSums sums,
                      host_.book->Read([&](Connection& c) { return SumResults(c, batch_.key); }));
  SetCounts(&batch_, sums.completed, sums.failed);
  WL_RETURN_IF_ERROR(Keep(true));
  WL_RETURN_IF_ERROR(Keep(false));
  SetStatus(&batch_, cancelled ? "cancelled" : expired ? "expired" : "completed", host_.unix_us());
  WL_RETURN_IF_ERROR(Move("in_progress", "cancelling"));
  host_.book->WriteLater([key = batch_.key](Connection& c) { return EraseResults(c, key); });
  over_ = true;
  return absl::OkStatus();
}

// Makes its good or bad rows a file of its tenant, named after the batch so that it is made once.
absl::Status BatchRun::Keep(bool ok) {
  WL_ASSIGN_OR_RETURN(std::string rows, host_.book->Read([&](Connection& c) {
    return ResultText(c, batch_.key, ok);
  }));
  if (rows.empty()) return absl::OkStatus();
  const Key& batch = batch_.key;
  const char* const kind = ok ? "output" : "error";
  const std::string number = batch.id.substr(batch.id.find('_') + 1);
  const File file{.key = {batch.tenant, absl::StrCat("file-", number, "-", kind)},
                  .name = absl::StrCat(batch.id, "_", kind, ".jsonl"),
                  .purpose = "batch_output",
                  .bytes = static_cast<int64_t>(rows.size()),
                  .created_us = host_.unix_us()};
  batch_.view[absl::StrCat(kind, "_file_id")] = file.key.id;
  return host_.book->Write([file, text = std::make_shared<const std::string>(std::move(rows))](
                               Connection& c) { return InsertFile(c, file, *text); });
}

absl::Status BatchRun::Move(const std::string& from, const std::string& or_from) {
  return host_.book->Write([batch = batch_, from, or_from](Connection& connection) {
    return MoveBatch(connection, batch, from, or_from).status();
  });
}

}  // namespace waferline::batches
