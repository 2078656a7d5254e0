#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A part of the suite under valgrind's memcheck: valgrind.sh BUILD_DIR [TEST...].
# It sees what sanitizers do not: values that depend on memory nobody wrote, in
# the library as it ships, BLIS and zlib too.  TEST: floor_file, as io_json;
# without one, those below, and the figure is kept.
set -u
build=${1:?usage: valgrind.sh BUILD_DIR [TEST...]}
root=$(cd "$(dirname "$0")/../.." && pwd)
shift
tests=${*:-base_arena tensor_tensor optim_adam hyper_hyper arch_derive
 bilevel_search faults_on_nan faults_planted io_json io_idx io_safetensors
 io_genotype io_protobuf model_predictor}
command -v valgrind >/dev/null || { echo "no valgrind"; exit 1; }
. "$root/tests/reliability/each.sh"

# one process a program: a fork would be traced in silence
program() {
    CK_FORK=no CK_TIMEOUT_MULTIPLIER=50 valgrind --quiet --error-exitcode=9 \
        --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
        "$build/tests/test_${1}_float"
}

keep=valgrind
[ $# = 0 ] || keep=
# shellcheck disable=SC2086
each "$keep" '^==|:[FE]:' $tests
