#!/bin/sh
# Builds the plugin: build.sh [FILE]. What is made on the way is kept in $BUILD_DIR. Exit code 3: a tool or package is missing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD_DIR:-$here/.provisor}
out=${1:-$here/inventory-c.wasm}
includes=${PROTOBUF_INCLUDES:-/usr/include}

# missing ends the build where something is not installed or can't be fetched.
missing() {
	echo "build.sh: $*" >&2
	exit 3
}

# need COMMAND PACKAGE
need() {
	command -v "$1" >/dev/null || packages="$packages $2"
}

packages=
need clang clang
need wasm-ld lld
need llvm-objcopy llvm
need protoc protobuf-compiler
need protoc-gen-nanopb nanopb
[ -e "$includes/google/protobuf/timestamp.proto" ] || packages="$packages libprotobuf-dev"
# clang's own functions are in a package of their own, and so is the library.
builtins=$(clang --target=wasm32-wasi -rtlib=compiler-rt --print-libgcc-file-name 2>/dev/null || true)
[ -e "$builtins" ] || packages="$packages libclang-rt-dev-wasm32"
[ -e /usr/lib/wasm32-wasi/libc.a ] || packages="$packages wasi-libc"
[ -z "$packages" ] || missing "tools are missing; on Debian: apt-get install$packages"

mkdir -p "$build"
cd "$build"

# nanopb's C sources are no part of its packages, so they come from the source package. NANOPB names a directory that has them.
fetch_nanopb() {
	sources=/etc/apt/sources.list.d/debian.sources
	mkdir -p apt/lists/partial apt/parts
	if [ -e "$sources" ]; then
		sed 's/^Types:.*/Types: deb-src/' "$sources" >apt/parts/source.sources
	elif [ -e /etc/apt/sources.list ]; then
		sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >apt/parts/source.list
	else
		missing "there is neither $sources nor /etc/apt/sources.list: set NANOPB to a directory with nanopb's pb_encode.c"
	fi
	set -- -qq -o Acquire::http::Timeout=30 -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$PWD/apt/parts" -o "Dir::State::Lists=$PWD/apt/lists"
	{
		apt-get "$@" update
		apt-get "$@" source --download-only nanopb
	} >apt/log 2>&1 || missing "fetch the source package of nanopb: $(tail -n 3 apt/log); or set NANOPB to a directory with its pb_encode.c"
	rm -rf nanopb.new
	mkdir nanopb.new
	tar -xf nanopb_*.orig.tar.* -C nanopb.new --strip-components=1
	mv nanopb.new nanopb
}

nanopb=${NANOPB:-$build/nanopb}
[ -e "$nanopb/pb_encode.c" ] || [ -n "${NANOPB:-}" ] || fetch_nanopb
[ -e "$nanopb/pb_encode.c" ] || missing "$nanopb has no pb_encode.c"

rm -rf generated
mkdir generated
protoc -I "$root/proto" -I "$includes" --nanopb_out="-I$here:generated" \
	"$root/proto/provisioner.proto" "$includes/google/protobuf/timestamp.proto"
protoc -I "$root/proto" -I "$includes" --encode provisor.guest.v1.Manifest "$root/proto/guest.proto" \
	<"$here/manifest.txtpb" >manifest.bin

clang --target=wasm32-wasi -mexec-model=reactor -std=c11 -Os -flto -Wall -Wextra -Werror \
	-I "$nanopb" -I generated -I "$root/abi" -I "$here" -ffile-prefix-map="$build=." -ffile-prefix-map="$root=." \
	-Wl,--strip-all -o linked.wasm \
	"$here"/*.c generated/*.pb.c generated/google/protobuf/*.pb.c \
	"$nanopb/pb_common.c" "$nanopb/pb_decode.c" "$nanopb/pb_encode.c"

rm -f complete.wasm
llvm-objcopy --add-section=provisor.manifest=manifest.bin linked.wasm complete.wasm
mkdir -p "$(dirname "$out")"
mv complete.wasm "$out"
