#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What an installed library owes its users: check_install.sh BUILD_DIR.
# Installs into a folder of its own, compares the list of files with
# installed.txt, builds C and C++ programs there through pkg-config and CMake,
# and looks at the names the library has and needs.
[ $# = 1 ] || { echo "usage: check_install.sh BUILD_DIR" >&2; exit 2; }
build=$(cd "$1" && pwd) || exit 2
root=$(cd "$(dirname "$0")/../.." && pwd)
stage=$(mktemp -d) || exit 2
trap 'rm -rf "$stage"' EXIT
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

DESTDIR=$stage/root meson install -C "$build" --no-rebuild >"$stage/log" 2>&1 ||
    { tail -5 "$stage/log"; echo "FAIL: meson install"; exit 1; }
so=$(find "$stage/root" -name libhnas.so)
pc=$(find "$stage/root" -name hnas.pc)
[ -n "$so" ] && [ -n "$pc" ] ||
    { echo "FAIL: libhnas.so or hnas.pc was not installed"; exit 1; }
libdir=$(dirname "$so")
export PKG_CONFIG_LIBDIR="$(dirname "$pc"):$(pkg-config --variable pc_path pkg-config)"
export PKG_CONFIG_SYSROOT_DIR="$stage/root"

# pkg-config, and the numbers of version.h
version=$(sh "$root/lib/version.sh") abi=$(sh "$root/lib/version.sh" abi)
[ "$(pkg-config --modversion hnas)" = "$version" ] ||
    fail "hnas.pc has version $(pkg-config --modversion hnas), want $version"
cflags=$(pkg-config --cflags hnas) || fail "pkg-config --cflags"
libs=$(pkg-config --libs hnas) || fail "pkg-config --libs"
case " $libs " in *" -lhnas "*) ;; *) fail "pkg-config --libs: $libs" ;; esac
soname=$(readelf -d "$so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
[ "$soname" = "libhnas.so.$abi" ] || fail "soname $soname, want libhnas.so.$abi"
[ -e "$libdir/$soname" ] || fail "$soname is not installed"

# every public header is there, and nothing else
for h in "$root"/include/hnas/*.h; do
    find "$stage/root" -path "*/hnas/$(basename "$h")" | grep -q . ||
        fail "header $(basename "$h") is not installed"
done
[ "$(find "$stage/root" -name '*.h' ! -name mpi.h | wc -l)" = \
    "$(find "$root/include/hnas" -name '*.h' | wc -l)" ] ||
    fail "other headers than the public ones are installed"

# the list of files, wherever the prefix and the library folder lie
prefix=$(pkg-config --variable prefix hnas)
(cd "$prefix" && find . ! -type d) | sed "s,^\./,,; s,^${libdir#"$prefix"/}/,LIB/,
    s,\.so\.$version\$,.so.VERSION,; s,\.so\.$abi\$,.so.ABI," | sort >"$stage/list"
cp "$root/tests/abi/installed.txt" "$stage/want"
[ ! -e "$libdir/pkgconfig/hnas-mpi.pc" ] ||
    cat "$root/tests/abi/installed-mpi.txt" >>"$stage/want"
LC_ALL=C sort -o "$stage/want" "$stage/want"
LC_ALL=C sort "$stage/list" | diff -u "$stage/want" - ||
    fail "other files are installed than tests/abi/installed.txt says"

# what it exports
others=$(nm -D --defined-only "$so" | awk '$2 != "A" {print $3}' |
    sed 's/@.*//' | grep -v '^hnas_')
[ -z "$others" ] || fail "exports" $others
n_functions=$(nm -D --defined-only "$so" | grep -c ' T ')

# what it needs: its own objects neither print, end the process, read the
# environment, touch signals nor allocate but by aligned_alloc
refused='^(abort|_?exit|_Exit|quick_exit|atexit|__assert(_fail)?|(__)?v?f?printf(_chk)?|puts|putchar|fputs|fputc|fwrite|perror|stdout|stderr|(secure_)?getenv|setenv|putenv|unsetenv|signal|sigaction|raise|kill|malloc|calloc|realloc|strdup)$'
needed=$(nm -D -u "$so" | awk '{print $NF}' | sed 's/@.*//' |
    grep -E "$refused")
[ -z "$needed" ] || fail "needs" $needed

# two programs outside the tree
cp "$root/tests/abi/consumer.c" "$root/tests/abi/consumer.cpp" \
    "$root/examples/search_host.cpp" "$stage" || exit 1
cd "$stage" || exit 1
${CC:-cc} -std=c99 -pedantic -Wall -Wextra -Werror $cflags consumer.c \
    -o c_program $libs || fail "consumer.c does not build"
${CXX:-c++} -std=c++14 -pedantic -Wall -Wextra -Werror $cflags consumer.cpp \
    -o cpp_program $libs || fail "consumer.cpp does not build"
${CXX:-c++} -std=c++17 -pedantic -Wall -Wextra -Wshadow -Werror $cflags \
    search_host.cpp -o raii_program $libs || fail "search_host.cpp: not C++17"
LD_LIBRARY_PATH=$libdir ./raii_program >raii || fail "search_host: status $?"
grep -q '^lambda 0.1: [0-9]* parameters' raii || fail "search_host: $(cat raii)"

# the same two through CMake, from where the files were moved to
moved=$stage/moved
mv "$prefix" "$moved" && mkdir "$stage/cmake" || exit 1
libdir=$moved/${libdir#"$prefix"/}
cp "$root/tests/abi/CMakeLists.txt" "$stage/cmake" || exit 1
cmake -S "$stage/cmake" -B "$stage/cmake/build" -DCMAKE_PREFIX_PATH="$moved" \
    -DWANTED="$version" >cmake.log 2>&1 && cmake --build cmake/build \
    >>cmake.log 2>&1 || { tail -20 cmake.log; fail "CMake's consumer"; }
for wrong in 99.0 "${version%%.*}.99"; do
    cmake -S "$stage/cmake" -B "$stage/cmake/wrong" -DWANTED="$wrong" \
        -DCMAKE_PREFIX_PATH="$moved" >wrong.log 2>&1 &&
        fail "CMake takes version $version for $wrong"
    grep -q 'version' wrong.log || fail "CMake on $wrong: $(tail -5 wrong.log)"
done
cp cmake/build/c_cmake cmake/build/cpp_cmake .

for p in c_program cpp_program c_cmake cpp_cmake; do
    out=$(LD_LIBRARY_PATH=$libdir ./$p) || fail "$p: exit status $?"
    case $out in "$version "[-0-9]*.[0-9]*) ;; *) fail "$p printed: $out" ;; esac
    eval "$p=\$out"
done
for out in "$cpp_program" "$c_cmake" "$cpp_cmake"; do
    [ "$c_program" = "$out" ] || fail "programs differ: $c_program, $out"
done
[ $failed = 0 ] && echo "install: $soname, $n_functions functions," \
    "all four programs print: $c_program"
exit $failed
