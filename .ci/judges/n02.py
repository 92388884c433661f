"""Judges of notebook 02: finite differences, or sums over single numbers; and other right ways."""

import numpy as np

import bptt_helpers as bh


def direct_partials(x_k, i, j, H):
    """z is affine in W and b: differentiate it with the rest fixed to some numbers."""
    D = len(x_k)
    rest, W, b = np.linspace(-1, 1, H), np.linspace(0, 1, H * D), np.linspace(0.5, 1, H)
    by_W = bh.numerical_jacobian(lambda w: rest + w.reshape(H, D) @ x_k + b, W)
    by_b = bh.numerical_jacobian(lambda b: rest + W.reshape(H, D) @ x_k + b, b)
    return by_W[:, i * D + j], by_b


def double_sums(delta, x):
    T, _, H = delta.shape
    grad_W, grad_b = np.zeros((H, x.shape[1])), np.zeros(H)
    for i in range(H):
        for t in range(T):
            grad_b[i] += sum(float(delta[t, k, i]) for k in range(t + 1))
            for j in range(x.shape[1]):
                grad_W[i, j] += sum(float(delta[t, k, i] * x[k, j]) for k in range(t + 1))
    return grad_W, grad_b


def one_pass(U, x, states, grad_h):
    """Each z_k is U h_{k-1} + drive_k; move the drives (as z_k, W or b would move them), or U."""
    drive = np.arctanh(states[1:]) - states[:-1] @ U.T

    def loss(U, drive):
        h, total = states[0], 0
        for drive_k, grad_k in zip(drive, grad_h):
            h = np.tanh(U @ h + drive_k)
            total += h @ grad_k
        return total

    by_z = bh.numerical_gradient(lambda d: loss(U, d), drive)
    by_U = bh.numerical_gradient(lambda u: loss(u, drive), U)
    by_W = bh.numerical_gradient(lambda w: loss(U, drive + x @ w.T), np.zeros((len(U), x.shape[1])))
    by_b = bh.numerical_gradient(lambda b: loss(U, drive + b), np.zeros(len(U)))
    return by_z, by_U, by_W, by_b


def batch_sums(U, deltas, x, states):
    """All deltas fixed: L = sum of delta * z, with z = U h + W x + b, is linear in each."""
    T, B, H = deltas.shape
    W, b = np.zeros((H, x.shape[2])), np.zeros(H)

    def loss(U, W, b, before):
        total = 0
        for k in range(T):
            for n in range(B):
                total += deltas[k, n] @ (U @ before[k, n] + W @ x[k, n] + b)
        return total

    before = states[:-1]
    back = bh.numerical_gradient(lambda h: loss(U, W, b, h), before)
    by_U = bh.numerical_gradient(lambda u: loss(u, W, b, before), U)
    by_W = bh.numerical_gradient(lambda w: loss(U, w, b, before), W)
    by_b = bh.numerical_gradient(lambda b: loss(U, W, b, before), b)
    return back, by_U, by_W, by_b


def input_gradients(deltas, U, W):
    """A loss with exactly these dL/dz_k: the sum of delta * z; only z_1 contains h_0 directly."""
    T, B, H = deltas.shape

    def loss(x):
        return sum(deltas[k, n] @ W @ x[k, n] for k in range(T) for n in range(B))

    by_x = bh.numerical_gradient(loss, np.ones((T, B, W.shape[1])))
    by_h0 = bh.numerical_gradient(lambda h: sum(deltas[0, n] @ U @ h[n] for n in range(B)), np.ones((B, H)))
    return by_x, by_h0


def upstream(output, target):
    T, B, _ = output.shape
    half = lambda h, t, n: ((h[t, n] - target[t, n]) ** 2).sum() / 2
    mean = lambda h: sum(half(h, t, n) for t in range(T) for n in range(B)) / (T * B)
    last = lambda h: sum(half(h, T - 1, n) for n in range(B)) / B
    return bh.numerical_gradient(mean, output), bh.numerical_gradient(last, output)


def read_out_gradients(V, output, labels):
    def loss(V, output):
        total = 0
        for k, n in np.ndindex(labels.shape):
            scores = V @ output[k, n]
            total += np.log(np.exp(scores).sum()) - scores[labels[k, n]]
        return total

    return bh.numerical_gradient(lambda h: loss(V, h), output), bh.numerical_gradient(lambda v: loss(v, output), V)


def another_network(u, W, b, x, h0, grad_h):
    def loss(u, W):
        h, total = h0, 0
        for x_k, grad_k in zip(x, grad_h):
            h = np.tanh(u * (h + W @ x_k) + b)
            total += h @ grad_k
        return total

    return bh.numerical_gradient(lambda a: loss(a, W), u), bh.numerical_gradient(lambda a: loss(u, a), W)


JUDGES = {
    "2.A": direct_partials, "2.B": double_sums, "2.C": one_pass, "2.D": batch_sums, "2.1": input_gradients,
    "2.2": upstream, "2.3": read_out_gradients, "2.4": another_network,
}  # fmt: skip

RIGHT = {
    "2.A": [
        "def direct_partials(x_k, i, j, H):\n    return x_k[j] * np.eye(H)[i], np.identity(H)",
        "def direct_partials(x_k, i, j, H):\n    return np.where(np.arange(H) == i, x_k[j], 0.0), np.diag(np.ones(H))",
    ],
    "2.B": [
        "def double_sums(delta, x):\n    return np.einsum('tki,kj->ij', delta, x), np.einsum('tki->i', delta)",
        """
def double_sums(delta, x):
    T = len(x)
    grad_W = np.zeros((delta.shape[2], x.shape[1]))
    grad_b = np.zeros(delta.shape[2])
    for t in range(T):
        for k in range(T):  # zero above the diagonal
            grad_W += delta[t, k][:, None] @ x[k][None, :]
            grad_b += delta[t, k]
    return grad_W, grad_b
""",
        "def double_sums(delta, x):\n    deltas = delta.sum(axis=0)\n    return deltas.T @ x, deltas.sum(axis=0)",
    ],
    "2.C": [
        """
def one_pass(U, x, states, grad_h):
    deltas = (1 - states[1:] ** 2) * grad_h
    for k in range(len(x) - 1, 0, -1):
        deltas[k - 1] += (1 - states[k] ** 2) * (deltas[k] @ U)
    return deltas, deltas.T @ states[:-1], deltas.T @ x, deltas.sum(0)
""",
        """
def one_pass(U, x, states, grad_h):
    T = len(x)
    deltas = np.zeros((T + 1, len(U)), dtype=np.float32)
    for k in reversed(range(T)):
        total = grad_h[k] + np.dot(U.T, deltas[k + 1])
        deltas[k] = np.diag(1 - np.square(states[k + 1])) @ total
    deltas = deltas[:T]
    return deltas, np.einsum("ki,kj->ij", deltas, states[:T]), np.einsum("ki,kj->ij", deltas, x), deltas.sum(axis=0)
""",
        """
def one_pass(U, x, states, grad_h):
    T = len(x)
    grad_h = grad_h.copy()
    deltas = []
    for k in range(T, 0, -1):
        z = np.arctanh(states[k])
        delta = grad_h[k - 1] / np.cosh(z) ** 2
        if k > 1:
            grad_h[k - 2] += delta @ U
        deltas.insert(0, delta)
    grad_U = sum(np.outer(d, h) for d, h in zip(deltas, states))
    grad_W = sum(np.outer(d, x_k) for d, x_k in zip(deltas, x))
    return np.array(deltas), grad_U, grad_W, sum(deltas)
""",
        """
def one_pass(U, x, states, grad_h):
    net = bh.RNN(np.zeros((len(U), x.shape[1])), U, np.zeros(len(U)))
    cache = bh.RNNCache(x[:, None], states[:, None], net)
    found = net.backward(grad_h[:, None], cache)
    table = bh.delta_table(net, grad_h[:, None], cache)
    return table.sum(axis=0)[:, 0], found.weight_hh, found.weight_ih, found.bias_ih
""",
    ],
    "2.D": [
        """
def batch_sums(U, deltas, x, states):
    T, B, H = deltas.shape
    back = np.zeros_like(deltas)
    grad_U, grad_W, grad_b = np.zeros((H, H)), np.zeros((H, x.shape[2])), np.zeros(H)
    for k in range(T):
        for n in range(B):
            back[k, n] = U.T @ deltas[k, n]
            grad_U += np.outer(deltas[k, n], states[k, n])
            grad_W += np.outer(deltas[k, n], x[k, n])
            grad_b += deltas[k, n]
    return back, grad_U, grad_W, grad_b
""",
        """
def batch_sums(U, deltas, x, states):
    grad_U = np.einsum("kni,knj->ij", deltas, states[:-1])
    grad_W = np.tensordot(deltas, x, axes=([0, 1], [0, 1]))
    return np.einsum("ij,kni->knj", U, deltas), grad_U, grad_W, deltas.sum(axis=(0, 1))
""",
        """
def batch_sums(U, deltas, x, states):
    grad_W = sum(d.T @ x_k for d, x_k in zip(deltas, x))
    grad_U = sum(d.T @ h for d, h in zip(deltas, states))
    return np.dot(deltas, U), grad_U, grad_W, deltas.sum(0).sum(0)
""",
    ],
    "2.1": [
        "def input_gradients(deltas, U, W):\n    return np.einsum('kni,ij->knj', deltas, W), (U.T @ deltas[0].T).T",
    ],
    "2.2": [
        """
def upstream(output, target):
    output -= target
    last = output.copy()
    last[:-1] = 0
    return output / output.shape[0] / output.shape[1], last / len(last[0])
""",
    ],
    "2.3": [
        """
def read_out_gradients(V, output, labels):
    grad_output, grad_V = np.zeros_like(output), np.zeros_like(V)
    for k, n in np.ndindex(labels.shape):
        scores = V @ output[k, n]
        error = np.exp(scores) / np.exp(scores).sum()
        error[labels[k, n]] -= 1
        grad_output[k, n] = V.T @ error
        grad_V += np.outer(error, output[k, n])
    return grad_output, grad_V
""",
    ],
    "2.4": [
        """
def another_network(u, W, b, x, h0, grad_h):
    v = x @ W.T
    h, before, after = h0, [], []
    for v_k in v:
        before.append(h + v_k)
        h = np.tanh(u * before[-1] + b)
        after.append(h)
    carried, grad_u, grad_W = 0, 0, 0
    for k in reversed(range(len(x))):
        delta = (1 - after[k] ** 2) * (grad_h[k] + carried)
        carried = np.diag(u) @ delta
        grad_u = grad_u + delta * before[k]
        grad_W = grad_W + np.outer(carried, x[k])
    return grad_u, grad_W
""",
    ],
}
