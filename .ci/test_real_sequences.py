"""Real sequences, composed from the helper's networks as in notebook 07, against torch.nn: 200 random cases of each kind.

T, B, D, H and the lengths are all different; float64. An error is relative to the largest gradient of its case.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

sys.path.insert(0, str(Path(__file__).parent.parent))
import bptt_helpers as bh

CASES = 200
ACCEPTED = 1e-12
KINDS = {"RNN": torch.nn.RNN, "LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}
WEIGHTS = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]


# --- random cases -------------------------------------------------------------------------------------


def drawn_sizes(rng):
    """T, B, D, H, all different; B <= T, so that all lengths can differ, too."""
    sizes = [int(n) for n in rng.permutation(np.arange(2, 9))[:4]]
    steps, batch = max(sizes[:2]), min(sizes[:2])
    return steps, batch, sizes[2], sizes[3]


def drawn_lengths(rng, steps, batch):
    return rng.permutation(np.arange(1, steps + 1))[:batch]


def drawn_kind(rng):
    return [bh.RNN, bh.LSTM, bh.GRU][rng.integers(3)]


def drawn_state(rng, kind, *shape):
    """h, and c for an LSTM, as a list."""
    return [rng.normal(size=shape) for _ in range(2 if kind is bh.LSTM else 1)]


def as_state(arrays):
    return tuple(arrays) if len(arrays) == 2 else arrays[0]


def real_steps(steps, lengths):
    return (np.arange(steps)[:, None] < lengths)[:, :, None]


# --- composed from the helper's networks -------------------------------------------------------------


def reverse_within(x, lengths):
    turned = x.copy()
    for b, length in enumerate(lengths):
        turned[:length, b] = x[:length, b][::-1]
    return turned


def composed(nets, directions, x, first, lengths, grad_output, grad_last, turn=reverse_within):
    """Output and all gradients of layers with one or two directions; `nets` in PyTorch's order, lower layers first."""
    rows = np.arange(len(lengths))
    turned = [i % directions == 1 for i in range(len(nets))]
    layers = [range(i, i + directions) for i in range(0, len(nets), directions)]
    caches = []
    for layer in layers:
        outputs = []
        for i in layer:
            output, cache = nets[i].forward(turn(x, lengths) if turned[i] else x, as_state([a[i] for a in first]))
            outputs.append(turn(output, lengths) if turned[i] else output)
            caches.append(cache)
        x = np.concatenate(outputs, axis=2)
    grad, found = grad_output, [None] * len(nets)
    for layer in layers[::-1]:
        parts, grad = np.split(grad, directions, axis=2), 0
        for i, part in zip(layer, parts):
            part = turn(part, lengths) if turned[i] else part.copy()
            part[lengths - 1, rows] += grad_last[i]
            found[i] = nets[i].backward(part, caches[i])
            grad = grad + (turn(found[i].x, lengths) if turned[i] else found[i].x)
    gradients = {"x": grad, "h0": np.stack([f.h0 for f in found])}
    if len(first) == 2:
        gradients["c0"] = np.stack([f.c0 for f in found])
    gradients |= {f"{name} {i}": getattr(f, name) for i, f in enumerate(found) for name in WEIGHTS}
    return np.where(real_steps(len(x), lengths), x, 0), gradients


# --- the judge ----------------------------------------------------------------------------------------


def leaf(array):
    return torch.tensor(array, requires_grad=True)


def loaded(nets, **options):
    """torch.nn's module with the parameters of these networks."""
    hidden_size = nets[0].weight_hh.shape[1]
    module = KINDS[type(nets[0]).__name__](nets[0].weight_ih.shape[1], hidden_size, dtype=torch.float64, **options)
    with torch.no_grad():
        for places, net in zip(module.all_weights, nets):
            for place, name in zip(places, WEIGHTS):
                place.copy_(torch.tensor(getattr(net, name)))
    return module


def gradients_of(module):
    return {f"{name} {i}": place.grad for i, places in enumerate(module.all_weights) for name, place in zip(WEIGHTS, places)}


def packed_run(module, x, lengths, first):
    packed = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
    output, last = module(packed, as_state(first))
    output, _ = pad_packed_sequence(output, total_length=len(x))
    return output, last[0] if len(first) == 2 else last


def largest_error(ours, theirs):
    assert set(ours) == set(theirs)
    theirs = {name: t.detach().numpy() for name, t in theirs.items()}
    assert all(ours[name].shape == theirs[name].shape for name in ours)
    size = max(abs(t).max() for t in theirs.values())
    assert size > 0
    return max(abs(ours[name] - theirs[name]).max() for name in ours) / size


def error_of_composed(seed, layers, directions, turn=reverse_within):
    rng = np.random.default_rng(seed)
    steps, batch, input_size, hidden_size = drawn_sizes(rng)
    kind, lengths = drawn_kind(rng), drawn_lengths(rng, steps, batch)
    inputs = [input_size] * directions + [directions * hidden_size] * (directions * (layers - 1))
    nets = [kind.init(size, hidden_size, rng=rng) for size in inputs]
    x = rng.normal(size=(steps, batch, input_size))  # the padding holds numbers, too
    first = drawn_state(rng, kind, len(nets), batch, hidden_size)
    grad_output = rng.normal(size=(steps, batch, directions * hidden_size)) * real_steps(steps, lengths)
    grad_last = rng.normal(size=(len(nets), batch, hidden_size))
    output, ours = composed(nets, directions, x, first, lengths, grad_output, grad_last, turn)

    module = loaded(nets, num_layers=layers, bidirectional=directions == 2)
    x_leaf, first = leaf(x), [leaf(a) for a in first]
    expected, h_n = packed_run(module, x_leaf, lengths, first)
    ((expected * torch.tensor(grad_output)).sum() + (h_n * torch.tensor(grad_last)).sum()).backward()
    theirs = {"x": x_leaf.grad} | dict(zip(["h0", "c0"], [a.grad for a in first])) | gradients_of(module)
    apart = abs(output - expected.detach().numpy()).max()
    return max(largest_error(ours, theirs), apart)


# --- the tests ----------------------------------------------------------------------------------------


def worst(error_of, *options):
    return max(error_of([*error_of.__name__.encode(), *options, seed], *options) for seed in range(CASES))


def test_padded():
    assert worst(error_of_composed, 1, 1) <= ACCEPTED


def test_stacked():
    errors = [error_of_composed([21, seed], 2 + seed % 2, 1) for seed in range(CASES)]  # two or three layers
    assert max(errors) <= ACCEPTED


def test_bidirectional():
    errors = [error_of_composed([12, seed], 1 + seed % 2, 2) for seed in range(CASES)]  # one or two layers
    assert max(errors) <= ACCEPTED


def test_a_wrong_turn_is_seen():
    """The same comparison, with the whole array turned round; only batches that have padding can show it."""
    errors = [error_of_composed(seed, 1, 2, turn=lambda x, lengths: x[::-1].copy()) for seed in range(20)]
    assert min(errors) > 1e-3


def error_of_chunked(seed, connected):
    """The state handed on; the gradient handed back (one sequence in one piece), or not (torch's detach)."""
    rng = np.random.default_rng(seed)
    steps, batch, input_size, hidden_size = drawn_sizes(rng)
    kind = drawn_kind(rng)
    net = kind.init(input_size, hidden_size, rng=rng)
    cuts = sorted(rng.permutation(np.arange(1, steps))[: rng.integers(1, steps)])
    x = rng.normal(size=(steps, batch, input_size))
    grad_output = rng.normal(size=(steps, batch, hidden_size))
    first = drawn_state(rng, kind, batch, hidden_size)

    now, caches = first, []
    for part in np.split(x, cuts):
        cache = net.forward(part, as_state(now))[1]
        now = [cache.states[-1], cache.cells[-1]] if kind is bh.LSTM else [cache.states[-1]]
        caches.append(cache)
    carry, found = {}, []
    for part, cache in zip(np.split(grad_output, cuts)[::-1], caches[::-1]):
        found.insert(0, net.backward(part, cache, **carry))
        if connected:
            carry = {"grad_h_n": found[0].h0} | ({"grad_c_n": found[0].c0} if kind is bh.LSTM else {})
    ours = {"x": np.concatenate([f.x for f in found]), "h0": found[0].h0}
    if kind is bh.LSTM:
        ours["c0"] = found[0].c0
    ours |= {f"{name} 0": sum(getattr(f, name) for f in found) for name in WEIGHTS}

    module, x_leaf, first = loaded([net]), leaf(x), [leaf(a) for a in first]
    now, outputs = [a[None] for a in first], []
    for part in torch.split(x_leaf, np.diff([0, *cuts, steps]).tolist()) if not connected else [x_leaf]:
        output, last = module(part, as_state(now))
        now = [a.detach() for a in (last if len(first) == 2 else [last])]
        outputs.append(output)
    torch.cat(outputs).backward(torch.tensor(grad_output))
    theirs = {"x": x_leaf.grad} | dict(zip(["h0", "c0"], [a.grad for a in first])) | gradients_of(module)
    return largest_error(ours, theirs)


@pytest.mark.parametrize("connected", [True, False])
def test_chunked(connected):
    assert worst(error_of_chunked, connected) <= ACCEPTED


def error_of_learned_start(seed):
    """One first state for the whole batch, which is padded."""
    rng = np.random.default_rng(seed)
    steps, batch, input_size, hidden_size = drawn_sizes(rng)
    kind, lengths = drawn_kind(rng), drawn_lengths(rng, steps, batch)
    net = kind.init(input_size, hidden_size, rng=rng)
    x = rng.normal(size=(steps, batch, input_size))
    grad_output = rng.normal(size=(steps, batch, hidden_size)) * real_steps(steps, lengths)
    start = drawn_state(rng, kind, hidden_size)

    cache = net.forward(x, as_state([np.tile(a, (batch, 1)) for a in start]))[1]
    found = net.backward(grad_output, cache)
    ours = {"x": found.x, "h": found.h0.sum(axis=0)} | ({"c": found.c0.sum(axis=0)} if kind is bh.LSTM else {})
    ours |= {f"{name} 0": getattr(found, name) for name in WEIGHTS}

    module, x_leaf, start = loaded([net]), leaf(x), [leaf(a) for a in start]
    output, _ = packed_run(module, x_leaf, lengths, [a.expand(1, batch, -1).contiguous() for a in start])
    output.backward(torch.tensor(grad_output))
    theirs = {"x": x_leaf.grad} | dict(zip("hc", [a.grad for a in start])) | gradients_of(module)
    return largest_error(ours, theirs)


def test_learned_start():
    assert worst(error_of_learned_start) <= ACCEPTED


def error_of_tied(seed):
    """One table (V, H) for the input and for the scores; words occur several times; padded."""
    rng = np.random.default_rng(seed)
    steps, batch, words, hidden_size = drawn_sizes(rng)
    kind, lengths = drawn_kind(rng), drawn_lengths(rng, steps, batch)
    net = kind.init(hidden_size, hidden_size, rng=rng)
    table = rng.normal(size=(words, hidden_size))
    ids = rng.integers(0, words, size=(steps, batch))
    grad_scores = rng.normal(size=(steps, batch, words)) * real_steps(steps, lengths)

    output, cache = net.forward(table[ids])
    found = net.backward(grad_scores @ table, cache)
    grad_table = np.einsum("tbv,tbh->vh", grad_scores, output)
    np.add.at(grad_table, ids, found.x)
    ours = {"table": grad_table} | {f"{name} 0": getattr(found, name) for name in WEIGHTS}

    module, table = loaded([net]), leaf(table)
    x = torch.nn.functional.embedding(torch.tensor(ids), table)
    zeros = [torch.zeros(1, batch, hidden_size, dtype=torch.float64)] * (2 if kind is bh.LSTM else 1)
    output, _ = packed_run(module, x, lengths, zeros)
    torch.nn.functional.linear(output, table).backward(torch.tensor(grad_scores))
    return largest_error(ours, {"table": table.grad} | gradients_of(module))


def test_tied():
    assert worst(error_of_tied) <= ACCEPTED
