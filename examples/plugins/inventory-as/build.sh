#!/bin/sh
# Builds the plugin: build.sh [FILE]. What is made on the way is kept in $BUILD_DIR. Exit code 3: a tool or package is missing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD_DIR:-$here/.provisor}
out=${1:-$here/inventory-as.wasm}

# missing ends the build where something is not installed or can't be fetched.
missing() {
	echo "build.sh: $*" >&2
	exit 3
}

command -v node >/dev/null && command -v npm >/dev/null || missing "node or npm is missing: install Node.js 20 or later from https://nodejs.org"
command -v protoc >/dev/null || missing "protoc is missing; on Debian: apt-get install protobuf-compiler libprotobuf-dev"

mkdir -p "$build"
cd "$build"

# The packages, unless those that the lock file names are there.
if ! cmp -s "$here/package-lock.json" node_modules/.from-lock; then
	cp "$here/package.json" "$here/package-lock.json" .
	npm ci --ignore-scripts --fetch-retries=1 --fetch-timeout=60000 --no-audit --no-fund --no-update-notifier --loglevel=error || missing "npm could not fetch the packages"
	cp "$here/package-lock.json" node_modules/.from-lock
fi

rm -rf assembly
cp -R "$here/assembly" assembly
mkdir assembly/generated
protoc --plugin=protoc-gen-as=node_modules/.bin/as-proto-gen -I "$root/proto" --as_out=assembly/generated "$root/proto/provisioner.proto"
protoc -I "$root/proto" --encode provisor.guest.v1.Manifest "$root/proto/guest.proto" <"$here/manifest.txtpb" >manifest.bin

node_modules/.bin/asc assembly/index.ts -O3s --exportStart _initialize --use abort=assembly/abort/abort --outFile compiled.wasm
node "$here/add-section.mjs" compiled.wasm provisor.manifest manifest.bin complete.wasm
mkdir -p "$(dirname "$out")"
mv complete.wasm "$out"
