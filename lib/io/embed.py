# SPDX-License-Identifier: BSD-3-Clause
"""Make a file an array in C:  embed.py FILE OUT.c"""
import sys

with open(sys.argv[1], "rb") as file:
    data = file.read()
assert data.count(b"@DATA@") == 1, "want one place for the data"
lines = ["/* Made by embed.py. */", '#include "io/explorer.h"', "",
         "const unsigned char hn_explorer_page[] = {"]
for at in range(0, len(data), 16):
    lines.append("    " + ", ".join(map(str, data[at:at + 16])) + ",")
lines += ["    0};", f"const size_t hn_explorer_bytes = {len(data)};", ""]
with open(sys.argv[2], "w", encoding="ascii") as file:
    file.write("\n".join(lines))
