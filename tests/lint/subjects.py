"""Every commit's subject has at most 72 characters. Exits with 77 (skipped) where there is no history to look at."""

import pathlib
import subprocess
import sys

SINCE = "79f417c"  # the last commit before the rule
LIMIT = 72


def main(root):
    try:
        done = subprocess.run(["git", "-C", str(root), "log", "--format=%h\t%s", f"{SINCE}..HEAD"], capture_output=True, text=True)
    except FileNotFoundError:
        print("skipped: git is not installed")
        return 77
    if done.returncode != 0:
        print(f"skipped: no history back to {SINCE} (an export or a shallow clone)")
        return 77
    commits = [line.split("\t", 1) for line in done.stdout.splitlines()]
    long = [(commit, subject) for commit, subject in commits if len(subject) > LIMIT]
    for commit, subject in long:
        print(f"{commit}: {len(subject)} characters, at most {LIMIT} are allowed: {subject}")
    print(f"{len(commits)} commits, {len(long)} errors")
    return 1 if long else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
