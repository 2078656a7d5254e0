#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# From a bare Debian 12 to a family of networks: installs the packages that a
# build needs (as root or through sudo), builds into build/, searches on the
# bundled sample of MNIST, and shows what came out.  Safe to run again.
set -eu
cd "$(dirname "$0")/.."

packages="gcc g++ meson ninja-build pkg-config libblis-dev zlib1g-dev"
out=build/demo

# One search answers for every lambda: a small supernet, hard draws, the cost
# of each operation weighed by lambda.  So short a search wants a large rate of
# alpha, to the end, and all operations in its passes.  Of four seeds this one
# gives four sizes at the four lambda, the others two.
options="--data mnist-sample --cells 3 --nodes 2 --channels 4 \
 --batch 32 --epochs 11 --valid-fraction 0.25 --w-lr 0.05 --alpha-lr 0.03 \
 --alpha-paths 0 --cost-weight 5 --warmup 0.1667 --cooldown 0 --eval-images 320 --seed 3"

say() {
    printf '\n==> %s\n' "$*"
}

install_packages() {
    missing=
    for p in $packages; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null |
            grep -q 'ok installed' || missing="$missing $p"
    done
    [ -n "$missing" ] || return 0
    say "Installing$missing"
    as=
    if [ "$(id -u)" != 0 ]; then
        as=sudo
        command -v sudo >/dev/null || {
            echo "demo: not root and no sudo; please install:$missing" >&2
            exit 1
        }
    fi
    $as apt-get update -qq
    $as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends $missing >/dev/null
}

build() {
    if [ ! -f build/build.ninja ]; then
        say "Configuring build/ (release, without the tests)"
        log=$(meson setup build --buildtype=release -Dtests=false 2>&1) ||
            { printf '%s\n' "$log"; exit 1; }
    fi
    say "Building (a minute or so)"
    ninja -C build --quiet
}

install_packages
build
mkdir -p "$out"

say "Searching: 4,500 images train weights, 1,500 train the architecture"
build/examples/hnas-search $options --out "$out"
echo
echo "supernet:  the relaxed network at lambda, on the validation images"
echo "inherited: the network derived at lambda, with the supernet's weights"

for lambda in 1e-4 1e-1; do
    say "The network at lambda $lambda"
    build/examples/hnas-query "$out/search.safetensors" --lambda "$lambda"
done

say "Any other lambda:"
echo "build/examples/hnas-query $out/search.safetensors --lambda 3e-3"
