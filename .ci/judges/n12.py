"""Judges of notebook 12: torch.optim.Adam, finite differences, bisection, PyTorch with detached states."""

import numpy as np
import torch

import bptt_helpers as bh


def adam_by_torch(w, g, m, v, n, rate):
    leaf = torch.tensor(w, requires_grad=True)
    optimiser = torch.optim.Adam([leaf], lr=rate)
    optimiser.state[leaf] = {"step": torch.tensor(float(n - 1)), "exp_avg": torch.tensor(m), "exp_avg_sq": torch.tensor(v)}
    leaf.grad = torch.tensor(g)
    optimiser.step()
    state = optimiser.state[leaf]
    return leaf.detach().numpy(), state["exp_avg"].numpy(), state["exp_avg_sq"].numpy()


def reach_moved(net, x, read):
    """The answers of all sequences, added, while the inputs are moved."""
    grad_x = bh.numerical_gradient(lambda moved: (net.forward(moved)[0][-1] @ read).sum(), x)
    norms = [np.linalg.norm(grad_x[t]) for t in reversed(range(len(x)))]
    return np.array([norm / norms[0] for norm in norms])


def windows_again(net, x, states, grad_output, K):
    """The last K steps run again for each loss, from a state that is a constant; gradients by PyTorch."""
    W, U = torch.tensor(net.weight_ih, requires_grad=True), torch.tensor(net.weight_hh, requires_grad=True)
    loss = 0
    for t in range(1, len(x) + 1):
        first = max(t - K, 0)
        h = torch.tensor(states[first])
        for k in range(first + 1, t + 1):
            h = torch.tanh(h @ U.T + torch.tensor(x[k - 1]) @ W.T)
        loss = loss + (h * torch.tensor(grad_output[t - 1])).sum()
    loss.backward()
    return W.grad.numpy(), U.grad.numpy()


def bias_by_halving(n, share):
    low, high = -50.0, 50.0
    for _ in range(200):
        middle = (low + high) / 2
        kept = 1.0
        for _ in range(n):
            kept /= 1 + np.exp(-middle)
        low, high = (middle, high) if kept < share else (low, middle)
    return np.array(middle)


def chrono_by_numbers(u):
    """Unit by unit: the gate that keeps has the odds u, the input gate of the LSTM the odds 1/u."""
    H = len(u)
    lstm, gru = np.zeros(4 * H), np.zeros(3 * H)
    for i in range(H):
        keep = u[i] / (1 + u[i])
        lstm[H + i] = np.log(keep) - np.log(1 - keep)
        lstm[i] = np.log(1 - keep) - np.log(keep)
        gru[H + i] = lstm[H + i]
    return lstm, gru


def rounds_by_pairs(net, states, grad_output, K):
    """Pair by pair and sequence by sequence, with the factors of (6.47) as matrices."""
    T, B, H = grad_output.shape
    grad_u = np.zeros((H, H))
    for t in range(1, T + 1):
        for k in range(max(1, t - K + 1), t + 1):
            for n in range(B):
                delta = np.diag(1 - states[t, n] ** 2) @ grad_output[t - 1, n]
                for i in range(t - 1, k - 1, -1):
                    delta = np.diag(1 - states[i, n] ** 2) @ net.weight_hh.T @ delta
                grad_u += np.outer(delta, states[k - 1, n])
    return grad_u


def block_by_torch(net, V, x, target, state):
    module = bh.to_torch(net)
    scores_of = torch.tensor(V, requires_grad=True)
    output, last = module(torch.tensor(x), torch.tensor(state)[None])
    scores = output @ scores_of.T
    scores.retain_grad()
    C = target.shape[-1]
    torch.nn.functional.cross_entropy(scores.reshape(-1, C), torch.tensor(target.argmax(-1)).reshape(-1)).backward()
    found = scores.grad, scores_of.grad, module.weight_ih_l0.grad, module.weight_hh_l0.grad, last[0].detach()
    return tuple(a.numpy() for a in found)


JUDGES = {
    "12.A": adam_by_torch,
    "12.B": reach_moved,
    "12.C": windows_again,
    "12.1": bias_by_halving,
    "12.2": chrono_by_numbers,
    "12.3": rounds_by_pairs,
    "12.4": block_by_torch,
}

RIGHT = {
    "12.A": [
        """
def adam_update(w, g, m, v, n, rate):
    m *= 0.9
    m += 0.1 * g
    v *= 0.999
    v += 0.001 * g * g
    step = rate / (1 - 0.9**n)
    w -= step * m / (np.sqrt(v) / np.sqrt(1 - 0.999**n) + 1e-8)
    return w, m, v
""",
        """
def adam_update(w, g, m, v, n, rate):
    w, memory = bh.adam_step({"w": w}, {"w": g}, bh.AdamMemory(n - 1, {"w": m}, {"w": v}), rate=rate)
    return w["w"], memory.mean["w"], memory.square["w"]
""",
        """
def adam_update(w, g, m, v, n, rate):
    w, g, m, v = (a.astype(np.float32) for a in (w, g, m, v))
    m = m + (g - m) * np.float32(0.1)
    v = v + (g * g - v) * np.float32(0.001)
    return w - rate * (m / (1 - 0.9**n)) / (1e-8 + (v / (1 - 0.999**n)) ** 0.5), m, v
""",
    ],
    "12.B": [
        """
def reach(net, x, read):
    output, cache = net.forward(x)
    T, B, H = output.shape
    grad_output = np.zeros((T, B, H))
    grad_output[T - 1, :] += read[None]
    grad_x = net.backward(grad_output, cache).x
    norms = [np.linalg.norm(g) for g in grad_x]
    return np.array([norms[T - 1 - s] / norms[T - 1] for s in range(T)])
""",
        """
def reach(net, x, read):
    output, cache = net.forward(x)
    last = np.tile(read, (x.shape[1], 1))
    grad_x = net.backward(np.zeros(output.shape), cache, grad_h_n=last)[0]
    norms = np.linalg.norm(grad_x.reshape(len(x), -1), axis=1)[::-1]
    return norms / norms[0]
""",
    ],
    "12.C": [
        """
def window_gradients(net, x, states, grad_output, K):
    T = len(x)
    grad_w = np.zeros_like(net.weight_ih)
    grad_u = np.zeros_like(net.weight_hh)
    for t in range(T):
        delta = grad_output[t] * (1 - states[t + 1] ** 2)
        for lag in range(K):
            k = t - lag
            if k < 0:
                break
            if lag:
                delta = delta @ net.weight_hh * (1 - states[k + 1] ** 2)
            grad_w += np.einsum("bi,bj->ij", delta, x[k])
            grad_u += np.einsum("bi,bj->ij", delta, states[k])
    return grad_w, grad_u
""",
        """
def window_gradients(net, x, states, grad_output, K):
    T = len(x)
    grad_w, grad_u = 0, 0
    slopes = 1 - states[1:] ** 2
    grad_h = grad_output
    for lag in range(min(K, T)):
        delta = grad_h * slopes[: T - lag]
        grad_w = grad_w + np.einsum("tbi,tbj->ij", delta, x[: T - lag])
        grad_u = grad_u + np.einsum("tbi,tbj->ij", delta, states[: T - lag])
        grad_h = (delta @ net.weight_hh)[1:]
    return grad_w, grad_u
""",
        """
def window_gradients(net, x, states, grad_output, K):
    cache = net.forward(x, states[0])[1]
    table = bh.delta_table(net, grad_output, cache)
    t, k = np.indices((len(x), len(x)))
    table = table * (t - k < K)[:, :, None, None]
    return np.einsum("tkbi,kbj->ij", table, x), np.einsum("tkbi,kbj->ij", table, states[:-1])
""",
        """
def window_gradients(net, x, states, grad_output, K):
    grad_w = np.zeros_like(net.weight_ih)
    grad_u = np.zeros_like(net.weight_hh)
    for t in range(1, len(x) + 1):
        first = max(t - K, 0)
        part = np.zeros_like(grad_output[first:t])
        part[-1] = grad_output[t - 1]
        g = net.backward(part, net.forward(x[first:t], states[first])[1])
        grad_w += g.weight_ih
        grad_u += g.weight_hh
    return grad_w, grad_u
""",
    ],
    "12.1": ["def gate_bias(n, share):\n    return -np.log(share ** (-1 / n) - 1)\n", "def gate_bias(n, share):\n    return -np.log(np.expm1(-np.log(share) / n))\n"],  # noqa: E501
    "12.2": [
        """
def chrono(u):
    H = len(u)
    lstm = np.zeros(4 * H)
    gru = np.zeros(3 * H)
    lstm[H : 2 * H] = gru[H : 2 * H] = np.log(u)
    lstm[:H] -= np.log(u)
    return lstm, gru
""",
    ],
    "12.3": [
        """
def window_rounds(net, states, grad_output, K):
    T = len(grad_output)
    grad_u = np.zeros_like(net.weight_hh)
    grad_h = grad_output
    for lag in range(K):
        delta = grad_h * (1 - states[1 : T - lag + 1] ** 2)
        flat = delta.reshape(-1, delta.shape[2])
        grad_u += flat.T @ states[: T - lag].reshape(flat.shape)
        grad_h = delta[1:] @ net.weight_hh
    return grad_u
""",
    ],
    "12.4": [
        """
def block_gradients(net, V, x, target, state):
    output, cache = net.forward(x, state)
    grad_scores = softmax(output @ V.T)
    grad_scores[target == 1] -= 1
    grad_scores /= target.sum()
    C = target.shape[-1]
    grad_v = grad_scores.reshape(-1, C).T @ output.reshape(-1, output.shape[-1])
    g = net.backward(grad_scores @ V, cache)
    return grad_scores, grad_v, g.weight_ih, g.weight_hh, cache.states[-1]
""",
    ],
}
