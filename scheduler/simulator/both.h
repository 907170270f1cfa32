// Two observers at one engine.
#pragma once

#include "scheduler/engine/observer.h"

namespace waferline::simulator {

class Both : public engine::EngineObserver {
 public:
  Both(engine::EngineObserver* first, engine::EngineObserver* second)
      : first_(first), second_(second) {}
  void OnRefused(const engine::SequenceNote& s, policy::RefusalCause cause,
                 Nanoseconds retry) override {
    first_->OnRefused(s, cause, retry);
    second_->OnRefused(s, cause, retry);
  }
  void OnAdmitted(const engine::SequenceNote& s) override {
    first_->OnAdmitted(s);
    second_->OnAdmitted(s);
  }
  void OnPhase(const engine::SequenceNote& s, engine::Phase from, Nanoseconds lasted,
               engine::Phase phase) override {
    first_->OnPhase(s, from, lasted, phase);
    second_->OnPhase(s, from, lasted, phase);
  }
  void OnToken(const engine::TokenNote& token) override {
    first_->OnToken(token);
    second_->OnToken(token);
  }
  void OnOutcome(const engine::OutcomeNote& note) override {
    first_->OnOutcome(note);
    second_->OnOutcome(note);
  }
  void OnRestart(const engine::SequenceNote& s, engine::RestartCause cause) override {
    first_->OnRestart(s, cause);
    second_->OnRestart(s, cause);
  }
  void OnCacheLookup(uint32_t lane, Tokens queried, Tokens hit) override {
    first_->OnCacheLookup(lane, queried, hit);
    second_->OnCacheLookup(lane, queried, hit);
  }
  void OnPrefillStep(uint32_t lane, uint32_t worker, Tokens tokens, Nanoseconds lasts) override {
    first_->OnPrefillStep(lane, worker, tokens, lasts);
    second_->OnPrefillStep(lane, worker, tokens, lasts);
  }
  void OnTransfer(uint32_t lane, uint32_t unit, Bytes bytes) override {
    first_->OnTransfer(lane, unit, bytes);
    second_->OnTransfer(lane, unit, bytes);
  }
  void OnBatchStep(uint32_t lane, uint32_t unit, int sequences, Nanoseconds lasts) override {
    first_->OnBatchStep(lane, unit, sequences, lasts);
    second_->OnBatchStep(lane, unit, sequences, lasts);
  }

 private:
  engine::EngineObserver* first_;
  engine::EngineObserver* second_;
};

}  // namespace waferline::simulator
