"""Judges of notebook 07: torch.nn with packed sequences, layers and directions; autograd; loops over single numbers."""

import itertools

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import bptt_helpers as bh


def leaf(array):
    return torch.tensor(array, requires_grad=True)


def loaded(nets, kind=torch.nn.RNN, **options):
    """A module of torch.nn with the parameters of these networks: one for each layer, or two for two directions."""
    hidden_size = nets[0].weight_hh.shape[1]
    module = kind(nets[0].weight_ih.shape[1], hidden_size, dtype=torch.float64, **options)
    with torch.no_grad():
        for places, net in zip(module.all_weights, nets):
            for place, array in zip(places, (net.weight_ih, net.weight_hh, net.bias_ih, net.bias_hh)):
                place.copy_(torch.tensor(array))
    return module


def mean_loss_moved(output, target, lengths):
    """The loss by loops over single numbers; its gradient by differences."""
    T, B, H = output.shape
    mask, count = np.zeros((T, B), bool), 0
    for b in range(B):
        for t in range(1, lengths[b] + 1):
            mask[t - 1, b] = True
            count += 1

    def loss(now):
        total = 0.0
        for b in range(B):
            for t in range(1, lengths[b] + 1):
                for i in range(H):
                    total += (now[t - 1, b, i] - target[t - 1, b, i]) ** 2
        return total / (2 * count)

    return mask, count, bh.numerical_gradient(loss, output)


def last_states_by_torch(output, lengths, grad_last):
    states = leaf(output)
    last = torch.stack([states[:length, b][-1] for b, length in enumerate(lengths)])
    last.backward(torch.tensor(grad_last))
    return last, states.grad


def two_layers_by_torch(below, above, x, h0, grad_output, grad_h_n):
    module = loaded([below, above], num_layers=2)
    x, h0 = leaf(x), leaf(h0)
    output, h_n = module(x, h0)
    ((output * torch.tensor(grad_output)).sum() + (h_n * torch.tensor(grad_h_n)).sum()).backward()
    return output, h0.grad, x.grad, module.weight_hh_l0.grad, module.weight_hh_l1.grad


def reverse_by_numbers(x, lengths):
    turned = x.copy()
    for b, length in enumerate(lengths):
        for t in range(1, length + 1):
            for i in range(x.shape[2]):
                turned[t - 1, b, i] = x[length - t, b, i]
    return turned


def learned_start_by_torch(net, x, start, grad_output):
    start = leaf(start)
    output, _ = bh.to_torch(net)(torch.tensor(x), start.expand(1, x.shape[1], -1).contiguous())
    output.backward(torch.tensor(grad_output))
    return output, start.grad


def stream_by_torch(lstm, chunks, state, grads):
    """In one piece."""
    module = bh.to_torch(lstm)
    h0, c0 = leaf(state[0][None]), leaf(state[1][None])
    output, _ = module(torch.tensor(np.concatenate(chunks)), (h0, c0))
    output.backward(torch.tensor(np.concatenate(grads)))
    return module.weight_hh_l0.grad, h0.grad[0], c0.grad[0]


def embedding_by_torch(grad_x, ids, V):
    table = leaf(np.zeros((V, grad_x.shape[2])))
    torch.nn.functional.embedding(torch.tensor(ids), table).backward(torch.tensor(grad_x))
    return table.grad


def max_pool_by_torch(output, lengths, grad_pooled):
    states = leaf(output)
    pooled = torch.stack([states[:length, b].max(dim=0).values for b, length in enumerate(lengths)])
    pooled.backward(torch.tensor(grad_pooled))
    return pooled, states.grad


def tied_by_torch(net, table, ids, grad_scores):
    table = leaf(table)
    output, _ = bh.to_torch(net)(torch.nn.functional.embedding(torch.tensor(ids), table))
    scores = torch.nn.functional.linear(output, table)
    scores.backward(torch.tensor(grad_scores))
    return scores, table.grad


def starts_by_torch(net, x, starts, h0, grad_output):
    """Each sequence alone: a row is cut where a sequence begins."""
    module, h0, loss = bh.to_torch(net), leaf(h0), 0
    for b in range(x.shape[1]):
        cuts = [0, *(t for t in range(1, len(x)) if starts[t, b]), len(x)]
        for first, last in itertools.pairwise(cuts):
            begins = torch.zeros_like(h0[b]) if starts[first, b] else h0[b]
            output, _ = module(torch.tensor(x[first:last, b : b + 1]), begins[None, None])
            loss = loss + (output[:, 0] * torch.tensor(grad_output[first:last, b])).sum()
    loss.backward()
    return module.weight_hh_l0.grad, h0.grad


def deep_by_torch(nets, x, lengths, grad_output):
    module = loaded([net for layer in nets for net in layer], num_layers=2, bidirectional=True)
    x = leaf(x)
    packed = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
    output, _ = pad_packed_sequence(module(packed)[0], total_length=len(x))
    output.backward(torch.tensor(grad_output))
    return output, x.grad


def as_arrays(judge):
    """The judge with NumPy arrays in place of tensors."""

    def judged(*arguments):
        found = judge(*arguments)
        arrays = [f.detach().numpy() if isinstance(f, torch.Tensor) else f for f in (found if isinstance(found, tuple) else (found,))]
        return tuple(arrays) if isinstance(found, tuple) else arrays[0]

    return judged


JUDGES = {
    "7.A": mean_loss_moved,
    "7.B": as_arrays(last_states_by_torch),
    "7.C": as_arrays(two_layers_by_torch),
    "7.D": reverse_by_numbers,
    "7.E": as_arrays(learned_start_by_torch),
    "7.F": as_arrays(stream_by_torch),
    "7.1": as_arrays(embedding_by_torch),
    "7.2": as_arrays(max_pool_by_torch),
    "7.3": as_arrays(tied_by_torch),
    "7.4": as_arrays(starts_by_torch),
    "7.5": as_arrays(deep_by_torch),
}

RIGHT = {
    "7.A": [
        """
def mean_loss_gradient(output, target, lengths):
    T, B, H = output.shape
    mask = np.zeros((T, B))
    grad_output = np.zeros((T, B, H))
    for b in range(B):
        for t in range(lengths[b]):
            mask[t, b] = 1
            grad_output[t, b] = output[t, b] - target[t, b]
    return mask, mask.sum(), grad_output / mask.sum()
""",
        """
def mean_loss_gradient(output, target, lengths):
    mask = lengths[None, :] > np.arange(output.shape[0]).reshape(-1, 1)
    count = np.count_nonzero(mask)
    return mask.astype(int), count, np.where(mask[..., None], output - target, 0).astype(np.float32) / count
""",
    ],
    "7.B": [
        """
def last_states(output, lengths, grad_last):
    last = np.array([output[n - 1, b] for b, n in enumerate(lengths)])
    grad_output = 0 * output
    for b, n in enumerate(lengths):
        grad_output[n - 1, b] = grad_last[b]
    return last, grad_output
""",
        """
def last_states(output, lengths, grad_last):
    hot = (np.arange(len(output))[:, None] == lengths - 1)[:, :, None]
    return (hot * output).sum(axis=0), hot * grad_last
""",
        """
def last_states(output, lengths, grad_last):
    index = (lengths - 1)[None, :, None]
    grad_output = np.zeros(output.shape)
    np.put_along_axis(grad_output, index, grad_last[None], axis=0)
    return np.take_along_axis(output, index, axis=0)[0], grad_output
""",
    ],
    "7.C": [
        """
def two_layers(below, above, x, h0, grad_output, grad_h_n):
    middle, cache_1 = below.forward(x, h0[0])
    output, cache_2 = above.forward(middle, h0[1])
    grad = grad_output.copy()
    grad[-1] += grad_h_n[1]
    upper = above.backward(grad, cache_2)
    grad = upper.x.copy()
    grad[-1] += grad_h_n[0]
    lower = below.backward(grad, cache_1)
    return output, np.array([lower.h0, upper.h0]), lower.x, lower.weight_hh, upper.weight_hh
""",
        """
def two_layers(below, above, x, h0, grad_output, grad_h_n):
    states, caches, grads, first = x, [], [], []
    for net, h in zip([below, above], h0):
        states, cache = net.forward(states, h)
        caches.append(cache)
    output, grad = states, grad_output
    for i in (1, 0):
        found = [below, above][i].backward(grad, caches[i], grad_h_n=grad_h_n[i])
        grad = found.x
        grads.insert(0, found.weight_hh)
        first.insert(0, found.h0)
    return output, np.stack(first), grad, grads[0], grads[1]
""",
        """
def two_layers(below, above, x, h0, grad_output, grad_h_n):
    one, two, caches, output = h0[0], h0[1], [], []
    for x_t in x:
        one, cache_1 = bh.RNNCell(below.weight_ih, below.weight_hh, below.bias_ih, below.bias_hh).forward(x_t, one)
        two, cache_2 = bh.RNNCell(above.weight_ih, above.weight_hh, above.bias_ih, above.bias_hh).forward(one, two)
        caches.append((cache_1, cache_2))
        output.append(two)
    carry_1, carry_2, grad_x, grad_1, grad_2 = grad_h_n[0], grad_h_n[1], [], 0, 0
    for (cache_1, cache_2), grad in zip(caches[::-1], grad_output[::-1]):
        delta_2 = (grad + carry_2) * (1 - cache_2.h**2)
        carry_2 = delta_2 @ above.weight_hh
        delta_1 = (delta_2 @ above.weight_ih + carry_1) * (1 - cache_1.h**2)
        carry_1 = delta_1 @ below.weight_hh
        grad_x.insert(0, delta_1 @ below.weight_ih)
        grad_1 = grad_1 + delta_1.T @ cache_1.h_prev
        grad_2 = grad_2 + delta_2.T @ cache_2.h_prev
    return np.array(output), np.array([carry_1, carry_2]), np.array(grad_x), grad_1, grad_2
""",
    ],
    "7.D": [
        """
def reverse_within(x, lengths):
    T = len(x)
    t = np.arange(T)[:, None]
    source = np.where(t < lengths, lengths - 1 - t, t)
    return x[source, np.arange(x.shape[1])]
""",
        """
def reverse_within(x, lengths):
    return np.stack([np.concatenate([x[:n, b][::-1], x[n:, b]]) for b, n in enumerate(lengths)], axis=1)
""",
        """
def reverse_within(x, lengths):
    turned = np.array(x)
    for b, length in enumerate(lengths):
        for t in range(length):
            turned[t, b] = x[length - 1 - t, b]
    return turned
""",
    ],
    "7.E": [
        """
def learned_start(net, x, start, grad_output):
    B = x.shape[1]
    output, cache = net.forward(x, np.ones((B, 1)) * start)
    return output, np.ones(B) @ net.backward(grad_output, cache).h0
""",
        """
def learned_start(net, x, start, grad_output):
    output, grad = np.zeros(grad_output.shape), 0
    for b in range(x.shape[1]):
        row = slice(b, b + 1)
        output[:, row], cache = net.forward(x[:, row], start[None])
        grad = grad + net.backward(grad_output[:, row], cache).h0[0]
    return output, grad
""",
    ],
    "7.F": [
        """
def stream(lstm, chunks, state, grads):
    cache = lstm.forward(np.concatenate(chunks), state)[1]
    found = lstm.backward(np.concatenate(grads), cache)
    return found.weight_hh, found.h0, found.c0
""",
        """
def stream(lstm, chunks, state, grads):
    if not chunks:
        return np.zeros_like(lstm.weight_hh), np.zeros_like(state[0]), np.zeros_like(state[1])
    output, cache = lstm.forward(chunks[0], state)
    later, grad_h, grad_c = stream(lstm, chunks[1:], (output[-1], cache.cells[-1]), grads[1:])
    found = lstm.backward(grads[0], cache, grad_h_n=grad_h, grad_c_n=grad_c)
    return later + found.weight_hh, found.h0, found.c0
""",
        """
def stream(lstm, chunks, state, grads):
    caches = []
    for x in chunks:
        output, cache = lstm.forward(x, state)
        caches.append(cache)
        state = (output[-1], cache.cells[-1])
    grad_h, grad_c, shares = None, None, []
    for i in range(len(chunks) - 1, -1, -1):
        found = lstm.backward(grads[i], caches[i], grad_h_n=grad_h, grad_c_n=grad_c)
        grad_h, grad_c = found.h0, found.c0
        shares.append(found.weight_hh)
    return sum(shares), grad_h, grad_c
""",
    ],
    "7.1": [
        """
def embedding_gradient(grad_x, ids, V):
    hot = (ids[:, :, None] == np.arange(V)).astype(float)
    return np.einsum("tbv,tbd->vd", hot, grad_x)
""",
        """
def embedding_gradient(grad_x, ids, V):
    T, B, D = grad_x.shape
    grad = np.zeros((V, D))
    for t in range(T):
        for b in range(B):
            grad[ids[t, b]] += grad_x[t, b]
    return grad
""",
        """
def embedding_gradient(grad_x, ids, V):
    return np.array([grad_x[ids == v].sum(axis=0) for v in range(V)])
""",
    ],
    "7.2": [
        """
def max_pool(output, lengths, grad_pooled):
    pooled = np.array([output[:n, b].max(axis=0) for b, n in enumerate(lengths)])
    mask = (np.arange(len(output))[:, None] < lengths)[:, :, None]
    return pooled, mask * (output == pooled) * grad_pooled
""",
    ],
    "7.3": [
        """
def tied(net, table, ids, grad_scores):
    V, H = table.shape
    x = table[ids]
    output, cache = net.forward(x)
    back = net.backward(np.einsum("tbv,vh->tbh", grad_scores, table), cache)
    grad = grad_scores.reshape(-1, V).T @ output.reshape(-1, H)
    np.add.at(grad, ids, back.x)
    return np.einsum("tbh,vh->tbv", output, table), grad
""",
    ],
    "7.4": [
        """
def with_starts(net, x, starts, h0, grad_output):
    grad_u, grad_h0 = np.zeros_like(net.weight_hh), np.zeros_like(h0)
    T, B = starts.shape
    for b in range(B):
        row = slice(b, b + 1)
        edges = [0] + [t for t in range(1, T) if starts[t, b]] + [T]
        for i, (first, last) in enumerate(zip(edges[:-1], edges[1:])):
            from_h0 = i == 0 and not starts[0, b]
            cache = net.forward(x[first:last, row], h0[row] if from_h0 else None)[1]
            found = net.backward(grad_output[first:last, row], cache)
            grad_u += found.weight_hh
            if from_h0:
                grad_h0[b] = found.h0[0]
    return grad_u, grad_h0
""",
        """
def with_starts(net, x, starts, h0, grad_output):
    states, before = [], []
    h = h0
    for x_t, s in zip(x, starts):
        h = np.where(s[:, None], 0, h)
        before.append(h)
        h = np.tanh(x_t @ net.weight_ih.T + h @ net.weight_hh.T + net.bias_ih + net.bias_hh)
        states.append(h)
    carry, grad_u = np.zeros_like(h0), 0
    for t in reversed(range(len(x))):
        delta = (grad_output[t] + carry) * (1 - states[t] ** 2)
        grad_u = grad_u + delta.T @ before[t]
        carry = np.where(starts[t][:, None], 0, delta @ net.weight_hh)
    return grad_u, carry
""",
    ],
    "7.5": [
        """
def deep(nets, x, lengths, grad_output):
    def layer(pair, x):
        a, cache_a = pair[0].forward(x)
        b, cache_b = pair[1].forward(reverse_within(x, lengths))
        return np.concatenate([a, reverse_within(b, lengths)], axis=2), cache_a, cache_b

    def back(pair, cache_a, cache_b, grad):
        one, two = np.split(grad, 2, axis=2)
        down = pair[1].backward(reverse_within(two, lengths), cache_b).x
        return pair[0].backward(one, cache_a).x + reverse_within(down, lengths)

    middle, *caches_1 = layer(nets[0], x)
    output, *caches_2 = layer(nets[1], middle)
    output = output * (np.arange(len(x))[:, None] < lengths)[:, :, None]
    return output, back(nets[0], *caches_1, back(nets[1], *caches_2, grad_output))
""",
    ],
}
