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
  YamlForm registry = form.About("where members are listed").Map("registry");
  const bool etcd = ChoiceOr<bool>(
      registry.About("etcd: version 3.4 or newer; file: a YAML file, read again when it changes"),
      "kind", true, {{"etcd", true}, {"file", false}});
  if (etcd) {
    for (YamlForm& member : registry.About("kind: etcd; its members").List("endpoints")) {
      out.endpoints.push_back(member.About("HOST:PORT").Text("address"));
      member.RefuseOthers();
    }
    out.prefix = TextOr(registry.About("kind: etcd; of all keys"), "prefix", out.prefix);
    out.ttl_s = static_cast<int>(
        registry.About("kind: etcd; a member that is silent so many seconds is not listed any more")
            .IntegerOr("ttl_s", out.ttl_s, 2, 600));
  } else {
    out.file = (folder / registry.About("kind: file; the list of members").Text("path"))
                   .lexically_normal()
                   .string();
  }
  registry.RefuseOthers();
  form.RefuseOthers();
  return out;
}

}  // namespace waferline::config
