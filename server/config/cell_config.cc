#include "server/config/cell_config.h"

#include "wafer_backend/base/yaml_optional.h"

namespace waferline::config {

std::optional<CellConfig> ReadCell(YamlForm& root, const std::filesystem::path& folder) {
  if (!root.About("a front end of a cloud of several hosts").Has("cell")) return std::nullopt;
  YamlForm form = root.Map("cell");
  CellConfig out;
  out.name = form.About("front ends of one name: one leads, the others stand by").Text("name");
  out.cloud = TextOr(form.About("whose members find each other"), "cloud", out.cloud);
  out.id = TextOr(form.About("of this front end; HOST:PORT of its HTTP if not given"), "id", "");
  out.advertise = TextOr(form.About("HOST:PORT at which others reach its HTTP; what it listens on "
                                    "if not given"),
                         "advertise", "");
  out.shards = static_cast<int>(
      form.About("among how many shards with --layers any a model's layers are cut")
          .IntegerOr("shards", out.shards, 1, 1024));
  out.prefill_workers =
      static_cast<int>(form.About("of each chain; fewer if no more are free")
                           .IntegerOr("prefill_workers", out.prefill_workers, 1, 64));
  out.chains = static_cast<int>(
      form.About("of each model; a chain has all its layers, a request is computed on one of them")
          .IntegerOr("chains", out.chains, 1, 64));
  out.standbys = static_cast<int>(
      form.About("shards kept to take the place of one that stays lost: with its layers, or any")
          .IntegerOr("standbys", out.standbys, 0, 64));
  YamlForm registry = form.About("where members are listed").Map("registry");
  const bool etcd = ChoiceOr<bool>(
      registry.About("etcd: version 3.4 or newer; file: a YAML file, read again when it changes"),
      "kind", true, {{"etcd", true}, {"file", false}});
  if (etcd) {
    for (YamlForm& member : registry.About("kind: etcd; its members").List("endpoints")) {
      out.endpoints.push_back(member.About("HOST:PORT, or https://HOST:PORT").Text("address"));
      member.RefuseOthers();
    }
    out.prefix = TextOr(registry.About("kind: etcd; of all keys"), "prefix", out.prefix);
    out.ttl_s = static_cast<int>(
        registry.About("kind: etcd; a member that is silent so many seconds is not listed any more")
            .IntegerOr("ttl_s", out.ttl_s, 2, 600));
    const auto path = [&](const char* about, const char* field) {
      const std::string text = TextOr(registry.About(about), field, "");
      return text.empty() ? text : (folder / text).lexically_normal().string();
    };
    out.ca = path("PEM file: CAs of https endpoints; the system's if not given", "ca");
    out.cert = path("PEM file: own certificate for https endpoints", "cert");
    out.key = path("PEM file: its private key", "key");
  } else {
    out.file = (folder / registry.About("kind: file; the list of members").Text("path"))
                   .lexically_normal()
                   .string();
  }
  registry.RefuseOthers();
  form.RefuseOthers();
  return out;
}

std::vector<std::string> ReadAddresses(YamlForm* form, const char* list, const char* what) {
  std::vector<std::string> addresses;
  for (YamlForm& worker : form->List(list)) {
    addresses.push_back(worker.About(what).Text("address"));
    worker.RefuseOthers();
  }
  return addresses;
}

}  // namespace waferline::config
