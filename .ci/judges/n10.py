"""Judges of notebook 10: loops over single numbers, shuffled labels, finite differences, automatic differentiation."""

import itertools
import math
from collections import Counter

import numpy as np
import torch

import bptt_helpers as bh


def clipped_by_torch(gradients, limit):
    """PyTorch's own function, one network after the other."""
    found = {name: np.zeros_like(g) for name, g in gradients.items()}
    for s in range(len(found["W"])):
        leaves = [torch.zeros(g[s].shape, dtype=torch.float64) for g in gradients.values()]
        for leaf, g in zip(leaves, gradients.values()):
            leaf.grad = torch.tensor(g[s])
        torch.nn.utils.clip_grad_norm_(leaves, limit)
        for name, leaf in zip(gradients, leaves):
            found[name][s] = leaf.grad.numpy()
    return found


def shuffled(a, b, n):
    """All ways to choose which of the 2n networks fail, one by one."""
    splits = Counter(sum(who < n for who in chosen) for chosen in itertools.combinations(range(2 * n), a + b))
    return sum(count for count in splits.values() if count <= splits[a]) / sum(splits.values())


def antisymmetric_moved(grad_a):
    H = len(grad_a)
    U = np.random.default_rng(0).normal(size=(H, H))

    def loss(U, gamma):
        return sum(grad_a[i, j] * (U[i, j] - U[j, i] - gamma * (i == j)) for i in range(H) for j in range(H))

    by_u = bh.numerical_gradient(lambda U: loss(U, 0.3), U)
    by_gamma = bh.numerical_gradient(lambda gamma: loss(U, gamma[0]), np.array([0.3]))
    return by_u, by_gamma[0]


def largest_step(low, high, steps, factor):
    """The largest epsilon for which some kappa is allowed, by bisection."""
    up, down = math.exp(math.log(factor) / steps), math.exp(-math.log(factor) / steps)
    small, large = 0.0, 100.0
    for _ in range(100):
        middle = (small + large) / 2
        if down - middle * low <= up - middle * high:  # the smallest kappa is below the largest
            small = middle
        else:
            large = middle
    return up - small * high, small


def fast_by_autograd(grad_h, h_prev, g, U, kappa, epsilon):
    rest = torch.tensor(np.arctanh(g) - h_prev @ U.T)  # what the net input has besides U h
    h = torch.tensor(h_prev, requires_grad=True)
    k, e = (torch.tensor(number, dtype=torch.float64, requires_grad=True) for number in (kappa, epsilon))
    step = k * h + e * torch.tanh(h @ torch.tensor(U).T + rest)
    (step * torch.tensor(grad_h)).sum().backward()
    return h.grad.numpy(), k.grad.numpy(), e.grad.numpy()


def coupled_moved(h, z, g, U_z, U_g):
    rest_z, rest_g = np.log(z / (1 - z)) - U_z @ h, np.arctanh(g) - U_g @ h

    def step(h):
        z = 1 / (1 + np.exp(-(U_z @ h + rest_z)))
        return z * h + (1 - z) * np.tanh(U_g @ h + rest_g)

    return bh.numerical_jacobian(step, h)


def power_by_outcomes(p_a, p_b, n, level):
    """The chances of all numbers of failures, one network after the other; the test by the hypergeometric chances."""

    def chances(p):
        found = [1.0]
        for _ in range(n):
            found = [(found[i] if i < len(found) else 0) * (1 - p) + (found[i - 1] * p if i else 0) for i in range(len(found) + 1)]
        return found

    def p_value(a, b):
        logs = [
            math.lgamma(n + 1) * 2 - sum(math.lgamma(m + 1) for m in (i, n - i, a + b - i, n - a - b + i))
            for i in range(max(0, a + b - n), min(n, a + b) + 1)
        ]
        seen = logs[a - max(0, a + b - n)]
        return sum(math.exp(v) for v in logs if v <= seen + 1e-9) / sum(math.exp(v) for v in logs)

    at, bt = chances(p_a), chances(p_b)
    return sum(at[a] * bt[b] for a in range(n + 1) for b in range(n + 1) if p_value(a, b) < level)


JUDGES = {
    "10.A": clipped_by_torch,
    "10.B": shuffled,
    "10.C": antisymmetric_moved,
    "10.1": largest_step,
    "10.2": fast_by_autograd,
    "10.3": coupled_moved,
    "10.4": power_by_outcomes,
}

RIGHT = {
    "10.A": [
        """
def clip(gradients, limit):
    S = len(gradients["W"])
    flat = np.concatenate([g.reshape(S, -1) for g in gradients.values()], axis=1)
    norm = np.linalg.norm(flat, axis=1)
    out = {}
    for name, g in gradients.items():
        g = g.copy()
        for s in range(S):
            if norm[s] > limit:
                g[s] *= limit / norm[s]
        out[name] = g
    return out
""",
        """
def clip(gradients, limit):
    squares = sum(np.einsum("sij,sij->s", g, g) for g in gradients.values())
    factor = (limit / (np.sqrt(squares) + 1e-6)).clip(max=1.0)  # PyTorch's rule
    return {name: (g.T * factor).T for name, g in gradients.items()}
""",
        """
def clip(gradients, limit):
    norms = [bh.clip_grad_norm({n: g[s] for n, g in gradients.items()}, limit)[0] for s in range(len(gradients["U"]))]
    return {name: np.stack([one[name] for one in norms]) for name in gradients}
""",
    ],
    "10.B": [
        """
def fisher(a, b, n):
    k = a + b
    p = np.array([math.comb(n, i) * math.comb(n, k - i) / math.comb(2 * n, k) for i in range(k + 1)])
    return p[p <= p[a] * (1 + 1e-9)].sum()
""",
        """
def fisher(a, b, n):
    k = a + b
    ways = [math.comb(n, i) * math.comb(n, k - i) for i in range(max(0, k - n), min(n, k) + 1)]
    seen = math.comb(n, a) * math.comb(n, b)
    return sum(w for w in ways if w <= seen) / math.comb(2 * n, k)
""",
    ],
    "10.C": [
        """
def from_antisymmetric(grad_a):
    grad_u = np.zeros_like(grad_a)
    for i in range(len(grad_a)):
        for j in range(len(grad_a)):
            grad_u[i, j] = grad_a[i, j] - grad_a[j, i]
    return grad_u, -sum(np.diag(grad_a))
""",
        """
def from_antisymmetric(grad_a):
    U = torch.zeros(grad_a.shape, dtype=torch.float64, requires_grad=True)
    gamma = torch.zeros((), dtype=torch.float64, requires_grad=True)
    A = U - U.T - gamma * torch.eye(len(U), dtype=torch.float64)
    (A * torch.tensor(grad_a)).sum().backward()
    return U.grad, gamma.grad
""",
    ],
    "10.1": [
        """
def kappa_epsilon(low, high, steps, factor):
    root = math.log(factor) / steps
    epsilon = 2 * math.sinh(root) / (high - low)
    return math.exp(-root) - epsilon * low, epsilon
""",
    ],
    "10.2": [
        """
def fast_backward(grad_h, h_prev, g, U, kappa, epsilon):
    grad_g = epsilon * grad_h
    grad_h_prev = ((1 - g) * (1 + g) * grad_g) @ U
    grad_h_prev += grad_h * kappa
    return grad_h_prev, np.vdot(grad_h, h_prev), np.einsum("bi,bi->", grad_h, g)
""",
    ],
    "10.3": [
        """
def coupled_jacobian(h, z, g, U_z, U_g):
    J = np.diag(z * (1 - z) * (h - g)) @ U_z
    J += np.diag((1 - z) * (1 - g * g)) @ U_g
    J[np.arange(len(h)), np.arange(len(h))] += z
    return J
""",
    ],
    "10.4": [
        """
def power(p_a, p_b, n, level):
    i = np.arange(n + 1)
    ways = np.array([math.comb(n, m) for m in i])
    a = ways * p_a**i * (1 - p_a) ** (n - i)
    b = ways * p_b**i * (1 - p_b) ** (n - i)
    table = np.array([[fisher(x, y, n) < level for y in range(n + 1)] for x in range(n + 1)])
    return a @ table @ b
""",
    ],
}
