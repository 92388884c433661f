"""Judges of notebook 06: differences, PyTorch, a minimum by search, and sick programs written as sums over pairs (t, k)."""

import numpy as np

import bptt_helpers as bh


def central(loss, a, step):
    return bh.numerical_gradient(loss, a, step)


def sick(net, x, h0, grad_output, fault):
    """The gradients that a program with this fault returns, as sums over sequences, loss steps t and steps k <= t."""
    T, B, _ = x.shape
    U, W = net.weight_hh, net.weight_ih
    totals = {n: np.zeros_like(a) for n, a in {"x": x, "h0": h0, "w": W, "u": U, "b": net.bias_ih}.items()}
    for b in range(B):
        states = [h0[b]]
        for t in range(T):
            states.append(np.tanh(W @ x[t, b] + U @ states[-1] + net.bias_ih + net.bias_hh))
        before = [None, *states[:-1]]
        if fault == "h_t":
            before = states
        if fault == "wrap":
            before[1] = states[T]
        if fault == "zero":
            before[1] = 0 * h0[b]
        for t in range(1, T + 1):
            if fault == "last" and t < T:
                continue
            grad_h = grad_output[t - 1, b]
            for k in range(t, 0, -1):
                if k < t and fault == "alone":
                    break
                if k == 1 and fault == "short":
                    totals["h0"][b] += grad_h
                slope = np.diag(1 - (np.tanh(states[k]) if fault == "slope" else states[k]) ** 2)
                delta = slope @ grad_h
                totals["x"][k - 1, b] += W.T @ delta
                totals["w"] += np.outer(delta, x[k - 1, b])
                totals["u"] += np.outer(delta, before[k])
                totals["b"] += delta / (B if fault == "mean" else 1)
                grad_h = (U if fault == "transpose" else U.T) @ delta
                if k == 1 and fault != "short":
                    totals["h0"][b] += grad_h
    return [*totals.values(), totals["b"]]


def all_upstream(net, x, h0, grad_output):
    """dL/dh_t with all paths, at every step: what an overwriting program leaves in grad_output."""
    found = []
    for t in range(len(x)):
        output = net.forward(x[: t + 1], h0)[0][-1].copy()

        def loss(h, t=t):
            later = (net.forward(x[t + 1 :], h)[0] * grad_output[t + 1 :]).sum() if t + 1 < len(x) else 0.0
            return (h * grad_output[t]).sum() + later

        found.append(bh.numerical_gradient(loss, output))
    return np.array(found)


FAULTS = {"A": "last", "B": "wrap", "C": "mean", "D": "alone", "E": "short", "F": "stops", "G": "h_t", "H": "overwrites",
          "I": "transpose", "J": "zero", "K": "slope"}  # fmt: skip


def diagnose(case):
    net, x, h0, grad_output = case
    right = list(bh.numerical_gradients(net, x, grad_output, h0))
    rows = {}
    for letter, fault in FAULTS.items():
        if fault == "stops":
            rows[letter] = np.full(7, -1.0)
            continue
        first = sick(*case, fault)
        again = sick(net, x, h0, all_upstream(*case), fault) if fault == "overwrites" else first
        changed = max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(again, first))
        errors = [np.abs(a - b).max() / np.abs(b).max() for a, b in zip(first, right)]
        rows[letter] = np.array([*(e if e > 1e-6 else 0 for e in errors), changed])
    return rows


def in_halves(net, x, h0, grad_output):
    moved = bh.numerical_gradients(net, x, grad_output, h0)
    return moved.weight_hh, moved.h0


def along(loss, arrays, directions, step):
    total = 0.0
    for i, (a, v) in enumerate(zip(arrays, directions)):
        total += (bh.numerical_gradient(lambda b, i=i: loss([*arrays[:i], b, *arrays[i + 1 :]]), a) * v).sum()
    return total


def lowest(bound):
    """Where a bound of e is smallest, by golden sections of ln e."""
    low, high = np.log(1e-12), np.log(10.0)
    for _ in range(200):
        one, two = high - 0.618034 * (high - low), low + 0.618034 * (high - low)
        low, high = (low, two) if bound(np.exp(one)) < bound(np.exp(two)) else (one, high)
    return np.exp((low + high) / 2)


def best_steps(eps, size, second, third):
    return (lowest(lambda e: second / 2 * e + 2 * eps * size / e), lowest(lambda e: third / 6 * e**2 + eps * size / e))


def both_sides(net, h0, output, grad_output, gradients):
    """Left: the sum over single numbers; right: the sum over single numbers."""
    left = 0.0
    for gradient, array in [(gradients.h0, h0), (gradients.weight_ih, net.weight_ih),
                            (gradients.bias_ih, net.bias_ih), (gradients.bias_hh, net.bias_hh)]:  # fmt: skip
        for g, a in zip(gradient.ravel(), array.ravel()):
            left += float(g) * float(a)
    right = 0.0
    for c, h in zip(grad_output.ravel(), output.ravel()):
        right += float(c) * float(h)
    assert abs(left - right) < 1e-9 * abs(right), "the two sides of the answer are equal"
    return left, right


def checkpointed(net, x, h0, grad_output, span):
    return bh.autograd_gradients(net, x, grad_output, h0).weight_hh


JUDGES = {
    "6.A": central,
    "6.B": diagnose,
    "6.C": in_halves,
    "6.1": along,
    "6.2": best_steps,
    "6.3": both_sides,
    "6.4": checkpointed,
}

RIGHT = {
    "6.A": [
        """
def central(loss, a, step):  # in place, and moved back
    gradient = np.empty(a.shape)
    for i in np.ndindex(a.shape):
        kept = a[i]
        e = max(step, step * abs(kept))
        a[i] = kept + e
        up = loss(a)
        a[i] = kept - e
        down = loss(a)
        a[i] = kept
        gradient[i] = (up - down) / (2 * e)
    return gradient
""",
        """
def central(loss, a, step):  # unit vectors of the flat array
    flat = a.ravel()
    found = []
    for unit in np.eye(a.size):
        e = step * (1 + abs(flat @ unit))
        right, left = flat + e * unit, flat - e * unit
        found.append((loss(right.reshape(a.shape)) - loss(left.reshape(a.shape))) / (2 * e))
    return np.array(found).reshape(a.shape)
""",
        """
def central(loss, a, step):  # the distance as it was really made
    gradient = np.zeros_like(a)
    for i in np.ndindex(a.shape):
        up, down = a.copy(), a.copy()
        up[i] = a[i] + step * max(1, abs(a[i]))
        down[i] = a[i] - step * max(1, abs(a[i]))
        gradient[i] = (loss(up) - loss(down)) / (up[i] - down[i])
    return gradient
""",
    ],
    "6.B": [
        """
def diagnose(case):
    answer = dict(zip("ABCDEFGHIJK", [5, 1, 6, 7, 11, 4, 8, 9, 2, 10, 3]))
    return {patient: symptoms(number, case) for patient, number in answer.items()}
"""
    ],
    "6.C": [
        """
def in_halves(net, x, h0, grad_output):
    half = (len(x) + 1) // 2
    output, first = net.forward(x[:half], h0)
    _, second = net.forward(x[half:], output[-1].copy())
    late = net.backward(grad_output[half:], second)
    upstream = grad_output[:half].copy()
    upstream[-1] += late.h0
    early = net.backward(upstream, first)
    return late.weight_hh + early.weight_hh, early.h0
"""
    ],
    "6.1": [
        """
def along(loss, arrays, directions, step):
    values = [loss([a + e * v for a, v in zip(arrays, directions)]) for e in (step, -step)]
    return 0.5 * (values[0] - values[1]) / step
"""
    ],
    "6.2": ["def best_steps(eps, size, second, third):\n    return (4 * eps * size / second) ** 0.5, (3 * eps * size / third) ** (1 / 3)\n"],  # noqa: E501
    "6.3": [
        """
def both_sides(net, h0, output, grad_output, gradients):
    left = np.vdot(gradients.h0, h0) + np.vdot(gradients.weight_ih, net.weight_ih)
    left = left + gradients.bias_ih @ (net.bias_ih + net.bias_hh)
    return left, np.einsum("tbh,tbh->", grad_output, output)
"""
    ],
    "6.4": [
        """
def checkpointed(net, x, h0, grad_output, span):
    if len(x) <= span:
        return net.backward(grad_output, net.forward(x, h0)[1]).weight_hh
    total, carry, end = 0, None, len(x)
    while end > 0:
        begin = (end - 1) // span * span
        start = net.forward(x[:begin], h0)[0][-1].copy() if begin else h0
        part = net.backward(grad_output[begin:end], net.forward(x[begin:end], start)[1], grad_h_n=carry)
        total, carry, end = total + part.weight_hh, part.h0, begin
    return total
"""
    ],
}
