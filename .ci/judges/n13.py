"""Judges of notebook 13: differences and automatic differentiation; no recursion for a derivative is written here."""

import numpy as np
import torch

import bptt_helpers as bh


def moved(function, *shape):
    """Entry [p, ...]: d function_p / d entry, at an array of zeros, by central differences."""
    zeros = np.zeros(shape)
    size = len(function(zeros))
    return np.stack([bh.numerical_gradient(lambda a: function(a)[p], zeros) for p in range(size)])


def first_order(carried, shift):
    """How far a state moves, to first order, for a shift of the parameter."""
    return carried.reshape(len(carried), -1) @ shift.ravel()


def judge_carry(U, h_prev, h, carried):
    z = np.arctanh(h)

    def net_input(shift):
        return z + shift @ h_prev

    def state(shift):
        old = h_prev + first_order(carried, shift)
        return np.tanh(z + (U + shift) @ old - U @ h_prev)

    return moved(net_input, *U.shape), moved(state, *U.shape)


def judge_rtrl(U, W, b, x, h0, grad_h):
    leaf = torch.tensor(U, requires_grad=True)
    h, losses = torch.tensor(h0), []
    for x_t, g in zip(torch.tensor(x), torch.tensor(grad_h)):
        h = torch.tanh(leaf @ h + torch.tensor(W) @ x_t + torch.tensor(b))
        losses.append(h @ g)
    per_loss = [torch.autograd.grad(loss, leaf, retain_graph=True)[0] for loss in losses]
    return torch.stack(per_loss).numpy(), torch.autograd.grad(sum(losses), leaf)[0].numpy()


def judge_element_wise(a, W, V, x_t, y_t, h_prev, carried_a, carried_w):
    def of_a(shift):
        return (a + shift) * (h_prev + carried_a * shift) + W @ x_t

    def of_w(shift):
        return a * (h_prev + (carried_w * shift).sum(axis=1)) + (W + shift) @ x_t

    def loss(h):
        return 0.5 * (V @ h - y_t) ** 2

    by_a, by_w = moved(of_a, *a.shape), moved(of_w, *W.shape)
    grad_a = bh.numerical_gradient(lambda s: loss(of_a(s)), np.zeros(a.shape))
    grad_w = bh.numerical_gradient(lambda s: loss(of_w(s)), np.zeros(W.shape))
    own = range(len(a))  # the entries with p = i; the others are zero
    return of_a(0 * a), np.array([by_a[p, p] for p in own]), np.array([by_w[p, p] for p in own]), grad_a, grad_w


def judge_w_and_b(U, x_t, h, carried_w, carried_b):
    z = np.arctanh(h)

    def of_w(shift):
        return np.tanh(z + U @ first_order(carried_w, shift) + shift @ x_t)

    def of_b(shift):
        return np.tanh(z + U @ first_order(carried_b, shift) + shift)

    return moved(of_w, len(h), len(x_t)), moved(of_b, len(h))


def judge_residual(U, h_prev, slope, carried):
    def state(shift):  # f is replaced by its tangent
        old = h_prev + first_order(carried, shift)
        return old + slope * ((U + shift) @ old - U @ h_prev)

    return moved(state, *U.shape)


def judge_gated(V, W, x_t, h_prev, carried_v, carried_w):
    def state(v=0, w=0):
        old = h_prev + (carried_v * v).sum(axis=-1) + (carried_w * w).sum(axis=-1)
        f = 0.5 * (1 + np.tanh((V + v) @ x_t / 2))
        return f * old + (1 - f) * ((W + w) @ x_t)

    own = range(len(h_prev))
    by_v, by_w = moved(lambda s: state(v=s), *V.shape), moved(lambda s: state(w=s), *W.shape)
    return state(), np.array([by_v[p, p] for p in own]), np.array([by_w[p, p] for p in own])


def judge_weights(cut, p):
    """What a forward pass does to a unit that enters at step k, coin by coin; each loss reads it."""
    T = len(cut)
    weights = np.zeros((T, T))
    for k in range(T):
        carried = 1.0
        for t in range(k, T):
            if t > k:
                carried = 0.0 if cut[t] else carried / (1 - p)
            weights[t, k] = carried
    return weights


JUDGES = {
    "13.A": judge_carry,
    "13.B": judge_rtrl,
    "13.C": judge_element_wise,
    "13.1": judge_w_and_b,
    "13.2": judge_residual,
    "13.3": judge_gated,
    "13.4": judge_weights,
}

RIGHT = {
    "13.A": [
        """
def carry(U, h_prev, h, carried):
    H = len(h)
    direct = np.zeros((H, H, H))
    new = np.zeros((H, H, H))
    for i in range(H):
        for j in range(H):
            direct[i, i, j] = h_prev[j]
            new[:, i, j] = (1 - h**2) * (direct[:, i, j] + U @ carried[:, i, j])
    return direct, new
""",
        """
def carry(U, h_prev, h, carried):
    H = len(h)
    direct = np.zeros_like(carried)
    direct[np.arange(H), np.arange(H)] = h_prev
    carried = np.tensordot(U, carried, 1)
    carried += direct
    carried *= (1 - h * h)[:, None, None]
    return direct, carried
""",
        """
def carry(U, h_prev, h, carried):
    H = len(h)
    direct = np.kron(np.eye(H), h_prev).reshape(H, H, H)
    flat = np.diag(1 - h**2) @ (direct.reshape(H, H * H) + U @ carried.reshape(H, H * H))
    return direct, flat.reshape(H, H, H)
""",
        """
def carry(U, h_prev, h, carried):
    U, h_prev, h, carried = (v.astype(np.float32) for v in (U, h_prev, h, carried))
    direct = np.eye(len(h), dtype=np.float32)[:, :, None] * h_prev
    jacobian = (1 - h**2)[:, None] * U
    return direct, (1 - h**2)[:, None, None] * direct + np.einsum("pq,qij->pij", jacobian, carried)
""",
    ],
    "13.B": [
        """
def rtrl(U, W, b, x, h0, grad_h):
    H, h = len(h0), h0
    carried, per_loss, grad_u = np.zeros((H, H, H)), [], np.zeros((H, H))
    for x_t, g in zip(x, grad_h):
        new = np.tanh(U @ h + W @ x_t + b)
        carried = carry(U, h, new, carried)[1]
        h = new
        per_loss.append(np.tensordot(g, carried, 1))
        grad_u += per_loss[-1]
    return per_loss, grad_u
""",
        """
def rtrl(U, W, b, x, h0, grad_h):
    H, T = len(h0), len(x)
    states = [h0]
    for t in range(T):
        states.append(np.tanh(states[-1] @ U.T + x[t] @ W.T + b))
    per_loss = np.zeros((T, H, H))
    for t in range(T):
        delta = grad_h[t] * (1 - states[t + 1] ** 2)
        for k in range(t, -1, -1):
            per_loss[t] += np.outer(delta, states[k])
            delta = (delta @ U) * (1 - states[k] ** 2)
    return per_loss, per_loss.sum(0)
""",
    ],
    "13.C": [
        """
def element_wise_step(a, W, V, x_t, y_t, h_prev, carried_a, carried_w):
    h = a * h_prev + W @ x_t
    grad_h = (V @ h - y_t) * V
    carried_a *= a
    carried_a += h_prev
    carried_w = np.diag(a) @ carried_w + np.tile(x_t, (len(a), 1))
    return h, carried_a, carried_w, carried_a * grad_h, np.diag(grad_h) @ carried_w
""",
    ],
    "13.1": [
        """
def carry_w_and_b(U, x_t, h, carried_w, carried_b):
    H, D = len(h), len(x_t)
    new_w, new_b = np.zeros((H, H, D)), np.zeros((H, H))
    for i in range(H):
        e = np.eye(H)[i]
        new_b[:, i] = (1 - h**2) * (e + U @ carried_b[:, i])
        for j in range(D):
            new_w[:, i, j] = (1 - h**2) * (e * x_t[j] + U @ carried_w[:, i, j])
    return new_w, new_b
""",
    ],
    "13.2": [
        """
def carry_residual(U, h_prev, slope, carried):
    H = len(slope)
    jacobian = np.eye(H) + np.diag(slope) @ U
    new = np.tensordot(jacobian, carried, 1)
    for i in range(H):
        new[i, i] += slope[i] * h_prev
    return new
""",
    ],
    "13.3": [
        """
def gated_step(V, W, x_t, h_prev, carried_v, carried_w):
    f = 1 / (1 + np.exp(-(V @ x_t)))
    c = W @ x_t
    h = c + f * (h_prev - c)
    slope = np.exp(-(V @ x_t)) * f**2
    carried_v = (f * carried_v.T).T + slope[:, None] * h_prev[:, None] * x_t - slope[:, None] * c[:, None] * x_t
    carried_w = (f * carried_w.T).T + (1 - f)[:, None] * x_t[None]
    return h, carried_v, carried_w
""",
    ],
    "13.4": [
        """
def pair_weights(cut, p):
    T = len(cut)
    factor = np.where(cut, 0, 1 / (1 - p))
    return np.array([[np.prod(factor[k + 1 : t + 1]) if k <= t else 0 for k in range(T)] for t in range(T)])
""",
        """
def pair_weights(cut, p):
    t, k = np.indices((len(cut), len(cut)))
    cuts = np.cumsum(cut)
    return (k <= t) * (cuts[t] == cuts[k]) * (1 - p) ** -(t - k).astype(float)
""",
    ],
}
