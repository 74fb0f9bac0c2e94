#!/bin/sh
# Runs in the workspace each time it starts, before anybody may log in.
set -eu
mkdir -p "$HOME/projects"
printf 'EDITOR is %s\n' "${EDITOR:-not set}"
