"""Judges of notebook 04: finite differences, and loops over single numbers."""

import numpy as np

import bptt_helpers as bh


def step_by_numbers(net, x, h_prev):
    """(6.5) and (6.6), one number at a time."""
    h = np.zeros(h_prev.shape)
    for n in range(len(h)):
        for i in range(h.shape[1]):
            z = net.bias_ih[i] + net.bias_hh[i]
            for j in range(x.shape[1]):
                z += net.weight_ih[i, j] * x[n, j]
            for j in range(h.shape[1]):
                z += net.weight_hh[i, j] * h_prev[n, j]
            h[n, i] = (np.exp(2 * z) - 1) / (np.exp(2 * z) + 1)
    return h


def step_moved(net, grad_h, cache):
    x, h_prev, h = cache
    delta = bh.numerical_gradient(lambda z: (np.tanh(z) * grad_h).sum(), np.arctanh(h))
    moved = bh.numerical_gradients(net, x[None], grad_h[None], h_prev)
    return delta, moved.x[0], moved.h0, moved.weight_ih, moved.weight_hh, moved.bias_ih


def states_by_numbers(net, x, h0):
    states = [h0]
    for x_t in x:
        states.append(step_by_numbers(net, x_t, states[-1]))
    return np.array(states)


def rnn_moved(net, x, states, grad_output, grad_h_n):
    return bh.numerical_gradients(net, x, grad_output, states[0], grad_h_n=grad_h_n)


def sums_by_numbers(deltas, x, states):
    (T, B, H), D = deltas.shape, x.shape[2]
    grad_w, grad_u, grad_b = np.zeros((H, D)), np.zeros((H, H)), np.zeros(H)
    for t in range(1, T + 1):
        for n in range(B):
            for i in range(H):
                grad_b[i] += deltas[t - 1, n, i]
                for j in range(D):
                    grad_w[i, j] += deltas[t - 1, n, i] * x[t - 1, n, j]
                for j in range(H):
                    grad_u[i, j] += deltas[t - 1, n, i] * states[t - 1, n, j]
    return grad_w, grad_u, grad_b


def relu_moved(grad_h, h):
    z = np.where(h > 0, h, -1.0)  # some z that gives this h
    return bh.numerical_gradient(lambda z: (np.maximum(z, 0) * grad_h).sum(), z)


def layout_moved(Wax, Waa, ba, x, a0, da):
    """In columns, as the other course writes it, by differences."""
    arrays = {"Wax": Wax, "Waa": Waa, "ba": ba, "x": x, "a0": a0}

    def loss(name, value):
        now = arrays | {name: value}
        a, total = now["a0"], 0.0
        for t in range(da.shape[2]):
            a = np.tanh(now["Waa"] @ a + now["Wax"] @ now["x"][:, :, t] + now["ba"])
            total += (a * da[:, :, t]).sum()
        return total

    return tuple(
        bh.numerical_gradient(lambda v, n=n: loss(n, v), np.ascontiguousarray(arrays[n])) for n in ("x", "a0", "Wax", "Waa", "ba")
    )


def masked_moved(net, x, states, mask, grad_h_n):
    """Each sequence alone, within its own length, by differences."""
    grad_w, grad_u, grad_h0 = np.zeros_like(net.weight_ih), np.zeros_like(net.weight_hh), np.zeros_like(grad_h_n)
    for n in range(x.shape[1]):
        length = int(mask[:, n].sum())
        row = slice(n, n + 1)
        zero = np.zeros((length, 1, grad_h_n.shape[1]))
        moved = bh.numerical_gradients(net, x[:length, row], zero, states[0, row], grad_h_n=grad_h_n[row])
        grad_w += moved.weight_ih
        grad_u += moved.weight_hh
        grad_h0[row] = moved.h0
    return grad_w, grad_u, grad_h0


JUDGES = {
    "4.A": step_by_numbers,
    "4.B": step_moved,
    "4.C": states_by_numbers,
    "4.D": rnn_moved,
    "4.E": sums_by_numbers,
    "4.1": relu_moved,
    "4.2": layout_moved,
    "4.3": masked_moved,
}

RIGHT = {
    "4.A": [
        """
def step_forward(net, x, h_prev):
    together = np.concatenate([net.weight_hh, net.weight_ih], axis=1)
    z = np.concatenate([h_prev, x], axis=1) @ together.T
    z += net.bias_ih
    z += net.bias_hh
    return np.tanh(z)
""",
        """
def step_forward(net, x, h_prev):
    bias = (net.bias_ih + net.bias_hh)[:, None]
    return np.tanh(net.weight_hh @ h_prev.T + net.weight_ih @ x.T + bias).T
""",
    ],
    "4.B": [
        """
def step_backward(net, grad_h, cache):
    x, h_prev, h = cache
    grad_h *= 1 - h * h
    out = grad_h @ net.weight_ih, grad_h @ net.weight_hh
    return grad_h, *out, np.einsum("bi,bj->ij", grad_h, x), np.einsum("bi,bj->ij", grad_h, h_prev), np.ones(len(x)) @ grad_h
""",
        """
def step_backward(net, grad_h, cache):
    x, h_prev, h = (a.astype(np.float32) for a in cache)
    delta = grad_h.astype(np.float32) * (1 - h) * (1 + h)
    grad_x = (net.weight_ih.T @ delta.T).T
    grad_h_prev = (net.weight_hh.T @ delta.T).T
    grad_w = (x.T @ delta).T
    grad_u = (h_prev.T @ delta).T
    grad_b = np.sum(delta, 0)
    return delta, grad_x, grad_h_prev, grad_w, grad_u, grad_b
""",
        """
def step_backward(net, grad_h, cache):
    x, h_prev, h = cache
    delta = grad_h / np.cosh(np.arctanh(h)) ** 2
    grad_w = np.zeros_like(net.weight_ih)
    grad_u = np.zeros_like(net.weight_hh)
    grad_b = np.zeros(len(grad_u))
    for d, x_n, h_n in zip(delta, x, h_prev):
        grad_w += np.outer(d, x_n)
        grad_u += np.outer(d, h_n)
        grad_b += d
    grad_x = np.array([net.weight_ih.T @ d for d in delta])
    grad_h_prev = np.array([net.weight_hh.T @ d for d in delta])
    return delta, grad_x, grad_h_prev, grad_w, grad_u, grad_b
""",
        """
def step_backward(net, grad_h, cache):
    x, h_prev, h = cache
    step = bh.RNNCell(net.weight_ih, net.weight_hh, net.bias_ih, net.bias_hh).backward(grad_h, bh.CellCache(x, h_prev, h))
    return grad_h - grad_h * h**2, step.x, step.h0, step.weight_ih, step.weight_hh, step.bias_hh
""",
    ],
    "4.C": [
        """
def rnn_forward(net, x, h0):
    states = [h0]
    for x_t in x:
        states.append(step_forward(net, x_t, states[-1]))
    return np.stack(states)
""",
        """
def rnn_forward(net, x, h0):
    return np.concatenate([h0[None], net.forward(x, h0)[0]])
""",
    ],
    "4.D": [
        """
def rnn_backward(net, x, states, grad_output, grad_h_n):
    carry, dxs, total = grad_h_n, [], [0, 0, 0]
    for t in reversed(range(len(x))):
        _, dx, carry, *shares = step_backward(net, grad_output[t] + carry, (x[t], states[t], states[t + 1]))
        dxs.insert(0, dx)
        total = [a + b for a, b in zip(total, shares)]
    return bh.Gradients(np.array(dxs), carry, total[0], total[1], total[2], total[2])
""",
        """
def rnn_backward(net, x, states, grad_output, grad_h_n):
    grad_output[-1] += grad_h_n
    carry = 0
    grad_x, grad_w, grad_u, grad_b = [], 0, 0, 0
    steps = list(zip(x, states[:-1], states[1:], grad_output))
    for x_t, h_prev, h, grad in steps[::-1]:
        delta = (grad + carry) * (1 - h**2)
        carry = delta @ net.weight_hh
        grad_x.append(delta @ net.weight_ih)
        grad_w = grad_w + delta.T @ x_t
        grad_u = grad_u + delta.T @ h_prev
        grad_b = grad_b + delta.sum(axis=0)
    return bh.Gradients(np.array(grad_x[::-1]), carry, grad_w, grad_u, grad_b, grad_b)
""",
        """
def rnn_backward(net, x, states, grad_output, grad_h_n):
    cache = net.forward(x, states[0])[1]
    return net.backward(grad_output, cache, grad_h_n=grad_h_n)._asdict()
""",
    ],
    "4.E": [
        """
def stacked_gradients(deltas, x, states):
    grad_w = np.einsum("tbi,tbj->ij", deltas, x)
    grad_u = np.tensordot(deltas, states[:-1], axes=([0, 1], [0, 1]))
    return grad_w, grad_u, deltas.sum(axis=(0, 1))
""",
        """
def stacked_gradients(deltas, x, states):
    T, B, H = deltas.shape
    both = np.concatenate([x, states[:T], np.ones((T, B, 1))], axis=2)
    grad = deltas.reshape(T * B, H).T @ both.reshape(T * B, -1)
    D = x.shape[2]
    return grad[:, :D], grad[:, D:-1], grad[:, -1]
""",
    ],
    "4.1": [
        "def relu_delta(grad_h, h):\n    return np.where(h > 0, grad_h, 0)\n",
        "def relu_delta(grad_h, h):\n    grad_h[h == 0] = 0\n    return grad_h\n",
        "def relu_delta(grad_h, h):\n    return grad_h * np.sign(h)\n",
    ],
    "4.2": [
        """
def other_layout(Wax, Waa, ba, x, a0, da):
    T = x.shape[2]
    a, states = a0, [a0]
    for t in range(T):
        a = np.tanh(Waa @ a + Wax @ x[:, :, t] + ba)
        states.append(a)
    carry, dx, dWax, dWaa, dba = 0 * a0, np.zeros(x.shape), 0, 0, 0
    for t in reversed(range(T)):
        dz = (da[:, :, t] + carry) * (1 - states[t + 1] ** 2)
        dx[:, :, t] = Wax.T @ dz
        carry = Waa.T @ dz
        dWax = dWax + dz @ x[:, :, t].T
        dWaa = dWaa + dz @ states[t].T
        dba = dba + dz.sum(axis=1, keepdims=True)
    return dx, carry, dWax, dWaa, dba
""",
        """
def other_layout(Wax, Waa, ba, x, a0, da):
    net = bh.RNN(Wax, Waa, 0 * ba.ravel(), ba.ravel())
    xs = np.moveaxis(x, [0, 1, 2], [2, 1, 0])
    states = rnn_forward(net, xs, a0.T)
    g = rnn_backward(net, xs, states, da.T, 0 * a0.T)
    return g.x.T, g.h0.T, g.weight_ih, g.weight_hh, g.bias_hh.reshape(-1, 1)
""",
    ],
    "4.3": [
        """
def masked_backward(net, x, states, mask, grad_h_n):
    carry = grad_h_n.copy()
    deltas = np.zeros_like(states[1:])
    for t in reversed(range(len(x))):
        real = mask[t, :, 0] > 0
        deltas[t, real] = carry[real] * (1 - states[t + 1, real] ** 2)
        carry[real] = deltas[t, real] @ net.weight_hh
    grad_w, grad_u, _ = stacked_gradients(deltas, x, states)
    return grad_w, grad_u, carry
""",
    ],
}
