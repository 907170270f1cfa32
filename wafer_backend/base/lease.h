// A claim on part of a bounded capacity (SRAM bytes of a stage, slots of a wafer, tokens of a
// budget), released when the lease dies. Move-only; the pool must outlive its leases. Thread: the
// pool's owner's.
#pragma once

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/base/check.h"

namespace waferline {

// `Amount` is a Quantity (Bytes, Tokens).
template <typename Amount>
class LeasePool {
 public:
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& o) noexcept
        : pool_(std::exchange(o.pool_, nullptr)), amount_(std::exchange(o.amount_, Amount())) {}
    Lease& operator=(Lease&& o) noexcept {
      if (this != &o) {
        Release();
        pool_ = std::exchange(o.pool_, nullptr);
        amount_ = std::exchange(o.amount_, Amount());
      }
      return *this;
    }
    ~Lease() { Release(); }
    Amount amount() const { return amount_; }
    void Release() {
      if (pool_ != nullptr) pool_->used_ -= amount_;
      pool_ = nullptr;
      amount_ = Amount();
    }

   private:
    friend class LeasePool;
    Lease(LeasePool* pool, Amount amount) : pool_(pool), amount_(amount) {}
    LeasePool* pool_ = nullptr;
    Amount amount_{};
  };

  explicit LeasePool(Amount capacity) : capacity_(capacity) {}
  LeasePool(const LeasePool&) = delete;
  LeasePool& operator=(const LeasePool&) = delete;
  ~LeasePool() { WL_CHECK(used_ == Amount()); }  // every lease died first

  Amount capacity() const { return capacity_; }
  Amount used() const { return used_; }
  Amount free() const { return capacity_ - used_; }

  // ResourceExhausted if less than `amount` is free; nothing is taken then.
  absl::StatusOr<Lease> Take(Amount amount) {
    if (amount > free()) return absl::ResourceExhaustedError("lease pool is full");
    used_ += amount;
    return Lease(this, amount);
  }

 private:
  Amount capacity_;
  Amount used_{};
};

}  // namespace waferline
