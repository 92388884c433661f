"""Independent judges of notebook 01: numbers are moved, and the loss is watched; and other right ways to write it."""

import numpy as np

import bptt_helpers as bh


def from_inputs(U, states):
    """W x_t + b of every step, from the states of the network."""
    return [np.arctanh(states[t]) - U @ states[t - 1] for t in range(1, len(states))]


def scalar_paths(u, h):
    """Entry k - 1: the copy of u at step k is moved, the last state watched."""
    inputs = [np.arctanh(h[t]) - u * h[t - 1] for t in range(1, len(h))]

    def last_state(copies):
        now = h[0]
        for copy, given in zip(copies, inputs, strict=True):
            now = np.tanh(copy * now + given)
        return now

    return bh.numerical_gradient(last_state, np.full(len(inputs), float(u)))


def paths(u, slope, h):
    return tuple(scalar_paths(u, h)[::-1])


def direct_partial(i, j, h_prev):
    """U_ij moved, every entry of z watched, with loops."""
    column = []
    for p in range(len(h_prev)):

        def entry(moved, p=p):
            z = 0.0
            for q in range(len(h_prev)):
                z += (moved[0] if (p, q) == (i, j) else 0.3 * p - 0.2 * q) * h_prev[q]
            return z

        column.append(bh.numerical_gradient(entry, np.array([0.7]))[0])
    return np.array(column)


def delta_triangle(U, states, grad_h):
    """Every net input moved, every loss watched; the slopes by moving each net input by itself."""
    T, H = grad_h.shape
    given = from_inputs(U, states)
    delta = np.zeros((T, T, H))
    slopes = np.array([bh.numerical_gradient(lambda z: np.tanh(z).sum(), np.arctanh(states[t])) for t in range(1, T + 1)])

    def loss(t, e):
        h = states[0]
        for s in range(t):
            h = np.tanh(U @ h + given[s] + e[s])
        return grad_h[t - 1] @ h

    for t in range(1, T + 1):
        delta[t - 1] = bh.numerical_gradient(lambda e, t=t: loss(t, e), np.zeros((T, H)))
    return slopes, delta


def gradient_of_u(delta, states):
    T, _, H = delta.shape
    grad = np.zeros((H, H))
    for i in range(H):
        for j in range(H):
            grad[i, j] = sum(float(delta[t, k, i]) * float(states[k, j]) for t in range(T) for k in range(T) if k <= t)
    return grad


def all_paths(u, slope, h):
    return scalar_paths(u, h)


def gradient_of_h0(U, states, grad_h):
    given = from_inputs(U, states)

    def loss(h):
        total = 0.0
        for from_x, grad in zip(given, grad_h, strict=True):
            h = np.tanh(U @ h + from_x)
            total += grad @ h
        return total

    return bh.numerical_gradient(loss, states[0])


def gradient_of_tied_u(U, states, y):
    """The copies of the recurrence and those of the read-out are moved one after the other."""
    given = from_inputs(U, states)

    def loss(recurrent, read_out):
        h, total = states[0], 0.0
        for from_x, target in zip(given, y, strict=True):
            h = np.tanh(recurrent @ h + from_x)
            total += 0.5 * ((read_out @ h - target) ** 2).sum()
        return total

    def loss_of_state(t):
        return lambda h: 0.5 * ((U @ h - y[t - 1]) ** 2).sum()

    grad_h = [bh.numerical_gradient(loss_of_state(t), states[t]) for t in range(1, len(states))]
    through_states = bh.numerical_gradient(lambda moved: loss(moved, U), U)
    at_read_out = bh.numerical_gradient(lambda moved: loss(U, moved), U)
    return np.array(grad_h), through_states, at_read_out


def gradient_of_s(U, S, states, a):
    T, H = a.shape
    before = [np.zeros(H), *states]  # before[t] is h_{t-1}
    given = [np.arctanh(states[t]) - U @ states[t - 1] - S @ before[t - 1] for t in range(1, T + 1)]

    def loss(S, e):
        older, old, total = np.zeros(H), states[0], 0.0
        for t in range(T):
            older, old = old, np.tanh(U @ old + S @ older + given[t] + e[t])
            total += a[t] @ old
        return total

    delta = bh.numerical_gradient(lambda e: loss(S, e), np.zeros((T, H)))
    return delta, bh.numerical_gradient(lambda moved: loss(moved, np.zeros((T, H))), S)


JUDGES = {
    "1.A": paths,
    "1.B": direct_partial,
    "1.C": delta_triangle,
    "1.D": gradient_of_u,
    "1.1": all_paths,
    "1.2": gradient_of_h0,
    "1.3": gradient_of_tied_u,
    "1.4": gradient_of_s,
}

RIGHT = {
    "1.A": [
        """
def f(u, slope, h):
    at_3 = slope[3] * h[2]
    at_2 = slope[3] * u * slope[2] * h[1]
    return at_3, at_2, u**2 * np.prod(slope[1:]) * h[0]
""",
        """
def f(u, slope, h):
    back, results = slope[3], []
    for t in (3, 2, 1):
        results.append(back * h[t - 1])
        back *= u * slope[t - 1]
    return tuple(np.float32(r) for r in results)
""",
    ],
    "1.B": [
        """
def f(i, j, h_prev):
    column = np.zeros(len(h_prev))
    column[i] = h_prev[j]
    return column
""",
        """
def f(i, j, h_prev):
    return [h_prev[j] if p == i else 0.0 for p in range(len(h_prev))]
""",
    ],
    "1.C": [
        """
def f(U, states, grad_h):  # rows: (U^T delta)^T is delta^T U
    T, H = grad_h.shape
    slope = 1 - states * states
    delta = np.zeros((T, T, H))
    for t in range(T):
        row = grad_h[t]
        for k in range(t, -1, -1):
            delta[t, k] = row = row * slope[k + 1]
            row = row @ U
    return slope[1:], delta
""",
        """
def f(U, states, grad_h):  # all rows at once, one column after the other
    T, H = grad_h.shape
    slope = (1 - states[1:]) * (1 + states[1:])
    delta = np.zeros((T, T, H))
    for k in reversed(range(T)):
        if k < T - 1:
            delta[:, k] = np.einsum("ji,tj->ti", U, delta[:, k + 1]) * slope[k]
        delta[k, k] = slope[k] * grad_h[k]
    return slope, delta
""",
        """
def f(U, states, grad_h):  # float32, diag written out
    U, states, grad_h = U.astype("float32"), states.astype("float32"), grad_h.astype("float32")
    T, H = grad_h.shape
    slope = 1 - np.tanh(np.arctanh(states[1:])) ** 2
    delta = np.zeros((T, T, H), "float32")
    for t in range(1, T + 1):
        delta[t - 1, t - 1] = np.diag(slope[t - 1]) @ grad_h[t - 1]
        for k in range(t - 1, 0, -1):
            delta[t - 1, k - 1] = np.diag(slope[k - 1]) @ U.T @ delta[t - 1, k]
    return slope, delta
""",
        """
def f(U, states, grad_h):  # single numbers
    T, H = grad_h.shape
    slope = np.array([[1 - states[t][i] ** 2 for i in range(H)] for t in range(1, T + 1)])
    delta = np.zeros((T, T, H))
    for t in range(T):
        for k in range(t, -1, -1):
            for i in range(H):
                back = grad_h[t][i] if k == t else sum(U[j][i] * delta[t][k + 1][j] for j in range(H))
                delta[t][k][i] = slope[k][i] * back
    return slope, delta
""",
    ],
    "1.D": [
        """
def f(delta, states):
    return delta.sum(axis=0).T @ states[:-1]
""",
        """
def f(delta, states):
    return np.einsum("tki,kj->ij", delta, states[:-1])
""",
        """
def f(delta, states):
    T, _, H = delta.shape
    grad_u = np.zeros((H, H))
    for k in range(T):
        for t in range(k, T):
            grad_u += delta[t, k][:, None] * states[k][None, :]
    return grad_u
""",
        """
def f(delta, states):
    T, _, H = delta.shape
    grad_u = np.zeros((H, H))
    for t in range(1, T + 1):
        for k in range(1, T + 1):
            grad_u += np.outer(delta[t - 1, k - 1], states[k - 1])
    return grad_u
""",
    ],
    "1.1": [
        """
def f(u, slope, h):
    back, path = 1.0, []
    for k in range(len(h) - 1, 0, -1):
        back *= slope[k]
        path.insert(0, back * h[k - 1])
        back *= u
    return path
""",
    ],
    "1.2": [
        """
def f(U, states, grad_h):
    grad = np.zeros(len(U))
    for k in range(len(grad_h), 0, -1):
        grad = ((grad + grad_h[k - 1]) * (1 - states[k] ** 2)) @ U
    return grad
""",
    ],
    "1.3": [
        """
def f(U, states, y):
    grad_h, at_read_out = [], np.zeros_like(U)
    for t in range(1, len(states)):
        error = U @ states[t] - y[t - 1]
        grad_h.append(U.T @ error)
        at_read_out += np.outer(error, states[t])
    _, delta = delta_triangle(U, states, np.array(grad_h))
    return np.array(grad_h), gradient_of_u(delta, states), at_read_out
""",
    ],
    "1.4": [
        """
def f(U, S, states, a):
    T, H = a.shape
    delta = [np.zeros(H) for _ in range(T + 2)]
    for k in reversed(range(T)):
        delta[k] = (1 - states[k + 1] ** 2) * (a[k] + delta[k + 1] @ U + delta[k + 2] @ S)
    delta = np.array(delta[:T])
    return delta, delta[1:].T @ states[: T - 1]
""",
    ],
}
