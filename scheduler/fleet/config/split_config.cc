#include "scheduler/fleet/config/split_config.h"

#include "wafer_backend/base/yaml_optional.h"

namespace waferline::fleet {
namespace {

SideConfig ReadSide(YamlForm form, const std::filesystem::path& folder) {
  SideConfig out;
  out.hardware =
      NameOrPath(form.About("machines of the side: a name of deploy/hardware or a path; wafers or "
                            "accelerators")
                     .Text("hardware"),
                 folder);
  out.profile = NameOrPath(
      TextOr(form.About("kernels of wafers: a name of deploy/profiles or a path"), "profile", ""),
      folder);
  out.wafers = static_cast<int>(
      form.About("wafers of the side; 0: the fewest that fit").IntegerOr("wafers", 0, 0, 256));
  out.devices = static_cast<int>(form.About("accelerators of the side; 0: the fewest that fit")
                                     .IntegerOr("devices", 0, 0, 65536));
  form.RefuseOthers();
  return out;
}

void ReadSplitLink(YamlForm form, SplitConfig* out) {
  out->link_bytes_per_second = PlainOr(form.About("bandwidth between the sides, each way"),
                                       "bytes_per_second", 1.5e11, Range{1e3, 1e15});
  out->link_latency =
      MicrosecondsOr(form.About("latency of one way"), "latency_us", 5, Range{0, 1e9});
  out->links = static_cast<int>(
      form.About("physical links that make it up, of which off_wafer_link takes some")
          .IntegerOr("links", 12, 1, 1024));
  form.RefuseOthers();
}

}  // namespace

std::string NameOrPath(const std::string& text, const std::filesystem::path& folder) {
  const bool path = text.find('/') != std::string::npos || text.ends_with(".yaml") ||
                    text.ends_with(".json") || text.ends_with(".gguf");
  return path ? (folder / text).lexically_normal().string() : text;
}

SplitConfig ReadSplit(YamlForm& form, const std::filesystem::path& folder) {
  SplitConfig out;
  out.attention = ReadSide(
      form.About("kind: split; what holds attention, KV, embedding and output").Map("attention"),
      folder);
  out.ffn = ReadSide(
      form.About("kind: split; what holds the feed-forward parts or experts").Map("ffn"), folder);
  ReadSplitLink(
      form.About("kind: split; what hidden states cross twice a layer").OptionalMap("link"), &out);
  out.micro_batches =
      static_cast<int>(form.About("kind: split; micro-batches in flight, so that both sides work")
                           .IntegerOr("micro_batches", 3, 1, 64));
  out.a2f_bytes_per_value =
      PlainOr(form.About("kind: split; of a hidden state on its way to the feed-forward side"),
              "a2f_bytes_per_value", 2, Range{0.25, 8});
  out.f2a_bytes_per_value = PlainOr(form.About("kind: split; of one on its way back"),
                                    "f2a_bytes_per_value", 2, Range{0.25, 8});
  return out;
}

}  // namespace waferline::fleet
