"""Independent judges of notebook 03: finite differences, PyTorch, bisection, long decimal numbers."""

from decimal import Decimal

import numpy as np
import torch

import bptt_helpers as bh


def judge_jacobian(U, W, b, x_t, h_prev):
    return bh.numerical_jacobian(lambda h: h + np.tanh(U @ h + W @ x_t + b), h_prev)


def judge_step_back(U, slope, grad_h, local):
    """The linear part of one step, differentiated by PyTorch: h_t moves by h_{t-1} + slope * z_t."""
    U, slope, grad_h, local = (torch.tensor(a) for a in (U, slope, grad_h, local))
    h_prev = torch.zeros(len(U), dtype=torch.float64, requires_grad=True)
    z = U @ h_prev
    loss = ((h_prev + slope * z) * grad_h).sum() + (h_prev * local).sum()
    delta, grad_h_prev = torch.autograd.grad(loss, (z, h_prev))
    return delta, grad_h_prev


def judge_through_time(U, slopes, states, grad_output):
    """The sequence, linear in small changes of U and h_0, followed forwards; PyTorch differentiates the loss."""
    U, slopes, states, grad_output = (torch.tensor(a) for a in (U, slopes, states, grad_output))
    change = torch.zeros_like(U, requires_grad=True)
    start = torch.zeros(len(U), dtype=torch.float64, requires_grad=True)
    moved, loss = start, 0
    for slope, h_prev, grad in zip(slopes, states, grad_output):
        moved = moved + slope * (U @ moved + change @ h_prev)
        loss = loss + (moved * grad).sum()
    return torch.autograd.grad(loss, (change, start))


def judge_clip(grad_w, grad_u, grad_b, max_norm):
    leaves = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in (grad_w, grad_u, grad_b)]
    for leaf, gradient in zip(leaves, (grad_w, grad_u, grad_b)):
        leaf.grad = torch.tensor(gradient)
    torch.nn.utils.clip_grad_norm_(leaves, max_norm)
    return tuple(leaf.grad for leaf in leaves)


def bisect(fits, low, high):
    """The largest number between low and high for which `fits` is still true."""
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def judge_largest_norm(factor, steps, keep, step, slope):
    def grown(s, i):
        error = 1.0
        for _ in range(steps):
            error = keep[i] * error + step[i] * slope[i] * s * error
        return error

    return np.array([bisect(lambda s, i=i: grown(s, i) <= factor[i], 0.0, 1e3) for i in range(len(keep))])


def judge_largest_step(a, b):
    values = a + 1j * b
    return np.array([bisect(lambda e, value=value: abs(1 + e * value) <= 1, 1e-6, 100.0) for value in values])


def judge_growth_rate(J):
    product = np.array([[Decimal(int(i == j)) for j in range(J.shape[1])] for i in range(J.shape[1])])
    for factor in J:
        product = np.vectorize(Decimal, otypes=[object])(factor).dot(product)  # an exponent without bounds
    largest = max(abs(entry) for entry in product.flat)
    return (float(largest.ln()) + np.log(np.linalg.norm((product / largest).astype(float), 2))) / len(J)


JUDGES = {
    "3.A": judge_jacobian,
    "3.B": judge_step_back,
    "3.C": judge_through_time,
    "3.1": judge_clip,
    "3.2": judge_largest_norm,
    "3.3": judge_largest_step,
    "3.4": judge_growth_rate,
}

RIGHT = {
    "3.A": [
        """
def jacobian(U, W, b, x_t, h_prev):
    h = np.tanh(U @ h_prev + W @ x_t + b)
    J = (1 - h * h)[:, None] * U
    J[np.diag_indices(len(U))] += 1
    return J
""",
        """
def jacobian(U, W, b, x_t, h_prev):
    z = h_prev @ U.T + x_t @ W.T + b
    slope = 1 / np.cosh(z) ** 2
    return np.identity(len(U)) + np.einsum("i,ij->ij", slope, U)
""",
    ],
    "3.B": [
        """
def step_back(U, slope, grad_h, local):
    delta = np.diag(slope) @ grad_h
    return delta, (np.eye(len(U)) + np.diag(slope) @ U).T @ grad_h + local
""",
        """
def step_back(U, slope, grad_h, local):
    delta = grad_h * slope
    local += grad_h
    local += delta @ U
    return delta, local
""",
        """
def step_back(U, slope, grad_h, local):
    U, slope, grad_h, local = (a.astype(np.float32) for a in (U, slope, grad_h, local))
    delta = slope * grad_h
    return delta, grad_h + np.einsum("ij,i->j", U, delta) + local
""",
        """
def step_back(U, slope, grad_h, local):
    delta = [s * g for s, g in zip(slope, grad_h)]
    grad_h_prev = [grad_h[j] + local[j] + sum(U[i, j] * delta[i] for i in range(len(U))) for j in range(len(U))]
    return np.array(delta), np.array(grad_h_prev)
""",
    ],
    "3.C": [
        """
def through_time(U, slopes, states, grad_output):
    grad_u = np.zeros_like(U)
    grad_h = np.zeros(len(U))
    for t in range(len(slopes), 0, -1):
        grad_h = grad_h + grad_output[t - 1]
        delta, grad_h = step_back(U, slopes[t - 1], grad_h, 0)
        grad_u += delta[:, None] * states[t - 1]
    return grad_u, grad_h
""",
        """
def through_time(U, slopes, states, grad_output):
    T, deltas = len(slopes), np.zeros_like(slopes)
    grad_h = grad_output[T - 1].copy()
    for t in reversed(range(T)):
        deltas[t] = slopes[t] * grad_h
        grad_h += deltas[t] @ U
        if t > 0:
            grad_h += grad_output[t - 1]
    return deltas.T @ states[:-1], grad_h
""",
        """
def through_time(U, slopes, states, grad_output):
    T, eye = len(slopes), np.eye(len(U))
    grad_u, grad_h0 = np.zeros_like(U), np.zeros(len(U))
    for t in range(1, T + 1):  # the loss of each step alone, (6.39)
        grad_h = grad_output[t - 1]
        for k in range(t, 0, -1):
            grad_u += np.outer(slopes[k - 1] * grad_h, states[k - 1])
            grad_h = (eye + np.diag(slopes[k - 1]) @ U).T @ grad_h
        grad_h0 += grad_h
    return grad_u, grad_h0
""",
    ],
    "3.1": [
        """
def clip(grad_w, grad_u, grad_b, max_norm):
    parts = [grad_w, grad_u, grad_b]
    norm = np.linalg.norm(np.concatenate([g.ravel() for g in parts]))
    factor = min(1, max_norm / (norm + 1e-6))
    for g in parts:
        g *= factor
    return grad_w, grad_u, grad_b
""",
        """
def clip(grad_w, grad_u, grad_b, max_norm):
    norm = np.sqrt(sum(np.linalg.norm(g) ** 2 for g in (grad_w, grad_u, grad_b)))
    if norm > max_norm:
        return grad_w * max_norm / norm, grad_u * max_norm / norm, grad_b * max_norm / norm
    return grad_w, grad_u, grad_b
""",
    ],
    "3.2": [
        """
def largest_norm(factor, steps, keep, step, slope):
    return (np.exp(np.log(factor) / steps) - keep) / step / slope
"""
    ],
    "3.3": [
        """
def largest_step(a, b):
    return 2 * abs(a) / abs(a + 1j * b) ** 2
"""
    ],
    "3.4": [
        """
def growth_rate(J):
    product, total = np.eye(J.shape[1]), 0.0
    for factor in J:
        product = factor @ product
        largest = abs(product).max()
        product, total = product / largest, total + np.log(largest)
    return (total + np.log(np.linalg.norm(product, 2))) / len(J)
""",
        """
def growth_rate(J):
    return bh.product_log_norms(J)[-1] / len(J)
""",
    ],
}
