#include "wafer_backend/base/command_line/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace waferline::cli {
namespace {

struct Next {
  std::string word, summary;
};

// A point of a command line: the words of a command or of its beginning.
struct Node {
  std::string at;          // "bench run"
  std::vector<Next> next;  // words that lead on, or the first operand's choices
  std::vector<Flag> flags;
};

Node* NodeAt(const std::string& at, std::vector<Node>* nodes) {
  const auto found =
      std::find_if(nodes->begin(), nodes->end(), [&](const Node& node) { return node.at == at; });
  if (found != nodes->end()) return &*found;
  return &nodes->emplace_back(Node{at, {}, {}});
}

std::vector<Node> NodesOf(const Program& program) {
  std::vector<Node> nodes(1);
  for (const Group& group : program.groups) {
    for (const Command& command : group.commands) {
      std::string at;
      std::vector<std::string> words;
      if (!command.words.empty()) words = absl::StrSplit(command.words, ' ');
      for (size_t i = 0; i < words.size(); ++i) {
        std::vector<Next>& next = NodeAt(at, &nodes)->next;
        const bool known = std::any_of(next.begin(), next.end(),
                                       [&](const Next& n) { return n.word == words[i]; });
        const bool last = i + 1 == words.size();
        if (!known) next.push_back({words[i], last ? command.summary : group.summary});
        at += (at.empty() ? "" : " ") + words[i];
      }
      NodeAt(at, &nodes)->flags = command.flags;
      if (command.operands.empty()) continue;
      for (const std::string& choice : command.operands[0].choices) {
        NodeAt(at, &nodes)->next.push_back({choice, ""});
      }
    }
  }
  for (Node& node : nodes) node.flags.push_back(Switch("help", "explain this"));
  if (!nodes[0].next.empty()) nodes[0].flags.push_back(Switch("version", "print the version"));
  return nodes;
}

std::string Quoted(const std::string& text) {
  return "'" + absl::StrReplaceAll(text, {{"'", "'\\''"}}) + "'";
}

// "'bench'|'bench run'": every point but the first, as a pattern of `case`.
std::string Points(const std::vector<Node>& nodes, const char* separator) {
  std::vector<std::string> points;
  for (const Node& node : nodes) {
    if (!node.at.empty()) points.push_back(Quoted(node.at));
  }
  return points.empty() ? "''" : absl::StrJoin(points, separator);
}

std::string Replaced(const std::string& script, const Program& program, const std::string& points) {
  return absl::StrReplaceAll(script, {{"NAME", program.name}, {"POINTS", points}});
}

// The flags with a value: those with choices one by one, then the others, which take files.
std::string ValueCases(const Node& node, const std::string& choose, const std::string& otherwise) {
  std::string text, files;
  for (const Flag& flag : node.flags) {
    if (flag.kind == Flag::Kind::kSwitch) continue;
    if (flag.choices.empty()) {
      files += (files.empty() ? "--" : "|--") + flag.name;
    } else {
      text += fmt::format("        --{}) {}; return ;;\n", flag.name,
                          fmt::format(fmt::runtime(choose), absl::StrJoin(flag.choices, " ")));
    }
  }
  if (!files.empty()) text += fmt::format("        {}) {}return ;;\n", files, otherwise);
  return text;
}

// In bash and zsh: how far the words lead, which come before; `more` if others follow.
constexpr char kWalk[] = R"(; do
    case "${at:+$at }$word" in
      POINTS) at="${at:+$at }$word" ;;
      *) more=1; break ;;
    esac
  done
  case $at in
)";

std::string BashOf(const Program& program) {
  const std::vector<Node> nodes = NodesOf(program);
  std::string text = Replaced(R"(# Completes command lines of NAME in bash; source this file.
_NAME() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at= next= flags= word more=
  # --flag=value is three words here.
  if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}")" +
                                  std::string(kWalk),
                              program, Points(nodes, "|"));
  for (const Node& node : nodes) {
    std::string next, flags;
    for (const Next& n : node.next) next += (next.empty() ? "" : " ") + n.word;
    for (const Flag& flag : node.flags) flags += (flags.empty() ? "--" : " --") + flag.name;
    text +=
        fmt::format("    '{}')\n      next='{}' flags='{}'\n      case $prev in\n{}", node.at, next,
                    flags, ValueCases(node, "COMPREPLY=($(compgen -W '{}' -- \"$cur\"))", ""));
    text += "        *) ;;\n      esac ;;\n";
  }
  return text + Replaced(R"(  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  elif [[ $next && ! $more ]]; then
    COMPREPLY=($(compgen -W "$next" -- "$cur"))
  fi
}
complete -o default -F _NAME NAME
)",
                         program, "");
}

std::string ZshOf(const Program& program) {
  const std::vector<Node> nodes = NodesOf(program);
  std::string text = Replaced(R"(#compdef NAME
# Completes command lines of NAME in zsh; put it into a folder of $fpath as _NAME, or source it.
_NAME() {
  local at= word more= prev=$words[CURRENT-1]
  local -a next flags
  # --flag=value is one word here.
  if [[ $PREFIX == --*=* ]]; then prev=${PREFIX%%=*}; compset -P '*='; fi
  for word in "${(@)words[2,CURRENT-1]}")" +
                                  std::string(kWalk),
                              program, Points(nodes, "|"));
  for (const Node& node : nodes) {
    std::string next, flags;
    for (const Next& n : node.next) next += " " + Quoted(n.word + ":" + n.summary);
    for (const Flag& flag : node.flags) {
      flags += "\n        " + Quoted("--" + flag.name + ":" + flag.summary);
    }
    text += fmt::format("    '{}')\n      next=({} )\n      flags=({} )\n      case $prev in\n{}",
                        node.at, next, flags, ValueCases(node, "compadd {}", "_files; "));
    text += "        *) ;;\n      esac ;;\n";
  }
  return text + Replaced(R"(  esac
  if [[ $PREFIX == -* ]]; then
    _describe -o flag flags
  elif (( $#next )) && [[ ! $more ]]; then
    _describe command next
  else
    _files
  fi
}
if [[ $funcstack[1] == _NAME ]]; then _NAME "$@"; else compdef _NAME NAME; fi
)",
                         program, "");
}

std::string FishOf(const Program& program) {
  const std::vector<Node> nodes = NodesOf(program);
  std::string text =
      Replaced(R"(# Completes command lines of NAME in fish; put it into ~/.config/fish/completions.
function __NAME_at
  set -l at
  for word in (commandline -opc)[2..-1]
    switch (string join -- ' ' $at $word)
      case POINTS
        set -a at $word
      case '*'
        break
    end
  end
  test "$at" = "$argv[1]"
end
)",
               program, Points(nodes, " "));
  for (const Node& node : nodes) {
    const std::string here =
        fmt::format("complete -c {0} -n '__{0}_at \"{1}\"'", program.name, node.at);
    for (const Next& n : node.next) {
      text += fmt::format("{} -f -a {} -d {}\n", here, n.word, Quoted(n.summary));
    }
    for (const Flag& flag : node.flags) {
      const std::string values = flag.kind == Flag::Kind::kSwitch ? ""
                                 : flag.choices.empty()
                                     ? " -r"
                                     : " -x -a " + Quoted(absl::StrJoin(flag.choices, " "));
      text += fmt::format("{} -l {}{} -d {}\n", here, flag.name, values, Quoted(flag.summary));
    }
  }
  return text;
}

}  // namespace

const std::vector<std::string>& CompletionShells() {
  static const std::vector<std::string> kShells = {"bash", "zsh", "fish"};
  return kShells;
}

absl::StatusOr<std::string> CompletionOf(const Program& program, const std::string& shell) {
  if (shell == "bash") return BashOf(program);
  if (shell == "zsh") return ZshOf(program);
  if (shell == "fish") return FishOf(program);
  return UsageError(fmt::format("no completion for '{}': there is bash, zsh and fish", shell));
}

}  // namespace waferline::cli
