"""Independent judges for the turns and exercises of notebook 09, and other right ways to write them."""

from fractions import Fraction

import numpy as np
import torch

import bptt_helpers as bh  # noqa: F401


def growth_rate(J):
    """From the eigenvalues of P^T P; the factors are scaled before, so that nothing overflows."""
    scale = abs(J).max()
    product = torch.eye(J.shape[1], dtype=torch.float64)
    for factor in torch.tensor(J / scale):
        product = factor @ product
    largest = torch.linalg.eigvalsh(product.T @ product).max().item()
    return np.log(largest) / 2 / len(J) + np.log(scale)


def spectrum(J):
    """From volumes, in fractions: the first k rates add up to the growth of the volume that k unit vectors span."""
    size = J.shape[1]
    product = [[Fraction(int(i == j)) for j in range(size)] for i in range(size)]
    for factor in J:
        product = [
            [sum(Fraction(a) * product[k][j] for k, a in enumerate(row)) for j in range(size)] for row in factor
        ]
    gram = [[sum(row[i] * row[j] for row in product) for j in range(size)] for i in range(size)]
    rates = []
    for k in range(size):  # Gaussian elimination: the pivots are the quotients of the volumes, squared
        rates.append(np.log(float(gram[k][k])) / 2 / len(J))
        for i in range(k + 1, size):
            ratio = gram[i][k] / gram[k][k]
            gram[i] = [a - ratio * b for a, b in zip(gram[i], gram[k])]
    return np.array(rates)


def relu_rate(U, active):
    """From all eigenvalues of I + DU, entry by entry."""
    size = len(U)
    J = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            J[i, j] = (i == j) + (U[i, j] if active[i] else 0)
    return np.log(torch.linalg.eigvals(torch.tensor(J)).abs().max().item())


def sum_of_rates(J):
    """From the eigenvalues of each factor."""
    total = 0.0
    for factor in J:
        for value in np.linalg.eigvals(factor):
            total += np.log(abs(value))
    return total / len(J)


def burst_of(u, h0):
    """dh/dt = f(uh) and its derivative, by Runge and Kutta's method up to t = 60."""

    def motion(h, p):
        f = 1 / (1 + np.exp(-u * h))
        return f, u * f * (1 - f) * p

    h, p, dt = h0.copy(), np.ones_like(h0), 0.02
    for _ in range(3000):
        a = motion(h, p)
        b = motion(h + dt / 2 * a[0], p + dt / 2 * a[1])
        c = motion(h + dt / 2 * b[0], p + dt / 2 * b[1])
        d = motion(h + dt * c[0], p + dt * c[1])
        h = h + dt / 6 * (a[0] + 2 * b[0] + 2 * c[0] + d[0])
        p = p + dt / 6 * (a[1] + 2 * b[1] + 2 * c[1] + d[1])
    return p


def largest_step(a, b):
    """By bisection, one eigenvalue at a time."""
    found = []
    for real, imaginary in zip(a, b):
        low, high = 1e-9, 100.0
        for _ in range(80):
            middle = (low + high) / 2
            if abs(1 + middle * complex(real, imaginary)) <= 1:
                low = middle
            else:
                high = middle
        found.append(low)
    return np.array(found)


def fresh_growth(gain, depth, q0):
    """Layer by layer."""
    q, square = q0, 1.0
    for _ in range(depth):
        square *= 1 + gain**2 / q
        q += gain**2
    return np.array(square**0.5)


JUDGES = {
    "9.A": growth_rate,
    "9.B": spectrum,
    "9.C": relu_rate,
    "9.1": sum_of_rates,
    "9.2": burst_of,
    "9.3": largest_step,
    "9.4": fresh_growth,
}

RIGHT = {
    "9.A": [
        """
def growth_rate(J):
    product = np.eye(J.shape[1])
    total = 0.0
    for factor in J:
        product = factor @ product
        size = abs(product).max()
        product /= size
        total += np.log(size)
    return (total + np.log(np.linalg.norm(product, 2))) / len(J)
""",
        """
def growth_rate(J):
    product = np.eye(J.shape[1])
    sizes = []
    for factor in J[::-1]:
        product = product @ factor
        sizes.append(np.linalg.svd(product)[1][0])
        product = product / sizes[-1]
    return np.log(sizes).mean()
""",
        "def growth_rate(J):\n    return bh.product_log_norms(J)[-1] / len(J)\n",
        """
def growth_rate(J):
    left = np.eye(J.shape[1])
    total = 0.0
    for t in range(len(J)):
        left = J[t].dot(left)
        total += np.log(np.linalg.norm(left))
        left = left / np.linalg.norm(left)
    return (total + np.log(np.linalg.norm(left, ord=2))) / J.shape[0]
""",
    ],
    "9.B": [
        """
def spectrum(J):
    H = J.shape[1]
    Q = np.eye(H)
    total = np.zeros(H)
    for factor in J:
        A = factor @ Q
        Q = np.zeros((H, H))
        for i in range(H):
            a = A[:, i].copy()
            for j in range(i):
                a -= (Q[:, j] @ a) * Q[:, j]
            total[i] += np.log(np.linalg.norm(a))
            Q[:, i] = a / np.linalg.norm(a)
    return total / len(J)
""",
        """
def spectrum(J):
    import torch
    Q = torch.eye(J.shape[1], dtype=torch.float64)
    logs = []
    for factor in torch.tensor(J):
        Q, R = torch.linalg.qr(factor @ Q)
        logs.append(torch.log(torch.diagonal(R).abs()))
    return torch.stack(logs).mean(dim=0).numpy()
""",
    ],
    "9.C": [
        """
def relu_rate(U, active):
    values = np.linalg.eigvals(np.eye(len(U)) + np.diag(active * 1.0) @ U)
    return np.log(np.abs(values).max())
""",
        """
def relu_rate(U, active):
    part = U[np.ix_(active, active)]
    values = np.linalg.eigvals(np.eye(len(part)) + part)
    return np.log(np.abs(values)).max()
""",
        """
def relu_rate(U, active):
    values = np.linalg.eigvals(U * active[:, None])
    return max(np.log(abs(1 + values)))
""",
    ],
    "9.1": ["def sum_of_rates(J):\n    return np.mean([np.log(abs(np.linalg.det(A))) for A in J])\n"],
    "9.2": ["def burst_of(u, h0):\n    f = 1 / (1 + np.exp(-u * h0))\n    return 1 / f\n"],
    "9.3": ["def largest_step(a, b):\n    return 2 * np.abs(a) / np.abs(a + 1j * b) ** 2\n"],
    "9.4": [
        """
def fresh_growth(gain, depth, q0):
    q = q0
    square = 1.0
    for _ in range(depth):
        square = square * (1 + gain**2 / q)
        q = q + gain**2
    return square**0.5
"""
    ],
}
