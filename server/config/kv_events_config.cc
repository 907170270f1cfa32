#include "server/config/kv_events_config.h"

#include "wafer_backend/base/yaml_optional.h"

namespace waferline::config {

std::vector<KvEventsConfig> ReadKvEvents(YamlForm& root) {
  std::vector<KvEventsConfig> out;
  const char* about =
      "publishers of what prefix caches hold, for routers: vLLM's KV events over "
      "ZeroMQ";
  if (!root.About(about).Has("kv_events")) return out;
  for (YamlForm& form : root.List("kv_events")) {
    KvEventsConfig publisher;
    publisher.bind =
        form.About("address of the PUB socket, as tcp://127.0.0.1:5557; :* takes a free port")
            .Text("bind");
    publisher.model = TextOr(form.About("whose blocks; the first model if not given"), "model", "");
    publisher.topic =
        TextOr(form.About("before each message; llm-d's is kv@HOST:PORT@MODEL"), "topic", "");
    publisher.replay = TextOr(
        form.About("address of a ROUTER socket that sends past batches again; none if not given"),
        "replay", "");
    form.RefuseOthers();
    out.push_back(std::move(publisher));
  }
  return out;
}

}  // namespace waferline::config
