#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The release library calls nothing that ends the process, prints, or touches
# the environment: check_symbols.sh BUILD_DIR.
set -eu
lib=$1/lib/libhnas.so
banned='abort|_?exit|_Exit|quick_exit|__assert_fail|raise|kill|signal|sigaction
|v?printf|v?fprintf|puts|putchar|perror|__(v?f?printf)_chk|stdout|stderr
|system|getenv|secure_getenv|setenv|putenv|unsetenv|srand|s?random|rand
|setlocale|fork|atexit|__cxa_atexit|pthread_atfork'
banned=$(printf %s "$banned" | tr -d '\n')
wanted=$(nm -D --undefined-only "$lib" | awk '{print $NF}' | sed 's/@.*//')
[ "$(printf '%s\n' "$wanted" | grep -cx 'memcpy\|pthread_create\|rename')" -ge 2 ] ||
    { echo "$lib: nm told nothing"; exit 1; }
found=$(printf '%s\n' "$wanted" | grep -Ex "$banned" || true)
[ -z "$found" ] || { echo "$lib calls" $found; exit 1; }
echo "$lib: $(printf '%s\n' "$wanted" | wc -l) calls, none of them banned"
