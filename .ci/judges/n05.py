"""Judges of notebook 05: finite differences, torch autograd, sums over single numbers."""

import numpy as np
import torch

import bptt_helpers as bh


def judge_5a(module, x, h0, grad_output):
    """Every number is moved; nothing is differentiated by a formula."""
    moved = bh.numerical_gradients(bh.RNN.from_torch(module), x, grad_output, h0[0])
    return moved._asdict()


def judge_5b(saved, grad_output):
    """Autograd of the forward pass; the biases are found from the first output."""
    x, h0, W, U, output = saved
    bias = np.arctanh(output[0, 0]) - W @ x[0, 0] - U @ h0[0]
    net = bh.RNN(W, U, bias / 3, 2 * bias / 3)
    return tuple(bh.autograd_gradients(net, x, grad_output, h0))


def judge_5c(T, cuts):
    """Does the loss of step t have a derivative with respect to step k's own copy of U?"""
    torch.manual_seed(0)
    copies = [torch.randn(2, 2, dtype=torch.float64, requires_grad=True) for _ in range(T)]
    h = torch.randn(2, dtype=torch.float64)
    kept = np.zeros((T, T))
    for t in range(1, T + 1):
        h = torch.sin(copies[t - 1] @ h)
        found = torch.autograd.grad(h.sum(), copies, retain_graph=True, allow_unused=True)
        kept[t - 1] = [grad is not None and bool(grad.any()) for grad in found]
        if t in cuts:
            h = h.detach()
    return kept


def judge_51(rnn, x, h0, grad_output):
    """PyTorch's own module with batch_first=True."""
    hidden_size, input_size = rnn.weight_ih.shape
    module = torch.nn.RNN(input_size, hidden_size, batch_first=True).double()
    module.load_state_dict(bh.to_torch(rnn).state_dict())
    leaves = [torch.tensor(array, requires_grad=True) for array in (x, h0[None])]
    output, _ = module(*leaves)
    loss = (output * torch.tensor(grad_output)).sum()
    grad_x, grad_h0, grad_u = torch.autograd.grad(loss, [*leaves, module.weight_hh_l0])
    return grad_x, grad_h0[0], grad_u


def judge_52(first, second):
    parameters = [torch.nn.Parameter(torch.zeros(len(grad), dtype=torch.float64)) for grad in (first, second)]
    for parameter, grad in zip(parameters, (first, second)):
        parameter.grad = torch.tensor(grad)
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    return sum(int(parameter.grad.isnan().sum()) for parameter in parameters)


def judge_53(rnn, x, h0, grad_output, size):
    """Autograd, step by step, with detach after each `size` steps."""
    U = torch.tensor(rnn.weight_hh, requires_grad=True)
    W, b = torch.tensor(rnn.weight_ih), torch.tensor(rnn.bias_ih + rnn.bias_hh)
    h, loss = torch.tensor(h0), 0
    for step, (x_t, grad) in enumerate(zip(torch.tensor(x), torch.tensor(grad_output)), start=1):
        h = torch.tanh(x_t @ W.T + h @ U.T + b)
        loss = loss + (h * grad).sum()
        if step % size == 0:
            h = h.detach()
    return torch.autograd.grad(loss, U)[0]


def judge_54(x, h0, W, U, b, alpha, grad_output):
    """Central differences of the loss."""

    def loss(h, U, alpha):
        total = 0.0
        for x_t, grad in zip(x, grad_output):
            h = (1 - alpha) * h + alpha * np.tanh(x_t @ W.T + h @ U.T + b)
            total += (h * grad).sum()
        return total

    grad_h0 = bh.numerical_gradient(lambda h: loss(h, U, alpha), h0)
    grad_u = bh.numerical_gradient(lambda u: loss(h0, u, alpha), U)
    grad_alpha = bh.numerical_gradient(lambda a: loss(h0, U, a[0]), np.array([alpha]))
    return grad_h0, grad_u, grad_alpha[0]


JUDGES = {
    "5.A": judge_5a,
    "5.B": judge_5b,
    "5.C": judge_5c,
    "5.1": judge_51,
    "5.2": judge_52,
    "5.3": judge_53,
    "5.4": judge_54,
}

RIGHT = {
    "5.A": [
        """
def torch_gradients(module, x, h0, grad_output):
    x_leaf, h0_leaf = (torch.from_numpy(array).requires_grad_() for array in (x, h0))
    loss = (module(x_leaf, h0_leaf)[0] * torch.from_numpy(grad_output)).sum()
    leaves = {"x": x_leaf, "h0": h0_leaf, **{n.removesuffix("_l0"): p for n, p in module.named_parameters()}}
    grads = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values()))))
    return grads | {"h0": grads["h0"].squeeze(0)}
""",
        """
def torch_gradients(module, x, h0, grad_output):  # one backward for each step, and a first state without the layers
    x_leaf = torch.tensor(x, requires_grad=True)
    h0_leaf = torch.tensor(h0[0], requires_grad=True)
    output, _ = module(x_leaf, h0_leaf.unsqueeze(0))
    for h, grad in zip(output, grad_output):
        h.backward(torch.tensor(grad), retain_graph=True)
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    found = {name: getattr(module, name + "_l0").grad.numpy() for name in names}
    return {"x": x_leaf.grad.numpy(), "h0": h0_leaf.grad.numpy()} | found
""",
        """
def torch_gradients(module, x, h0, grad_output):  # float32, PyTorch's default
    module = module.float()
    x_leaf = torch.Tensor(x).requires_grad_()
    h0_leaf = torch.Tensor(h0).requires_grad_()
    output, h_n = module(x_leaf, h0_leaf)
    output.backward(torch.Tensor(grad_output))
    w, u, a, b = [p.grad for p in module.parameters()]
    return {"x": x_leaf.grad, "h0": h0_leaf.grad[0], "weight_ih": w, "weight_hh": u, "bias_ih": a, "bias_hh": b}
""",
        """
def torch_gradients(module, x, h0, grad_output):  # step by step with a cell
    W, U, a, b = module.parameters()
    x_leaf, h0_leaf = torch.tensor(x, requires_grad=True), torch.tensor(h0, requires_grad=True)
    h, loss = h0_leaf[0], 0
    for t in range(len(x)):
        h = torch.tanh(x_leaf[t] @ W.T + a + h @ U.T + b)
        loss += (h * torch.tensor(grad_output[t])).sum()
    loss.backward()
    return dict(x=x_leaf.grad, h0=h0_leaf.grad[0], weight_ih=W.grad, weight_hh=U.grad, bias_ih=a.grad, bias_hh=b.grad)
""",
    ],
    "5.B": [
        """
def operator_backward(saved, grad_output):  # everything in the loop, in place
    x, h0, W, U, output = saved
    carry, grad_w, grad_u, grad_b = np.zeros_like(h0), np.zeros_like(W), np.zeros_like(U), np.zeros(len(U))
    grad_x = np.empty_like(x)
    for t in range(len(x) - 1, -1, -1):
        delta = grad_output[t]
        delta += carry
        delta *= 1 - output[t] * output[t]
        grad_x[t] = delta @ W
        grad_w += delta.T @ x[t]
        grad_u += delta.T @ (output[t - 1] if t > 0 else h0)
        grad_b += delta.sum(0)
        carry = delta @ U
    return grad_x, carry, grad_w, grad_u, grad_b, grad_b
""",
        """
def operator_backward(saved, grad_output):  # columns, single sequences
    x, h0, W, U, output = saved
    T, B, D = x.shape
    dx, dh0, dW, dU, db = np.zeros_like(x), np.zeros_like(h0), 0 * W, 0 * U, 0 * U[0]
    for b in range(B):
        g = np.zeros(len(U))
        for t in reversed(range(T)):
            d = np.diag(1 - output[t, b] ** 2) @ (grad_output[t, b] + g)
            before = output[t - 1, b] if t else h0[b]
            dx[t, b] = W.T @ d
            dW, dU, db = dW + np.outer(d, x[t, b]), dU + np.outer(d, before), db + d
            g = U.T @ d
        dh0[b] = g
    return dx, dh0, dW, dU, db, db
""",
        """
def operator_backward(saved, grad_output):  # float32, one product for each weight
    x, h0, W, U, output = (array.astype(np.float32) for array in saved)
    states = np.concatenate([h0[None], output])
    deltas, carry = [], 0
    for g, h in zip(grad_output[::-1].astype(np.float32), output[::-1]):
        deltas.insert(0, (g + carry) * (1 - h * h))
        carry = deltas[0] @ U
    flat = np.array(deltas).reshape(-1, len(U))
    grad_b = np.ones(len(flat), np.float32) @ flat
    grad_u = flat.T @ states[:-1].reshape(len(flat), -1)
    return np.array(deltas) @ W, carry, flat.T @ x.reshape(len(flat), -1), grad_u, grad_b, grad_b
""",
        """
def operator_backward(saved, grad_output):  # the helper's backward pass
    x, h0, W, U, output = saved
    net = bh.RNN(W, U, np.zeros(len(U)), np.zeros(len(U)))
    gradients = net.backward(grad_output, bh.RNNCache(x, np.concatenate([h0[None], output]), net))
    return tuple(gradients)
""",
    ],
    "5.C": [
        """
def kept_pairs(T, cuts):  # the number of the block that each step is in
    block = np.zeros(T, int)
    for cut in cuts:
        block[cut:] += 1
    return np.tril(np.ones((T, T))) * (block[:, None] == block)
""",
        """
def kept_pairs(T, cuts):
    kept = np.zeros((T, T), bool)
    for t in range(1, T + 1):
        for k in range(1, t + 1):
            kept[t - 1, k - 1] = not any(k <= c < t for c in cuts)
    return kept
""",
    ],
    "5.1": [
        """
def batch_first_gradients(rnn, x, h0, grad_output):  # one sequence at a time
    grads = []
    for b in range(len(x)):
        _, cache = rnn.forward(x[b][:, None], h0[b : b + 1])
        grads.append(rnn.backward(grad_output[b][:, None], cache))
    return np.stack([g.x[:, 0] for g in grads]), np.concatenate([g.h0 for g in grads]), sum(g.weight_hh for g in grads)
""",
        """
def batch_first_gradients(rnn, x, h0, grad_output):
    g = bh.autograd_gradients(rnn, x.transpose(1, 0, 2).copy(), grad_output.transpose(1, 0, 2).copy(), h0)
    return np.moveaxis(g.x, 0, 1), g.h0, g.weight_hh
""",
    ],
    "5.2": [
        """
def nan_after_clipping(first, second):  # do it
    with np.errstate(all="ignore"):
        norm = np.sqrt((first**2).sum() + (second**2).sum())
        factor = np.minimum(1.0, 1 / (norm + 1e-6))
        return np.isnan(first * factor).sum() + np.isnan(second * factor).sum()
""",
    ],
    "5.3": [
        """
def truncated_gradient(rnn, x, h0, grad_output, size):  # a list of parts, and the triangle of pairs
    states = rnn.forward(x, h0)[1]
    table = bh.delta_table(rnn, grad_output, states)
    block = np.arange(len(x)) // size
    return np.einsum("tk,tkbi,kbj->ij", 1.0 * (block[:, None] == block), table, states.states[:-1])
""",
        """
def truncated_gradient(rnn, x, h0, grad_output, size):
    total = 0
    while len(x):
        output, cache = rnn.forward(x[:size], h0)
        total = total + rnn.backward(grad_output[:size], cache).weight_hh
        x, grad_output, h0 = x[size:], grad_output[size:], output[-1].copy()
    return total
""",
    ],
    "5.4": [
        """
def leaky_gradients(x, h0, W, U, b, alpha, grad_output):  # by the residual network of the helper
    net = bh.ResidualRNN(W, U, b, keep=1 - alpha, step=alpha)
    output, cache = net.forward(x, h0)
    g = net.backward(grad_output, cache)
    before = np.concatenate([h0[None], output[:-1]])
    c = (output - (1 - alpha) * before) / alpha
    total, carry = 0.0, np.zeros_like(h0)
    for t in reversed(range(len(x))):
        grad_h = grad_output[t] + carry
        total += np.sum(grad_h * (c[t] - before[t]))
        carry = (1 - alpha) * grad_h + (alpha * grad_h * (1 - c[t] ** 2)) @ U
    return g.h0, g.weight_hh, total
""",
        """
def leaky_gradients(x, h0, W, U, b, alpha, grad_output):  # by autograd
    leaves = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (h0, U, alpha)]
    h, U, a = leaves
    W, b, loss = torch.tensor(W), torch.tensor(b), 0
    for x_t, g in zip(torch.tensor(x), torch.tensor(grad_output)):
        h = (1 - a) * h + a * torch.tanh(x_t @ W.T + h @ U.T + b)
        loss = loss + (h * g).sum()
    return torch.autograd.grad(loss, leaves)
""",
    ],
}
