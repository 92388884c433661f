"""Judges of notebook 11: singular values, Gram and Schmidt, states run side by side, finite differences, bisection."""

import math

import numpy as np

import bptt_helpers as bh


def factor_by_numbers(U, slope):
    """Singular values, and a sum over single slopes."""
    values = [s**2 for s in np.linalg.svd(U, compute_uv=False)]
    gain = math.sqrt(sum(values) / len(values))
    squares = [float(s) ** 2 for s in slope.ravel()]
    return gain, gain * math.sqrt(sum(squares) / len(squares))


def gram_schmidt(A, gain):
    """Q with a positive diagonal of R, column by column; the signs are those of what the routine gives."""
    H = len(A)
    Q = np.zeros((H, H))
    for j in range(H):
        column = A[:, j].copy()
        for i in range(j):
            column -= (Q[:, i] @ A[:, j]) * Q[:, i]
        Q[:, j] = column / math.sqrt((column**2).sum())
    given, _ = np.linalg.qr(A)
    signs = np.array([1.0 if Q[:, j] @ given[:, j] > 0 else -1.0 for j in range(H)])
    return signs, gain * Q


def tanh_twin_moved(U, W, b, s0):
    """What the logistic step's own output tells, by differences: artanh(2 s_t - 1) as a function of 2 s_{t-1} - 1 and x_t."""
    H, D = W.shape

    def argument(h, x):
        z = U @ ((h + 1) / 2) + W @ x + b
        return np.arctanh(2 / (1 + np.exp(-z)) - 1)

    zero_h, zero_x = np.zeros(H), np.zeros(D)
    U_new = bh.numerical_jacobian(lambda h: argument(h, zero_x), zero_h)
    W_new = bh.numerical_jacobian(lambda x: argument(zero_h, x), zero_x)
    h0 = np.array([[(s - 0.5) / 0.5 for s in row] for row in s0])
    return U_new, W_new, argument(zero_h, zero_x), h0


def terms_by_numbers(delta, states):
    T, B, H = delta.shape
    terms = np.zeros((T, H, H))
    for k in range(1, T + 1):
        for n in range(B):
            for i in range(H):
                for j in range(H):
                    terms[k - 1, i, j] += delta[k - 1, n, i] * states[k - 1, n, j]
    by_age = [math.sqrt(sum(float(a) ** 2 for a in terms[T - 1 - age].ravel())) for age in range(T)]
    return sum(terms), np.array(by_age)


def adam_by_running(g, eps):
    """Run Adam for seven updates; the last move."""
    p, memory = {"w": np.zeros_like(g)}, None
    for _ in range(7):
        before = p["w"]
        p, memory = bh.adam_step(p, {"w": g}, memory, rate=0.5, eps=eps)
    return (before - p["w"]) / 0.5


def twins_moved(grad_U, grad_W, grad_b, grad_h0):
    """A loss that is linear in the tanh network's parameters, moved in those of the logistic network."""
    (H, D), B = grad_W.shape, len(grad_h0)
    at = {"U": np.full((H, H), 0.3), "W": np.full((H, D), 0.2), "b": np.full(H, 0.1), "s0": np.full((B, H), 0.5)}

    def loss(name, value):
        now = at | {name: value}
        b_new = [now["b"][i] / 2 + sum(now["U"][i, j] for j in range(H)) / 4 for i in range(H)]
        total = (grad_U * now["U"] / 4).sum() + (grad_W * now["W"] / 2).sum()
        return total + grad_b @ np.array(b_new) + (grad_h0 * (2 * now["s0"] - 1)).sum()

    return tuple(bh.numerical_gradient(lambda v, name=name: loss(name, v), at[name]) for name in at)


def noise_by_search(u):
    """The largest n by trying: a grid of h that is made finer around its best point."""
    found = []
    for value in u:
        low, high = 0.0, 1 - 1e-12
        for _ in range(30):
            h = np.linspace(low, high, 101)
            n = value * h - 0.5 * np.log((1 + h) / (1 - h))
            best = int(n.argmax())
            low, high = h[max(best - 1, 0)], h[min(best + 1, 100)]
        found.append(n.max())
    return np.array(found)


def gain_by_secant(U, W, x):
    """The slopes by differences, the gain by singular values, the root by false position."""
    gain = math.sqrt((np.linalg.svd(U, compute_uv=False) ** 2).mean())

    def excess(c):
        h, squares = np.zeros((x.shape[1], len(U))), []
        for x_t in x:
            z = c * h @ U.T + x_t @ W.T
            squares.append(((np.tanh(z + 1e-5) - np.tanh(z - 1e-5)) / 2e-5) ** 2)
            h = np.tanh(z)
        return c * gain * math.sqrt(np.mean(squares)) - 1

    low, high = 0.0, 50.0
    for _ in range(200):
        f_low, f_high = excess(low), excess(high)
        c = (low * f_high - high * f_low) / (f_high - f_low)
        c = min(max(c, low + 0.05 * (high - low)), high - 0.05 * (high - low))
        low, high = (c, high) if excess(c) < 0 else (low, c)
        if high - low < 1e-12:
            break
    return (low + high) / 2


JUDGES = {
    "11.A": factor_by_numbers,
    "11.B": gram_schmidt,
    "11.C": tanh_twin_moved,
    "11.D": terms_by_numbers,
    "11.1": adam_by_running,
    "11.2": twins_moved,
    "11.3": noise_by_search,
    "11.4": gain_by_secant,
}

RIGHT = {
    "11.A": [
        """
def step_factor(U, slope):
    gain = np.linalg.norm(U) / np.sqrt(U.shape[0])
    factor = gain * np.linalg.norm(slope) / np.sqrt(slope.size)
    return gain, factor
""",
        """
def step_factor(U, slope):
    singular = np.linalg.svd(U.astype(np.float32), compute_uv=False)
    gain = np.sqrt(np.mean(singular**2))
    return gain, gain * np.mean(slope**2) ** 0.5
""",
    ],
    "11.B": [
        """
def orthogonal_start(A, gain):
    Q, R = np.linalg.qr(A)
    signs = np.where(R.diagonal() < 0, -1, 1)
    return signs, gain * (Q @ np.diag(signs))
""",
        """
def orthogonal_start(A, gain):
    Q, R = np.linalg.qr(A)
    signs = np.ones(len(A))
    U = Q.copy()
    for j in range(len(A)):
        if R[j, j] < 0:
            signs[j] = -1
            U[:, j] *= -1
    return signs, U * gain
""",
    ],
    "11.C": [
        """
def to_tanh(U, W, b, s0):
    ones = np.ones(len(U))
    return 0.25 * U, 0.5 * W, 0.5 * b + 0.25 * U @ ones, 2 * (s0 - 0.5)
""",
        """
def to_tanh(U, W, b, s0):
    half = np.full(len(b), 0.5)
    b_new = (b + U @ half) / 2
    U_new = (U / 2) / 2
    W_new = W.copy()
    W_new /= 2
    return U_new, W_new, b_new, s0 - (1 - s0)
""",
        """
def to_tanh(U, W, b, s0):
    b_new = np.array([b[i] / 2 + sum(U[i]) / 4 for i in range(len(b))])
    return U / 4, W / 2, b_new, -1 + 2 * s0
""",
        """
def to_tanh(U, W, b, s0):
    U, W, b, s0 = (a.astype(np.float32) for a in (U, W, b, s0))
    return U / 4, W / 2, (2 * b + U.sum(1)) / 4, 2 * s0 - 1
""",
    ],
    "11.D": [
        """
def terms_by_age(delta, states):
    terms = delta.swapaxes(1, 2) @ states[:-1]
    return terms.sum(0), np.sqrt((terms[::-1] ** 2).sum(axis=(1, 2)))
""",
        """
def terms_by_age(delta, states):
    T = len(delta)
    total, by_age = 0, []
    for k in reversed(range(T)):
        term = delta[k].T @ states[k]
        total = total + term
        by_age.append(np.linalg.norm(term))
    return total, by_age
""",
    ],
    "11.1": [
        """
def adam_share(g, eps):
    m, v = 0, 0
    for n in range(1, 20):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    return m / (1 - 0.9**n) / (np.sqrt(v / (1 - 0.999**n)) + eps)
""",
        "def adam_share(g, eps):\n    return np.sign(g) / (1 + eps / np.abs(g))\n",
    ],
    "11.2": [
        """
def logistic_gradients(grad_U, grad_W, grad_b, grad_h0):
    return 0.25 * (grad_U + np.outer(grad_b, np.ones(len(grad_b)))), grad_W / 2, grad_b / 2, grad_h0 * 2
""",
        """
def logistic_gradients(grad_U, grad_W, grad_b, grad_h0):
    u = grad_U / 4
    for i in range(len(u)):
        u[i] += grad_b[i] / 4
    return u, 0.5 * grad_W, 0.5 * grad_b, grad_h0 + grad_h0
""",
    ],
    "11.3": [
        """
def largest_noise(u):
    h = ((u - 1) / u) ** 0.5
    return u * h - 0.5 * np.log((1 + h) / (1 - h))
""",
        """
def largest_noise(u):
    z = np.arccosh(np.sqrt(u))
    return u * np.tanh(z) - z
""",
    ],
    "11.4": [
        """
def fit_gain(U, W, x):
    g = np.linalg.norm(U) / np.sqrt(len(U))
    low, high = 0.0, 50.0
    while high - low > 1e-12:
        c = 0.5 * (low + high)
        h = bh.RNN(W, c * U).forward(x)[0]
        if c * g * np.sqrt(np.mean((1 - h * h) ** 2)) < 1:
            low = c
        else:
            high = c
    return 0.5 * (low + high)
""",
    ],
}
