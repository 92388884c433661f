"""Judges of notebook 14: maps applied to vectors, loops over single numbers, autograd, a linear system; no scan."""

import numpy as np
import torch

import bptt_helpers as bh


def judge_compose(A_2, b_2, A_1, b_1):
    """The two maps, one after the other, applied to zero and moved."""

    def both(n, v):
        return A_2[n] @ (A_1[n] @ v + b_1[n]) + b_2[n]

    zero = np.zeros(b_1.shape[1])
    A = np.stack([bh.numerical_jacobian(lambda v, n=n: both(n, v), zero) for n in range(len(b_1))])
    return A, np.stack([both(n, zero) for n in range(len(b_1))])


def judge_scan(A, b, compose):
    T, H = b.shape
    rows = np.zeros((T, H))
    for k in range(T):
        for i in range(H):
            rows[k, i] = b[k, i]
            for j in range(H):
                if k > 0 and A.ndim == 3:
                    rows[k, i] += A[k, i, j] * rows[k - 1, j]
            if k > 0 and A.ndim == 2:  # a diagonal, stored as a row
                rows[k, i] += A[k, i] * rows[k - 1, i]
    return rows


def judge_min_gru(x, h0, z, candidate, h, grad_h, recurrence):
    """Autograd of (6.68), step by step; the weights stand beside the given net inputs, at zero."""
    H, D = z.shape[2], x.shape[2]
    leaves = {
        "W_z": np.zeros((H, D)),
        "W_h": np.zeros((H, D)),
        "b_z": np.zeros(H),
        "b_h": np.zeros(H),
        "start": h0,
    }
    leaves |= {"net_z": np.log(z / (1 - z)), "net_h": candidate}
    p = {name: torch.tensor(value, requires_grad=True) for name, value in leaves.items()}
    x, state, states, loss = torch.tensor(x), p["start"], [], 0
    for t in range(len(z)):
        gate = torch.sigmoid(p["net_z"][t] + x[t] @ p["W_z"].T + p["b_z"])
        state = gate * state + (1 - gate) * (p["net_h"][t] + x[t] @ p["W_h"].T + p["b_h"])
        state.retain_grad()
        states.append(state)
        loss = loss + (state * torch.tensor(grad_h[t])).sum()
    loss.backward()
    e = np.array([state.grad.numpy() for state in states])
    return e, *(p[name].grad.numpy() for name in ["net_z", "net_h", "W_z", "W_h", "b_z", "b_h", "start"])


def judge_half_life(T):
    """By bisection, with the product of the gates as a loop."""
    low, high = 0.0, 50.0
    for _ in range(200):
        middle, left = (low + high) / 2, 1.0
        for _ in range(T):
            left *= 0.5 * (1 + np.tanh(middle / 2))
        low, high = (middle, high) if left < 0.5 else (low, middle)
    return low


def judge_blocks(A, b, size):
    T, H = b.shape
    v = np.zeros((T, H))
    for t in range(T):
        for i in range(H):
            v[t, i] = b[t, i] + (A[t, i] * v[t - 1, i] if t else 0)
    return v


def judge_modulo(bits, n):
    count, found = [0] * bits.shape[1], []
    for row in bits:
        count = [(old + int(bit)) % n for old, bit in zip(count, row)]
        found.append(count)
    return np.array(found, dtype=float)


def judge_newton(U, c, h0, guess):
    """The tangents as one large linear system; each Jacobian by differences."""
    T, H = c.shape
    matrix, right = np.eye(T * H), np.zeros(T * H)
    for t in range(T):
        at = h0 if t == 0 else guess[t - 1]
        here = slice(t * H, (t + 1) * H)
        right[here] = np.tanh(U @ at + c[t])
        if t:
            J = bh.numerical_jacobian(lambda v, t=t: np.tanh(U @ v + c[t]), at)
            right[here] -= J @ at
            matrix[here, (t - 1) * H : t * H] = -J
    return np.linalg.solve(matrix, right).reshape(T, H)


JUDGES = {
    "14.A": judge_compose,
    "14.B": judge_scan,
    "14.C": judge_min_gru,
    "14.1": judge_half_life,
    "14.2": judge_blocks,
    "14.3": judge_modulo,
    "14.4": judge_newton,
}

RIGHT = {
    "14.A": [
        """
def compose(A_2, b_2, A_1, b_1):
    A, b = np.zeros_like(A_1), np.zeros_like(b_1)
    for n in range(len(b)):
        A[n] = A_2[n] @ A_1[n]
        b[n] = A_2[n] @ b_1[n] + b_2[n]
    return A, b
""",
        """
def compose(A_2, b_2, A_1, b_1):
    return np.matmul(A_2, A_1), (A_2 @ b_1[..., None])[..., 0] + b_2
""",
        """
def compose(A_2, b_2, A_1, b_1):
    together = A_2 @ np.concatenate([A_1, b_1[:, :, None]], axis=2)
    return together[:, :, :-1], together[:, :, -1] + b_2
""",
        """
def compose(A_2, b_2, A_1, b_1):
    A_2, b_2, A_1, b_1 = (v.astype(np.float32) for v in (A_2, b_2, A_1, b_1))
    return np.einsum("nij,njk->nik", A_2, A_1), (A_2 * b_1[:, None, :]).sum(axis=2) + b_2
""",
    ],
    "14.B": [
        """
def scan(A, b, compose):
    A, b = A.copy(), b.copy()
    stride = 1
    while stride < len(b):
        A[stride:], b[stride:] = compose(A[stride:], b[stride:], A[:-stride], b[:-stride])
        stride *= 2
    return b
""",
        """
def scan(A, b, compose):
    def pairs(A, b):
        if len(b) == 1:
            return A, b
        half = len(b) // 2
        A_left, b_left = pairs(A[:half], b[:half])
        A_right, b_right = pairs(A[half:], b[half:])
        last = [np.repeat(v[-1:], len(b_right), axis=0) for v in (A_left, b_left)]
        A_right, b_right = compose(A_right, b_right, *last)
        return np.concatenate([A_left, A_right]), np.concatenate([b_left, b_right])

    return pairs(A, b)[1]
""",
        """
def scan(A, b, compose):
    pairs = [(A[:1], b[:1])]
    for k in range(1, len(b)):
        pairs.append(compose(A[k : k + 1], b[k : k + 1], *pairs[-1]))
    return np.concatenate([pair[1] for pair in pairs])
""",
        """
def scan(A, b, compose):
    stride, T = 1, len(b)
    while stride < T:
        A_old, b_old = A, b
        A, b = A_old.copy(), b_old.copy()
        for k in range(stride, T):
            one = slice(k, k + 1)
            two = slice(k - stride, k - stride + 1)
            A[one], b[one] = compose(A_old[one], b_old[one], A_old[two], b_old[two])
        stride = stride + stride
    return b
""",
    ],
    "14.C": [
        """
def min_gru_backward(x, h0, z, candidate, h, grad_h, recurrence):
    T, B, D = x.shape
    A = np.zeros_like(z)
    A[:-1] = z[1:]
    e = np.flip(recurrence(np.flip(A, 0), np.flip(grad_h, 0)), 0)
    before = np.vstack([h0[None], h[:T - 1]])
    grad_gate = e * before - e * candidate
    net_z = grad_gate * (z - z**2)
    net_h = e - e * z
    W_z = net_z.reshape(T * B, -1).T @ x.reshape(T * B, D)
    W_h = np.tensordot(net_h, x, axes=([0, 1], [0, 1]))
    return e, net_z, net_h, W_z, W_h, net_z.sum(0).sum(0), net_h.sum((0, 1)), e[0] * z[0]
""",
        """
def min_gru_backward(x, h0, z, candidate, h, grad_h, recurrence):
    T = len(x)
    e, net_z, net_h = np.zeros_like(z), np.zeros_like(z), np.zeros_like(z)
    W_z = W_h = b_z = b_h = carry = 0
    for t in reversed(range(T)):
        e[t] = grad_h[t] + carry
        old = h[t - 1] if t > 0 else h0
        net_z[t] = e[t] * (old - candidate[t]) * z[t] * (1 - z[t])
        net_h[t] = e[t] * (1 - z[t])
        W_z = W_z + net_z[t].T @ x[t]
        W_h = W_h + net_h[t].T @ x[t]
        b_z = b_z + net_z[t].sum(axis=0)
        b_h = b_h + net_h[t].sum(axis=0)
        carry = z[t] * e[t]
    return e, net_z, net_h, W_z, W_h, b_z, b_h, carry
""",
        """
def min_gru_backward(x, h0, z, candidate, h, grad_h, recurrence):
    shifted = np.append(z[1:], np.ones_like(z[:1]), axis=0)
    e = recurrence(shifted[::-1], grad_h[::-1])[::-1]
    before = np.concatenate((h0[None, ...], h))[:-1]
    # (h_t - candidate) = z (before - candidate)
    net_z = e * (h - candidate) * (1 - z)
    net_h = (1 - z) * e
    x_T = x.reshape(-1, x.shape[-1])
    flat_z, flat_h = net_z.reshape(len(x_T), -1), net_h.reshape(len(x_T), -1)
    ones = np.ones(len(x_T))
    return e, net_z, net_h, flat_z.T @ x_T, flat_h.T @ x_T, ones @ flat_z, ones @ flat_h, z[0] * e[0]
""",
        """
def min_gru_backward(x, h0, z, candidate, h, grad_h, recurrence):
    x, h0, z, candidate, h, grad_h = (v.astype(np.float32) for v in (x, h0, z, candidate, h, grad_h))
    A = np.roll(z, -1, axis=0)
    e = scan(A[::-1], grad_h[::-1], compose_diagonal)[::-1]
    before = np.concatenate([h0[None], h[:-1]])
    net_z = e * (before - candidate) * z * (1 - z)
    net_h = e * (1 - z)
    sums = [np.einsum("tbi,tbj->ij", net, x) for net in (net_z, net_h)]
    return e, net_z, net_h, *sums, net_z.sum((0, 1)), net_h.sum((0, 1)), z[0] * e[0]
""",
    ],
    "14.1": ["def half_life_bias(T):\n    return -np.log(2 ** (1 / T) - 1)\n"],
    "14.2": [
        """
def blocked_scan(A, b, size):
    T, H = b.shape
    v = np.zeros((T, H))
    state = np.zeros(H)
    for start in range(0, T, size):
        block = slice(start, start + size)
        first = b[block].copy()
        first[0] += A[start] * state
        v[block] = by_scan(A[block], first)
        state = v[start + size - 1]
    return v
""",
        "def blocked_scan(A, b, size):\n    return by_loop(A, b)\n",
    ],
    "14.3": [
        """
def count_modulo(bits, n):
    turns = np.where(bits == 1, np.exp(2j * np.pi / n), 1)
    first = np.ones((1, bits.shape[1]))
    start = np.concatenate([first, np.zeros(bits.shape)]).astype(complex)
    h = by_scan(np.concatenate([first, turns]), start)[1:]
    return np.rint(np.angle(h) / (2 * np.pi / n)).astype(int) % n
""",
    ],
    "14.4": [
        """
def newton_step(U, c, h0, guess):
    v, old, new = h0, h0, []
    for t in range(len(c)):
        f = np.tanh(U @ old + c[t])
        v = f + (1 - f**2) * (U @ (v - old))
        new.append(v)
        old = guess[t]
    return np.array(new)
""",
    ],
}
