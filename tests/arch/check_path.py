#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The path against exact rational arithmetic: every breakpoint of the
closed-form rules, none missing, none too many; softmax weights with 70 digits.

    python3 tests/arch/check_path.py DUMP_PATH [ROUNDS]
"""
import bisect
import math
import random
import subprocess
import sys
from decimal import Decimal, getcontext
from fractions import Fraction

getcontext().prec = 70
ARGMAX, TOP2, TOP2_RAW, THRESHOLD = range(4)
LINEAR, PIECEWISE = 0, 2
RAW, LOG = 0, 1


def decimal(x):
    return Decimal(x.numerator) / Decimal(x.denominator)


def logit(theta):
    p = decimal(Fraction(theta))
    return Fraction((p / (1 - p)).ln())


class Case:
    """A hypernetwork of two tables of DARTS cells, float32 parameters."""

    def __init__(self, rng, rule, scale, coarse, nodes, ops, knots=0):
        self.rule, self.scale, self.ops, self.nodes = rule, scale, ops, nodes
        self.theta = rng.choice([0.85, 0.5, 0.3])
        self.lo, self.hi = rng.choice([(1e-4, 1e-1), (0.3, 7.0), (1e-8, 1e-4)])
        if scale == RAW:
            self.lo = rng.choice([self.lo, -self.hi, 0.0])
        self.edges = [(u, v) for v in range(2, 2 + nodes) for u in range(v)]
        n = len(self.edges) * ops
        size = 1.0 if scale == LOG else 1 / self.hi

        def draw(factor=1.0):
            if coarse:  # ties and shared points abound
                return rng.randrange(-4, 5) / 4
            return float32(rng.uniform(-factor, factor))

        self.cost = [[float(rng.randrange(3)) for _ in range(n)]
                     for _ in range(2)]
        # a table: what each segment's lines pass through at its ends
        count = knots or 2
        lo, hi = self.s_range()
        self.at = [Fraction(lo + (hi - lo) * k / (count - 1))
                   for k in range(count - 1)] + [Fraction(hi)]
        if knots:
            self.kind = PIECEWISE
            self.stored = [[[draw() for _ in range(n)] for _ in range(knots)]
                           for _ in range(2)]
        else:
            self.kind = LINEAR
            self.stored = [[[draw(size) for _ in range(n)],
                            [draw() for _ in range(n)]] for _ in range(2)]
        self.level = logit(self.theta) if rule == THRESHOLD else None

    def s_range(self):
        return (-1.0, 1.0) if self.scale == LOG else (self.lo, self.hi)

    def text(self):
        values = [self.rule, self.theta, self.nodes, self.ops]
        values += self.cost[0] + self.cost[1]
        values += [self.kind, self.scale, self.lo, self.hi,
                   len(self.at)]
        for k in range(2):
            values += sum(self.stored[k], [])
        return " ".join(float(v).hex() for v in values)

    def line(self, k, e, o, segment):
        """Slope and offset."""
        i = e * self.ops + o
        if self.kind == LINEAR:
            return tuple(Fraction(part[i]) for part in self.stored[k])
        x, y = self.at[segment:segment + 2]
        a, b = (Fraction(knot[i])
                for knot in self.stored[k][segment:segment + 2])
        slope = (b - a) / (y - x)
        return slope, a - slope * x

    def segment(self, s):
        """The one that holds what lies just above s."""
        return max(bisect.bisect_right(self.at, s, 1, len(self.at) - 1) - 1, 0)

    def alpha(self, k, e, o, s):
        slope, offset = self.line(k, e, o, self.segment(s))
        return slope * s + offset

    def slope(self, k, e, o, s):
        return self.line(k, e, o, self.segment(s))[0]

    def allowed(self):
        return range(0 if self.rule == ARGMAX else 1, self.ops)

    def best(self, k, e, s):
        """The best operation just above s."""
        return max(self.allowed(), key=lambda o: (
            self.alpha(k, e, o, s), self.slope(k, e, o, s),
            -self.cost[k][e * self.ops + o], -o))

    def weight(self, k, e, o, s):
        if self.rule != TOP2:
            return self.alpha(k, e, o, s), self.slope(k, e, o, s)
        top = decimal(self.alpha(k, e, o, s))
        total = sum(sorted((decimal(self.alpha(k, e, p, s)) - top).exp()
                           for p in range(self.ops)))
        return (-total.quantize(Decimal(1).scaleb(-55 + total.adjusted())), )

    def select(self, k, s):
        """What each row has just above s."""
        op = [self.best(k, e, s) for e in range(len(self.edges))]
        if self.rule == ARGMAX:
            return op
        for v in range(2, 2 + self.nodes):
            mine = [e for e, (_, to) in enumerate(self.edges) if to == v]
            mine.sort(key=lambda e: (
                self.weight(k, e, op[e], s),
                -self.cost[k][e * self.ops + op[e]], -e), reverse=True)
            for e in mine[2:]:
                op[e] = -1
            for e in mine[:2]:
                if self.level is not None:
                    value = self.alpha(k, e, op[e], s) - self.level
                    slope = self.slope(k, e, op[e], s)
                    if value < 0 or value == 0 and slope < 0:
                        op[e] = -1
        return op

    def crossings(self, k):
        """All s at which the selection of a kind may change."""
        found = set(self.at[1:-1])
        for segment in range(len(self.at) - 1):
            lo, hi = self.at[segment:segment + 2]
            for s in self.meetings(k, segment):
                if lo <= s <= hi:
                    found.add(s)
        return found

    def meetings(self, k, segment):
        for v in range(2, 2 + self.nodes):
            groups = [[self.line(k, e, o, segment) for o in self.allowed()]
                      for e, (_, to) in enumerate(self.edges) if to == v]
            if self.rule != ARGMAX:  # edges of a node meet too
                groups = [sum(groups, [])]
            for group in groups:
                for i, (a, b) in enumerate(group):
                    if self.level is not None and a:
                        yield (self.level - b) / a
                    for c, d in group[:i]:
                        if a != c:
                            yield (d - b) / (a - c)

    def lambda_of(self, s):
        if self.scale == RAW:
            return Decimal(s)
        lo, hi = Decimal(self.lo), Decimal(self.hi)
        return lo * ((hi / lo).ln() * (Decimal(s) + 1) / 2).exp()


def float32(x):
    import struct
    return struct.unpack("f", struct.pack("f", x))[0]


def path_of(program, case):
    out = subprocess.run([program], input=case.text(), text=True, check=True,
                         capture_output=True).stdout.split("\n")
    op = [int(x) for x in out[0].split()]
    changes, now = [], list(op)
    for line in out[1:]:
        if line:
            s, lam, *ops = line.split()
            ops = [int(x) for x in ops]
            changes += [(float.fromhex(s), float.fromhex(lam), row, new)
                        for row, (old, new) in enumerate(zip(now, ops))
                        if old != new]
            assert ops != now, s
            now = ops
    return op, changes


def expected(case):
    """What the path must be: rows at its start, and changes by s."""
    lo, hi = (Fraction(x) for x in case.s_range())
    start, changes = [], {}
    for k in range(2):
        first = k * len(case.edges)
        cuts = sorted(c for c in case.crossings(k)
                      if lo < c and float(c) < hi)
        now = case.select(k, lo)
        start += now
        for c in cuts:
            new = case.select(k, c)
            for e, (a, b) in enumerate(zip(now, new)):
                if a != b:
                    changes.setdefault(float(c), {})[first + e] = b
            now = new
    return start, changes


def settle(case, start, changes):
    """Changes with one lambda count as one."""
    groups, now = [], list(start)
    for s in sorted(changes):
        lam = float(case.lambda_of(s))
        if groups and (lam <= groups[-1][0]):
            groups[-1][2].update(changes[s])
        else:
            groups.append((lam, s, dict(changes[s])))
    result = []
    for lam, s, group in groups:
        real = {r: o for r, o in group.items() if now[r] != o}
        now = [real.get(r, o) for r, o in enumerate(now)]
        if lam <= case.lo:
            start[:] = now
        elif real:
            result.append((s, real))
    return result


def check_closed(program, case):
    op, changes = path_of(program, case)
    start, want = expected(case)
    want = settle(case, start, want)
    assert op == start, (op, start)
    got = {}
    for s, lam, row, new in changes:
        got.setdefault(lam, (s, {}))[1][row] = new
        exact = case.lambda_of(s)
        assert abs(Decimal(lam) - exact) <= 2 * Decimal(math.ulp(lam)), s
    got = [got[lam] for lam in sorted(got)]
    assert len(got) == len(want), (len(got), len(want))
    for (s, rows), (t, others) in zip(got, want):
        assert rows == others, (s, t, rows, others)
        assert s == t or float(case.lambda_of(s)) == float(
            case.lambda_of(t)), (s.hex(), t.hex())
    return len(want)


def check_softmax(program, case, points):
    """Each breakpoint to 1e-8 of the range, and the pieces on a grid."""
    op, changes = path_of(program, case)
    at = sorted({s for s, _, _, _ in changes})
    pieces = [list(op)]
    for s in at:
        now = list(pieces[-1])
        for t, _, row, new in changes:
            if t == s:
                now[row] = new
        pieces.append(now)

    def select(s):
        return case.select(0, s) + case.select(1, s)

    lo, hi = (Fraction(x) for x in case.s_range())
    near = (hi - lo) * Fraction(1, 10 ** 8)
    for i, s in enumerate(at):
        others = [lo, hi] + [Fraction(t) for t in at[:i] + at[i + 1:]]
        x = Fraction(s)
        if min(abs(x - t) for t in others) > 2 * near:
            assert select(x - near) == pieces[i], s.hex()
            assert select(x + near) == pieces[i + 1], s.hex()
    for i in range(points):
        s = lo + (hi - lo) * Fraction(97 * i + 31, 97 * points)
        assert select(s) == pieces[bisect.bisect_right(at, s)], float(s)
    return len(at)


def main():
    program = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    rng, n = random.Random(7), 0
    for i in range(rounds):
        for scale in LOG, RAW:
            for coarse in False, True:
                for rule in ARGMAX, TOP2_RAW, THRESHOLD:
                    case = Case(rng, rule, scale, coarse, 1 + (i + 2) % 3,
                                2 + rng.randrange(5), rng.choice([0, 3, 4]))
                    n += check_closed(program, case)
                case = Case(rng, TOP2, scale, coarse, 2 + i % 2,
                            2 + rng.randrange(4), rng.choice([0, 3]))
                n += check_softmax(program, case, 60)
    print(f"{n} breakpoints")


if __name__ == "__main__":
    main()
