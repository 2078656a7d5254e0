#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The bindings know the headers as they are.
cd "$(dirname "$0")/../.." || exit 2
exec "${PYTHON:-/usr/bin/python3}" bindings/python/generate.py --check
