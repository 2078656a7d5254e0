#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Run one rule: one.sh RULE [BUILD_DIR].
rule=$1
shift
case $rule in
*.py) exec "${PYTHON:-/usr/bin/python3}" "$rule" "$@" ;;
*) exec sh "$rule" "$@" ;;
esac
