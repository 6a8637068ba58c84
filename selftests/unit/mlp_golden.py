#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Golden vectors for user/nn, from an implementation of its own in double precision.

Gradients come from dual numbers (forward mode), not from the back-propagation that they check;
clipping and Adam are written down as in their papers. Prints mlp_golden.h:

    selftests/unit/mlp_golden.py > selftests/unit/mlp_golden.h
"""
import math
import random

DIM = [3, 18, 5, 2]     # one layer wider than a tile of user/nn, others narrower
ROWS = 5
STEPS = 4
RATE, BETA1, BETA2, EPS, CLIP = 1e-2, 0.9, 0.999, 1e-8, 1.0


class Dual:
    """A number and its derivative by one parameter."""

    def __init__(self, v, d=0.0):
        self.v, self.d = v, d

    def __add__(self, o):
        o = o if isinstance(o, Dual) else Dual(o)
        return Dual(self.v + o.v, self.d + o.d)

    __radd__ = __add__

    def __mul__(self, o):
        o = o if isinstance(o, Dual) else Dual(o)
        return Dual(self.v * o.v, self.v * o.d + self.d * o.v)

    __rmul__ = __mul__


def activate(kind, z):
    if kind == "tanh":
        t = math.tanh(z.v)
        return Dual(t, z.d * (1.0 - t * t))
    return z if z.v > 0.0 else Dual(0.0)


def forward(kind, params, x):
    at = 0
    for layer in range(len(DIM) - 1):
        n_in, n_out = DIM[layer], DIM[layer + 1]
        b = at + n_in * n_out
        y = []
        for o in range(n_out):
            z = params[b + o]
            for i in range(n_in):
                z = z + x[i] * params[at + i * n_out + o]
            y.append(activate(kind, z) if layer + 2 < len(DIM) else z)
        x, at = y, b + n_out
    return x


def loss(kind, params, xs, targets):
    """Half the mean square, over rows."""
    total = Dual(0.0)
    for x, target in zip(xs, targets):
        for y, t in zip(forward(kind, params, [Dual(v) for v in x]), target):
            e = y + Dual(-t)
            total = total + 0.5 / ROWS * e * e
    return total


def train(kind, params, xs, targets):
    m, v = [0.0] * len(params), [0.0] * len(params)
    for step in range(1, STEPS + 1):
        grad = []
        for k in range(len(params)):
            grad.append(loss(kind, [Dual(p, float(i == k)) for i, p in enumerate(params)],
                             xs, targets).d)
        if step == 1:
            first = grad
        norm = math.sqrt(sum(g * g for g in grad))
        if norm > CLIP:
            grad = [g * CLIP / norm for g in grad]
        for k, g in enumerate(grad):
            m[k] = BETA1 * m[k] + (1.0 - BETA1) * g
            v[k] = BETA2 * v[k] + (1.0 - BETA2) * g * g
            params[k] -= RATE * (m[k] / (1.0 - BETA1 ** step)) / (
                math.sqrt(v[k] / (1.0 - BETA2 ** step)) + EPS)
    return first, params


def array(name, values):
    print(f"\t.{name} = {{")
    for i in range(0, len(values), 6):
        print("\t\t" + " ".join(f"{x:.9g}," for x in values[i:i + 6]))
    print("\t},")


def main():
    rng = random.Random(1)
    n = sum(DIM[i] * DIM[i + 1] + DIM[i + 1] for i in range(len(DIM) - 1))
    print("/* SPDX-License-Identifier: GPL-2.0 */")
    print("/* Made by mlp_golden.py. */")
    print(f"#define GOLDEN_ROWS {ROWS}")
    print(f"#define GOLDEN_STEPS {STEPS}")
    print(f"#define GOLDEN_PARAMS {n}")
    print(f"static const unsigned int golden_dim[] = {{ {', '.join(map(str, DIM))} }};")
    print("static const struct golden golden[] = { {")
    for number, kind in enumerate(("relu", "tanh")):
        # Of few binary digits, so that single precision starts from the same numbers.
        draw = lambda: round(rng.gauss(0.0, 0.6) * 256) / 256
        params = [draw() for _ in range(n)]
        xs = [[draw() for _ in range(DIM[0])] for _ in range(ROWS)]
        targets = [[draw() for _ in range(DIM[-1])] for _ in range(ROWS)]
        out = [y.v for x in xs for y in forward(kind, [Dual(p) for p in params],
                                               [Dual(v) for v in x])]
        print(f"\t.activation = MLP_{kind.upper()},")
        array("x", [v for x in xs for v in x])
        array("target", [v for t in targets for v in t])
        array("params", params)
        array("out", out)
        grad, after = train(kind, list(params), xs, targets)
        array("grad", grad)
        array("after", after)
        print("}, {" if number == 0 else "} };")


main()
