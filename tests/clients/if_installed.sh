#!/usr/bin/env bash
# Runs a command if setup.sh has installed its packages into FOLDER; else exit code 77, which ctest calls skipped.
#   usage: if_installed.sh FOLDER COMMAND...
if [ ! -e "$1/installed" ]; then
  echo "skipped: the packages of $1 are not installed, since no registry could be reached"
  exit 77
fi
exec "${@:2}"
