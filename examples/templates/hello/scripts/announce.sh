#!/bin/sh
# Prints the greeting; the engine puts it into its log.
set -eu
printf '%s\n' "${GREETING:?set GREETING to the text to announce}"
