"""Judges of notebook 08: differences, PyTorch's autograd, loops over single numbers."""

import math

import numpy as np
import torch

import bptt_helpers as bh


def logistic(a):
    return 1 / (1 + np.exp(-a))


def logit(p):
    return np.log(p / (1 - p))


def step_by_numbers(x, h_prev, c_prev, W, U, b):
    """(6.51)-(6.56), one number at a time."""
    found = np.zeros((6, *h_prev.shape))
    for row in range(len(x)):
        for k in range(h_prev.shape[1]):
            a = {}
            for n in "ifgo":
                a[n] = b[n][k]
                for j in range(x.shape[1]):
                    a[n] += W[n][k, j] * x[row, j]
                for j in range(h_prev.shape[1]):
                    a[n] += U[n][k, j] * h_prev[row, j]
            i, f, o = (1 / (1 + math.exp(-a[n])) for n in "ifo")
            g = math.tanh(a["g"])
            c = i * g + f * c_prev[row, k]
            found[:, row, k] = i, f, g, o, c, math.tanh(c) * o
    return tuple(found)


def gates_moved(grad_h, grad_c_later, cache):
    i, f, g, o, c_prev, _ = cache
    now = {"i": i, "f": f, "g": g, "o": o, "c_prev": c_prev}

    def loss(name, value):
        v = now | {name: value}
        c = v.get("c", v["f"] * v["c_prev"] + v["i"] * v["g"])
        return (v["o"] * np.tanh(c) * grad_h + c * grad_c_later).sum()

    def moved(name, at):
        return bh.numerical_gradient(lambda value: loss(name, value), at)

    return moved("o", o), moved("c", f * c_prev + i * g), moved("f", f), moved("i", i), moved("g", g), moved("c_prev", c_prev)


def net_inputs_moved(grad_i, grad_f, grad_g, grad_o, cache, U):
    i, f, g, o, _, _ = cache
    now = {"i": logit(i), "f": logit(f), "g": np.arctanh(g), "o": logit(o)}
    grads = {"i": grad_i, "f": grad_f, "g": grad_g, "o": grad_o}

    def loss(a):
        return sum(((np.tanh(a[n]) if n == "g" else logistic(a[n])) * grads[n]).sum() for n in "ifgo")

    deltas = [bh.numerical_gradient(lambda v, n=n: loss(now | {n: v}), now[n]) for n in "ifgo"]
    of_h = bh.numerical_gradient(lambda h: loss({n: now[n] + h @ U[n].T for n in "ifgo"}), np.zeros_like(i))
    return *deltas, of_h


def sequence_by_torch(U, gates, cells, grad_output, grad_h_n, grad_c_n):
    """The recurrence around what was seen: each net input is what it was, plus U times the change of h_{t-1}."""
    tensors = {n: torch.tensor(U[n]) for n in "ifgo"}
    seen = torch.tensor(np.stack([logit(gates[:, 0]), logit(gates[:, 1]), np.arctanh(gates[:, 2]), logit(gates[:, 3])], axis=1))
    change = first = torch.zeros(cells[0].shape, dtype=torch.float64, requires_grad=True)  # of h_0
    c = torch.tensor(cells[0], requires_grad=True)
    kept_a, kept_c, loss = [], [c], 0
    for a, grad in zip(seen, torch.tensor(grad_output)):
        a = torch.stack([part + change @ tensors[n].T for n, part in zip("ifgo", a)])
        a.retain_grad()
        c = torch.sigmoid(a[1]) * c + torch.sigmoid(a[0]) * torch.tanh(a[2])
        c.retain_grad()
        h = torch.sigmoid(a[3]) * torch.tanh(c)
        change = h - h.detach()
        kept_a.append(a)
        kept_c.append(c)
        loss = loss + (h * grad).sum()
    loss = loss + (h * torch.tensor(grad_h_n)).sum() + (c * torch.tensor(grad_c_n)).sum()
    loss.backward()
    return np.array([a.grad.numpy() for a in kept_a]), np.array([c.grad.numpy() for c in kept_c]), first.grad.numpy()


def gru_moved(grad_h, cache, U):
    r, z, n, h_prev = cache
    a_r, a_z, a_n = logit(r), logit(z), np.arctanh(n)

    def loss(r=r, z=z, n=None, a_n=a_n, m=None, h=h_prev, mixed=h_prev):
        m = r * h if m is None else m
        n = np.tanh(a_n + (m - cache[0] * h_prev) @ U["n"].T) if n is None else n
        return ((z * mixed + (1 - z) * n) * grad_h).sum()

    def of_h(h):
        change = h - h_prev
        return loss(r=logistic(a_r + change @ U["r"].T), z=logistic(a_z + change @ U["z"].T), h=h, mixed=h)

    move = bh.numerical_gradient
    return (
        move(lambda v: loss(z=v), z),
        move(lambda v: loss(n=v), n),
        move(lambda v: loss(a_n=v), a_n),
        move(lambda v: loss(m=v), r * h_prev),
        move(lambda v: loss(r=v), r),
        move(lambda v: loss(r=logistic(v)), a_r),
        move(lambda v: loss(z=logistic(v)), a_z),
        move(of_h, h_prev),
    )


def keras_by_numbers(kernel, recurrent, bias):
    """Where each single number goes: Keras's blocks are z, r, n, ours r, z, n."""
    D, H = kernel.shape[0], recurrent.shape[0]
    weight_ih, weight_hh = np.zeros((3 * H, D)), np.zeros((3 * H, H))
    bias_ih, bias_hh = np.zeros(3 * H), np.zeros(3 * H)
    for ours, theirs in [(0, 1), (1, 0), (2, 2)]:
        for k in range(H):
            for j in range(D):
                weight_ih[ours * H + k, j] = kernel[j, theirs * H + k]
            for j in range(H):
                weight_hh[ours * H + k, j] = recurrent[j, theirs * H + k]
            bias_ih[ours * H + k] = bias[0, theirs * H + k]
            bias_hh[ours * H + k] = bias[1, theirs * H + k]
    return weight_ih, weight_hh, bias_ih, bias_hh


def half_life_by_search(bias):
    """Bisection: where f^s passes one half."""
    found = []
    for b in bias:
        low, high = 0.0, 1000.0
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if math.exp(-middle * math.log1p(math.exp(-b))) > 0.5 else (low, middle)
        found.append(low)
    return np.array(found)


def torch_gru_moved(grad_h, cache, U):
    r, z, n, q, h_prev = cache
    a_r, a_z, a_n = logit(r), logit(z), np.arctanh(n) - r * q

    def loss(r=r, z=z, q=q, shift=0.0, h=h_prev):
        return ((z * h + (1 - z) * np.tanh(a_n + shift + r * q)) * grad_h).sum()

    def of_h(h):
        change = h - h_prev
        return loss(r=logistic(a_r + change @ U["r"].T), z=logistic(a_z + change @ U["z"].T), q=q + change @ U["n"].T, h=h)

    move = bh.numerical_gradient
    return (
        move(lambda v: loss(z=logistic(v)), a_z),
        move(lambda v: loss(shift=v), np.zeros_like(n)),
        move(lambda v: loss(q=v), q),
        move(lambda v: loss(r=logistic(v)), a_r),
        move(of_h, h_prev),
    )


def peepholes_moved(grad_h, grad_c_later, cache, V):
    i, f, g, o, c_prev, c = cache
    a_i, a_f, a_o = logit(i) - V["i"] * c_prev, logit(f) - V["f"] * c_prev, logit(o) - V["o"] * c

    def of_c(c):
        return (logistic(a_o + V["o"] * c) * np.tanh(c) * grad_h + c * grad_c_later).sum()

    def of_c_prev(c_prev):
        return of_c(logistic(a_f + V["f"] * c_prev) * c_prev + logistic(a_i + V["i"] * c_prev) * g)

    return bh.numerical_gradient(of_c, c), bh.numerical_gradient(of_c_prev, c_prev)


def coupled_moved(U, gates, cells, grad_output):
    seen = np.stack([logit(gates[:, 0]), np.arctanh(gates[:, 1]), logit(gates[:, 2])], axis=1)
    states = [None] + [gate[2] * np.tanh(c) for gate, c in zip(gates, cells[1:])]

    still, unmoved = np.zeros_like(seen), np.zeros_like(cells[0])

    def loss(shift=still, c=cells[0], change=unmoved):
        total = 0.0
        for t in range(1, len(seen) + 1):
            a = seen[t - 1] + shift[t - 1]
            i = logistic(a[0] + change @ U["i"].T)
            g = np.tanh(a[1] + change @ U["g"].T)
            o = logistic(a[2] + change @ U["o"].T)
            c = (1 - i) * c + i * g
            h = o * np.tanh(c)
            change = h - states[t]
            total += (h * grad_output[t - 1]).sum()
        return total

    move = bh.numerical_gradient
    return (
        move(lambda v: loss(shift=v), still),
        move(lambda v: loss(c=v), cells[0]),
        move(lambda v: loss(change=v), unmoved),
    )


JUDGES = {
    "8.A": step_by_numbers,
    "8.B": gates_moved,
    "8.C": net_inputs_moved,
    "8.D": sequence_by_torch,
    "8.E": gru_moved,
    "8.F": keras_by_numbers,
    "8.1": half_life_by_search,
    "8.2": torch_gru_moved,
    "8.3": peepholes_moved,
    "8.4": coupled_moved,
}

RIGHT = {
    "8.A": [
        """
def lstm_step(x, h_prev, c_prev, W, U, b):
    i, f, o = (sigmoid(x @ W[n].T + h_prev @ U[n].T + b[n]) for n in "ifo")
    g = np.tanh((W["g"] @ x.T + U["g"] @ h_prev.T + b["g"][:, None]).T)
    c = c_prev - (1 - f) * c_prev
    c += g * i
    return i, f, g, o, c, np.tanh(c) * o
""",
        """
def lstm_step(x, h_prev, c_prev, W, U, b):
    stacked = [np.concatenate([d[n] for n in "ifgo"]) for d in (W, U, b)]
    _, cache = bh.LSTM(*stacked).forward(x[None], (h_prev, c_prev))
    return *np.moveaxis(cache.gates[0], 1, 0), cache.cells[1], cache.states[1]
""",
    ],
    "8.B": [
        """
def into_gates(grad_h, grad_c_later, cache):
    i, f, g, o, c_prev, c = cache
    tanh_c = np.tanh(c)
    through_h = grad_h * o
    through_h -= through_h * tanh_c**2
    total = through_h + grad_c_later
    return tanh_c * grad_h, total, c_prev * total, g * total, i * total, f * total
""",
        """
def into_gates(grad_h, grad_c_later, cache):
    i, f, g, o, c_prev, c = (part.astype(np.float32) for part in cache)
    grad_h = grad_h.astype(np.float32)
    grad_c = grad_c_later.astype(np.float32) + grad_h * o / np.cosh(c) ** 2
    return grad_h * np.tanh(c), grad_c, grad_c * c_prev, grad_c * g, grad_c * i, grad_c * f
""",
    ],
    "8.C": [
        """
def through_gates(grad_i, grad_f, grad_g, grad_o, cache, U):
    i, f, g, o, *_ = cache
    grad_i *= i - i**2
    grad_f *= f - f**2
    grad_g *= (1 - g) * (1 + g)
    grad_o *= o - o**2
    stacked = np.concatenate([grad_i, grad_f, grad_g, grad_o], axis=1)
    return grad_i, grad_f, grad_g, grad_o, stacked @ np.concatenate([U[n] for n in "ifgo"])
""",
        """
def through_gates(grad_i, grad_f, grad_g, grad_o, cache, U):
    slopes = [cache[0] * (1 - cache[0]), cache[1] * (1 - cache[1]), 1 - cache[2] ** 2, cache[3] * (1 - cache[3])]
    deltas = [grad * slope for grad, slope in zip([grad_i, grad_f, grad_g, grad_o], slopes)]
    grad_h_prev = sum(np.einsum("bi,ij->bj", d, U[n]) for d, n in zip(deltas, "ifgo"))
    return *deltas, grad_h_prev
""",
        """
def through_gates(grad_i, grad_f, grad_g, grad_o, cache, U):
    i, f, g, o, _, _ = cache
    d_i, d_f, d_o = grad_i * i * (1 - i), grad_f * f * (1 - f), grad_o * o * (1 - o)
    d_g = grad_g * (1 - g * g)
    columns = U["i"].T @ d_i.T + U["f"].T @ d_f.T + U["g"].T @ d_g.T + U["o"].T @ d_o.T
    return d_i, d_f, d_g, d_o, columns.T
""",
    ],
    "8.D": [
        """
def lstm_backward(U, gates, cells, grad_output, grad_h_n, grad_c_n):
    dh, dc, deltas, dcs = grad_h_n, grad_c_n, [], []
    for t in reversed(range(len(gates))):
        i, f, g, o = gates[t]
        dh = dh + grad_output[t]
        tanh_c = np.tanh(cells[t + 1])
        dc = dc + dh * o * (1 - tanh_c**2)
        four = [dc * g * i * (1 - i), dc * cells[t] * f * (1 - f), dc * i * (1 - g**2), dh * tanh_c * o * (1 - o)]
        deltas.insert(0, four)
        dcs.insert(0, dc)
        dh = sum(d @ U[n] for d, n in zip(four, "ifgo"))
        dc = dc * f
    return np.array(deltas), np.array([dc, *dcs]), dh
""",
        """
def lstm_backward(U, gates, cells, grad_output, grad_h_n, grad_c_n):
    grad_output = grad_output.copy()
    grad_output[-1] += grad_h_n
    grad_c = np.zeros_like(cells)
    grad_c[-1] = grad_c_n
    deltas = np.zeros_like(gates)
    carry = 0
    for t in range(len(gates), 0, -1):
        cache = [*gates[t - 1], cells[t - 1], cells[t]]
        do, grad_c[t], df, di, dg, grad_c[t - 1] = into_gates(grad_output[t - 1] + carry, grad_c[t], cache)
        *deltas[t - 1], carry = through_gates(di, df, dg, do, cache, U)
    return deltas, grad_c, carry
""",
    ],
    "8.E": [
        """
def gru_step_backward(grad_h, cache, U):
    r, z, n, h_prev = cache
    grad_z = grad_h * h_prev - grad_h * n
    grad_n = grad_h - grad_h * z
    delta_n = grad_n * (1 - n) * (1 + n)
    grad_m = (U["n"].T @ delta_n.T).T
    grad_r = h_prev * grad_m
    delta_r = grad_r * (r - r**2)
    delta_z = grad_z * (z - z**2)
    grad_h_prev = np.einsum("bi,ij->bj", delta_r, U["r"])
    grad_h_prev += delta_z @ U["z"]
    grad_h_prev += r * grad_m
    grad_h_prev += z * grad_h
    return grad_z, grad_n, delta_n, grad_m, grad_r, delta_r, delta_z, grad_h_prev
""",
        """
def gru_step_backward(grad_h, cache, U):
    r, z, n, h_prev = (torch.tensor(part) for part in cache)
    grad_h = torch.tensor(grad_h)
    U = {name: torch.tensor(part) for name, part in U.items()}
    grad_z, grad_n = grad_h * (h_prev - n), grad_h * (1 - z)
    delta_n = grad_n * (1 - n**2)
    grad_m = delta_n @ U["n"]
    grad_r = grad_m * h_prev
    delta_r, delta_z = grad_r * r * (1 - r), grad_z * z * (1 - z)
    return grad_z, grad_n, delta_n, grad_m, grad_r, delta_r, delta_z, grad_h * z + grad_m * r + delta_r @ U["r"] + delta_z @ U["z"]
""",
    ],
    "8.F": [
        """
def from_keras(kernel, recurrent, bias):
    H = len(recurrent)
    rows = [*range(H, 2 * H), *range(H), *range(2 * H, 3 * H)]
    return kernel[:, rows].T, recurrent[:, rows].T, bias[0][rows], bias[1][rows]
""",
        """
def from_keras(kernel, recurrent, bias):
    def turned(stacked):
        z, r, n = np.split(stacked, 3, axis=-1)
        return np.concatenate([r, z, n], axis=-1).T
    return turned(kernel), turned(recurrent), turned(bias[0]), turned(bias[1])
""",
    ],
    "8.1": ["def half_life(bias):\n    return np.log(2) / np.log1p(np.exp(-bias))\n"],
    "8.2": [
        """
def torch_gru_backward(grad_h, cache, U):
    r, z, n, q, h_prev = cache
    delta_n = (grad_h - z * grad_h) * (1 - n**2)
    back = np.concatenate([delta_n * q * r * (1 - r), grad_h * (h_prev - n) * z * (1 - z), r * delta_n], axis=1)
    delta_r, delta_z, grad_q = np.split(back, 3, axis=1)
    return delta_z, delta_n, grad_q, delta_r, back @ np.concatenate([U["r"], U["z"], U["n"]]) + grad_h * z
""",
    ],
    "8.3": [
        """
def peephole_backward(grad_h, grad_c_later, cache, V):
    i, f, g, o, c_prev, c = cache
    slope_o = V["o"] * o * (1 - o) * np.tanh(c) + o / np.cosh(c) ** 2
    total = grad_c_later + grad_h * slope_o
    return total, total * (f + V["f"] * f * (1 - f) * c_prev + V["i"] * i * (1 - i) * g)
""",
    ],
    "8.4": [
        """
def coupled_backward(U, gates, cells, grad_output):
    deltas, dh, dc = [], 0, 0
    for (i, g, o), before, c, grad in list(zip(gates, cells[:-1], cells[1:], grad_output))[::-1]:
        dh = dh + grad
        dc = dc + dh * o / np.cosh(c) ** 2
        three = [dc * (g - before) * (i - i**2), dc * i * (1 - g**2), dh * np.tanh(c) * (o - o**2)]
        deltas.append(three)
        dh = sum(d @ U[n] for d, n in zip(three, "igo"))
        dc = dc - dc * i
    return np.array(deltas[::-1]), dc, dh
""",
    ],
}
