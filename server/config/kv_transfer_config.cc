#include "server/config/kv_transfer_config.h"

#include "wafer_backend/base/yaml_optional.h"

namespace waferline::config {
namespace {
constexpr size_t kMinKeyBytes = 16;  // 128 bits, if they are random
}  // namespace

KvTransferConfig ReadKvTransfer(YamlForm& root, const std::filesystem::path& folder) {
  KvTransferConfig out;
  const char* about =
      "prompts that one server computes and another decodes, as a router arranges it";
  if (!root.About(about).Has("kv_transfer")) return out;
  YamlForm form = root.Map("kv_transfer");
  out.key =
      form.About("signs what is handed over; the same on all servers of a router").Text("key");
  if (!out.key.empty() && out.key.size() < kMinKeyBytes) {
    form.AddError("key", "must have at least 16 bytes");
  }
  out.role = ChoiceOr<KvRole>(
      form.About("which legs of a request this server takes; whole ones it always takes"), "role",
      KvRole::kBoth,
      {{"both", KvRole::kBoth}, {"prefill", KvRole::kPrefill}, {"decode", KvRole::kDecode}});
  out.keep_seconds = form.About("seconds; a decode leg that comes later is refused")
                         .IntegerOr("keep_s", out.keep_seconds, 1, 3600);
  out.taken_file = TextOr(
      form.About("file in which a server that decodes keeps the time of the latest hand-over it "
                 "took, so that none is taken twice if the clock goes back during a restart; a "
                 "restart alone needs no file"),
      "taken_file", "");
  if (!out.taken_file.empty()) out.taken_file = (folder / out.taken_file).lexically_normal();
  form.RefuseOthers();
  return out;
}

}  // namespace waferline::config
