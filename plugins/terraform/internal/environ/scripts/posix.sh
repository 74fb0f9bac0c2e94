#!/bin/sh
# Starts the workspace agent: downloads it from the deployment and runs it.
# There is no single quote in here: templates put this text between two of them.
set -u

url="${ACCESS_URL}bin/coder-@PLATFORM@"

say() {
	printf "agent bootstrap: %s\n" "$*" >&2
}

# A container or machine is often gone the moment its first process ends, and its log with it. On a failure this stays
# for a day, so that someone can read why.
linger() {
	code=$?
	trap - EXIT
	if [ "$code" -ne 0 ]; then
		say "failed with status $code; waiting for a day so that this log can be read"
		sleep 86400
	fi
	exit "$code"
}
trap linger EXIT
trap "trap - EXIT; exit 130" INT
trap "trap - EXIT; exit 143" TERM

download() {
	if command -v curl >/dev/null 2>&1; then
		curl -fsSL -o "$1" "$url"
	elif command -v wget >/dev/null 2>&1; then
		wget -q -O "$1" "$url"
	elif command -v busybox >/dev/null 2>&1; then
		busybox wget -q -O "$1" "$url"
	else
		say "none of curl, wget and busybox is installed: install one of them in the image"
		return 127
	fi
}

dir=$(mktemp -d "${TMPDIR:-/tmp}/coder.XXXXXX") || exit 1
binary="$dir/coder"

attempt=1
until download "$binary"; do
	status=$?
	[ "$status" -eq 127 ] && exit 127
	say "attempt $attempt to download $url ended with status $status; trying again in 15 seconds"
	attempt=$((attempt + 1))
	sleep 15
done
chmod 0700 "$binary" || exit 1

# The page of a proxy or of a login is a successful download as well.
if ! version=$("$binary" --version 2>&1); then
	say "what $url gave does not run: $version"
	exit 1
fi

export CODER_AGENT_AUTH="${AUTH_TYPE}"
export CODER_AGENT_URL="${ACCESS_URL}"
cd "${HOME:-/}" 2>/dev/null || cd / || exit 1

# The agent runs beside this shell, which passes signals on to it: the first process of a container would otherwise keep
# them to itself, and the agent would never get to run its shutdown scripts.
stopping=""
agent=""
early=""
pass_on() {
	stopping=1
	if [ -n "$agent" ]; then
		kill -s "$1" "$agent" 2>/dev/null
	else
		early=$1
	fi
}
trap "pass_on TERM" TERM
trap "pass_on INT" INT
"$binary" agent &
agent=$!
[ -z "$early" ] || kill -s "$early" "$agent" 2>/dev/null
while :; do
	wait "$agent"
	code=$?
	kill -0 "$agent" 2>/dev/null || break # a signal ended the wait, not the agent
done
if [ -n "$stopping" ]; then
	trap - EXIT
fi
exit "$code"
