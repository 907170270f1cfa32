// What gRPC promises about the order of things and ThreadSanitizer cannot see, because Debian's
// libraries are not instrumented. As absl_order.cc: each function tells the sanitizer, then does
// what the library's own does.
//   - What was done before an operation was started happens before its completion is taken off its
//     queue (on which gRPC runs the reactions).
//   - Who lets go of a call, or lifts the last bar to its cancellation, sees all that the others
//     have done who counted down the same number; some of them count within the library.
#include <grpc/grpc.h>
#include <grpcpp/support/server_callback.h>

#include "tests/sanitize/next_definition.h"

extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);

using waferline::sanitize::NextDefinition;

extern "C" {

grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops, size_t count, void* tag,
                                      void* reserved) {
  static auto* const start =
      NextDefinition<decltype(grpc_call_start_batch)>("grpc_call_start_batch");
  if (tag != nullptr) __tsan_release(tag);
  return start(call, ops, count, tag, reserved);
}

grpc_event grpc_completion_queue_next(grpc_completion_queue* queue, gpr_timespec deadline,
                                      void* reserved) {
  static auto* const next =
      NextDefinition<decltype(grpc_completion_queue_next)>("grpc_completion_queue_next");
  const grpc_event event = next(queue, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE && event.tag != nullptr) __tsan_acquire(event.tag);
  return event;
}

grpc_event grpc_completion_queue_pluck(grpc_completion_queue* queue, void* tag,
                                       gpr_timespec deadline, void* reserved) {
  static auto* const pluck =
      NextDefinition<decltype(grpc_completion_queue_pluck)>("grpc_completion_queue_pluck");
  const grpc_event event = pluck(queue, tag, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(tag);
  return event;
}

}  // extern "C"

namespace grpc::internal {

void ServerCallbackCall::ScheduleOnDone(bool inline_ondone) {
  static auto* const schedule = NextDefinition<void(ServerCallbackCall*, bool)>(
      "_ZN4grpc8internal18ServerCallbackCall14ScheduleOnDoneEb");
  __tsan_acquire(&callbacks_outstanding_);
  schedule(this, inline_ondone);
}

void ServerCallbackCall::CallOnCancel(ServerReactor* reactor) {
  static auto* const call = NextDefinition<void(ServerCallbackCall*, ServerReactor*)>(
      "_ZN4grpc8internal18ServerCallbackCall12CallOnCancelEPNS0_13ServerReactorE");
  __tsan_acquire(&on_cancel_conditions_remaining_);
  call(this, reactor);
}

}  // namespace grpc::internal
