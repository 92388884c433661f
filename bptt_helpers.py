"""Back-propagation through time (BPTT, 随时间反向传播) by hand, in NumPy.

The helper module of the notebook series. Names, shapes and the order of the arguments are PyTorch's,
so that a reader of `torch.nn.RNN` can read this too:

* sequences are time-major: ``x`` is (T, B, D), ``output`` is (T, B, H), a state is (B, H);
* ``weight_hh`` is the textbook's U, ``weight_ih`` its W, and ``bias_ih + bias_hh`` its b;
* `RNN.forward` returns what `RNN.backward` needs as an explicit cache; nothing is hidden in the object.

T: steps of time, B: batch, D: input size, H: hidden size. In code a state is a row of a batch, so the
textbook's column formula ``U h`` reads ``h @ weight_hh.T``.

Equation numbers are those of Qiu Xipeng (邱锡鹏), Neural Networks and Deep Learning (神经网络与深度学习),
2020, ISBN 978-7-111-64968-7, chapter 6.
"""

import contextlib
import io
import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np


# --- activations -------------------------------------------------------------------------------------


def _sigmoid(z, out=None):
    with np.errstate(over="ignore"):  # exp(-z) may become inf: 1 / inf = 0 is the right answer
        out = np.exp(np.negative(z, out=out), out=out)
    return np.reciprocal(np.add(out, 1, out=out), out=out)


def _relu(z, out=None):
    return np.maximum(z, 0, out=out)


def _identity(z, out=None):
    return np.positive(z, out=out)


def _tanh_prime(h, out=None):
    return np.subtract(1, np.multiply(h, h, out=out), out=out)


def _sigmoid_prime(h, out=None):
    return np.subtract(h, np.multiply(h, h, out=out), out=out)


def _identity_prime(h, out=None):
    return np.power(h, 0, out=out)


# name: (f(z), f'(z) written with the output h = f(z), so that z need not be stored).
# The derivative of relu is 1 where h > 0 and else 0, at 0 as well (PyTorch's choice): the sign of h.
NONLINEARITIES = {
    "tanh": (np.tanh, _tanh_prime),
    "relu": (_relu, np.sign),
    "sigmoid": (_sigmoid, _sigmoid_prime),
    "identity": (_identity, _identity_prime),
}


# --- checks of the arguments -------------------------------------------------------------------------


def _check_array(name, value, shape, dtype=None):
    """Raise unless `value` is a float array of `shape`; a letter in `shape` stands for any size from 1."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name}: expected a NumPy array, got {type(value).__name__}")
    if value.dtype.char not in "fd":
        raise TypeError(f"{name}: expected dtype float32 or float64, got {value.dtype}")
    if dtype is not None and value.dtype != dtype:
        raise TypeError(f"{name}: expected dtype {dtype}, as the weights have, got {value.dtype}")
    if value.shape == shape:
        return
    fits = [isinstance(want, str) or want == got for want, got in zip(shape, value.shape)]
    if value.ndim != len(shape) or not all(fits) or value.size == 0:
        wanted = ", ".join(str(size) for size in shape) + ("," if len(shape) == 1 else "")
        sizes = ", every size at least 1" if value.size == 0 else ""
        raise ValueError(f"{name}: expected shape ({wanted}){sizes}, got {value.shape}")


def _check_kind(name, value, kind):
    """Raise unless `value` is an instance of the class `kind`."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__.startswith(("RNN", "LSTM")) else "a"
        raise TypeError(f"{name}: expected {article} {kind.__name__}, got {type(value).__name__}")


def _check_positive(name, value):
    """Raise unless `value` is one positive number; NaN is none."""
    if not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{name}: expected a positive number, got {type(value).__name__}")
    if not value > 0:
        raise ValueError(f"{name}: expected a positive number, got {value}")


def _checked_parameters(weight_ih, weight_hh, bias_ih, bias_hh, gates=1):
    """Copies of the parameters, H rows a gate; raise if their shapes or dtypes do not fit each other."""
    _check_array("weight_hh", weight_hh, ("H" if gates == 1 else f"{gates}H", "H"))
    (_, hidden_size), dtype = weight_hh.shape, weight_hh.dtype
    rows = gates * hidden_size
    _check_array("weight_hh", weight_hh, (rows, hidden_size))
    _check_array("weight_ih", weight_ih, (rows, "D"), dtype)
    for name, bias in [("bias_ih", bias_ih), ("bias_hh", bias_hh)]:
        if bias is not None:
            _check_array(name, bias, (rows,), dtype)
    return [None if p is None else p.copy() for p in (weight_ih, weight_hh, bias_ih, bias_hh)]


def _checked_nonlinearity(nonlinearity):
    if not isinstance(nonlinearity, str) or nonlinearity not in NONLINEARITIES:
        raise ValueError(f"nonlinearity: expected one of {list(NONLINEARITIES)}, got {nonlinearity!r}")
    return nonlinearity


def _check_sequence(network, x, **states):
    """Raise unless `x` is (T, B, D) and each state (B, H) or None, in the dtype of the weights."""
    dtype = network.weight_hh.dtype
    _check_array("x", x, ("T", "B", network.weight_ih.shape[1]), dtype)
    for name, state in states.items():
        if state is not None:
            _check_array(name, state, (x.shape[1], network.weight_hh.shape[1]), dtype)


def _check_backward(network, cache, kind, grad_output, **grads):
    """Raise unless the cache is of this kind and network, and the upstream gradients fit to it."""
    _check_kind("cache", cache, kind)
    if cache.network is not network:
        raise ValueError("cache: expected one made by this network's forward, got another network's")
    output = cache.states[1:]
    _check_array("grad_output", grad_output, output.shape, output.dtype)
    for name, grad in grads.items():
        if grad is not None:
            _check_array(name, grad, output[0].shape, output.dtype)


def _drawn_parameters(input_size, hidden_size, gates, bias, rng, dtype):
    """Parameters from uniform(-1/sqrt(H), 1/sqrt(H)), H rows a gate."""
    for name, size in [("input_size", input_size), ("hidden_size", hidden_size)]:
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
            raise ValueError(f"{name}: expected a whole number of at least 1, got {size!r}")
    _check_kind("rng", rng, np.random.Generator)
    rows, bound = gates * hidden_size, 1 / np.sqrt(hidden_size)
    shapes = [(rows, input_size), (rows, hidden_size)] + [(rows,)] * (2 if bias else 0)
    return [rng.uniform(-bound, bound, shape).astype(dtype) for shape in shapes]


def _torch_parameters(module, kind):
    """The parameters of a torch module of this kind, as arrays; raise if it is more than one plain layer."""
    import torch

    if not isinstance(module, getattr(torch.nn, kind)):
        raise TypeError(f"module: expected a torch.nn.{kind}, got {type(module).__name__}")
    for name, wanted in [("num_layers", 1), ("bidirectional", False), ("batch_first", False), ("proj_size", 0)]:
        if getattr(module, name) != wanted:
            raise ValueError(f"module: expected {name}={wanted}, got {name}={getattr(module, name)}")
    return [p.detach().cpu().numpy() for p in module.parameters()]


def _total_bias(bias_ih, bias_hh):
    """b = bias_ih + bias_hh, where a missing bias is zero."""
    return sum(bias for bias in (bias_ih, bias_hh) if bias is not None)


def _summed_gradients(network, cache, deltas):
    """The gradients of x, weights and biases from all dL/dz, one product each: the sums over time and batch."""
    x, before = cache.x, cache.states[:-1]
    (steps, batch, input_size), hidden_size = x.shape, before.shape[2]
    flat = deltas.reshape(steps * batch, len(network.weight_hh))
    grad_bias = np.ones(len(flat), flat.dtype) @ flat  # the sum of the rows, as a product: faster
    return {
        "x": (flat @ network.weight_ih).reshape(x.shape),
        "weight_ih": flat.T @ x.reshape(steps * batch, input_size),
        "weight_hh": flat.T @ before.reshape(steps * batch, hidden_size),
        "bias_ih": None if network.bias_ih is None else grad_bias,
        "bias_hh": None if network.bias_hh is None else grad_bias.copy(),
    }


# --- the simple recurrent network --------------------------------------------------------------------


class Gradients(NamedTuple):
    """The derivative of one loss with respect to each input and parameter, in the shape of each.

    `None` stands for what was not computed or does not exist (a bias that the network does not have).
    """

    x: np.ndarray  # (T, B, D)
    h0: np.ndarray  # (B, H)
    weight_ih: np.ndarray  # (H, D)
    weight_hh: np.ndarray  # (H, H)
    bias_ih: np.ndarray  # (H,)
    bias_hh: np.ndarray  # (H,)


class CellCache(NamedTuple):
    """What `RNNCell.backward` needs to know about one step forward."""

    x: np.ndarray  # (B, D)
    h_prev: np.ndarray  # (B, H)
    h: np.ndarray  # (B, H)


class RNNCell:
    """One step of the simple recurrent network, written to be read (the fast one is `RNN`).

    Parameters
    ----------
    weight_ih : ndarray, shape (H, D)
        The input-to-state matrix W.
    weight_hh : ndarray, shape (H, H)
        The state-to-state matrix U.
    bias_ih, bias_hh : ndarray, shape (H,), optional
        The bias b is their sum; a missing one is zero. Arrays are copied.
    nonlinearity : {"tanh", "relu", "sigmoid", "identity"}
        The activation f.

    Raises
    ------
    TypeError, ValueError
        As for `RNN`.

    Notes
    -----
    Equations (6.5) and (6.6) forward, one step of (6.36) backward.

    Examples
    --------
    >>> cell = RNNCell(np.array([[0.5]]), np.array([[0.8]]), nonlinearity="identity")
    >>> h, cache = cell.forward(np.array([[2.0]]), np.array([[10.0]]))
    >>> h
    array([[9.]])
    >>> step = cell.backward(np.array([[1.0]]), cache)
    >>> step.weight_hh, step.weight_ih, step.h0, step.x
    (array([[10.]]), array([[2.]]), array([[0.8]]), array([[0.5]]))
    >>> rnn, x, h0, _, grad_h = random_case(np.random.default_rng(0))  # one step of it is what the cell does
    >>> cell = RNNCell(rnn.weight_ih, rnn.weight_hh, rnn.bias_ih, rnn.bias_hh)
    >>> step = cell.backward(grad_h, cell.forward(x[0], h0)[1])
    >>> compare_gradients(step._replace(x=step.x[None]), rnn.backward(grad_h[None], rnn.forward(x[:1], h0)[1]))
    x          (1, 4, 7)  agrees (relative error <= 1e-10)
    h0         (4, 6)     agrees (relative error <= 1e-10)
    weight_ih  (6, 7)     agrees (relative error <= 1e-10)
    weight_hh  (6, 6)     agrees (relative error <= 1e-10)
    bias_ih    (6,)       agrees (relative error <= 1e-10)
    bias_hh    (6,)       agrees (relative error <= 1e-10)
    """

    def __init__(self, weight_ih, weight_hh, bias_ih=None, bias_hh=None, *, nonlinearity="tanh"):
        parameters = _checked_parameters(weight_ih, weight_hh, bias_ih, bias_hh)
        self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh = parameters
        self.nonlinearity = _checked_nonlinearity(nonlinearity)

    def forward(self, x, h_prev):
        """Return h_t (B, H) and the cache, from x_t (B, D) and h_{t-1} (B, H)."""
        hidden_size, input_size = self.weight_ih.shape
        _check_array("x", x, ("B", input_size), self.weight_ih.dtype)
        _check_array("h_prev", h_prev, (len(x), hidden_size), self.weight_ih.dtype)
        f, _ = NONLINEARITIES[self.nonlinearity]
        z = h_prev @ self.weight_hh.T + x @ self.weight_ih.T + _total_bias(self.bias_ih, self.bias_hh)
        h = f(z)
        return h, CellCache(x, h_prev, h)

    def backward(self, grad_h, cache):
        """Return the `Gradients` of this one step, from dL/dh_t (B, H); `h0` is the one for h_{t-1}."""
        _check_kind("cache", cache, CellCache)
        _check_array("grad_h", grad_h, cache.h.shape, self.weight_ih.dtype)
        _, f_prime = NONLINEARITIES[self.nonlinearity]
        delta = grad_h * f_prime(cache.h)  # dL/dz_t
        grad_bias = delta.sum(axis=0)
        return Gradients(
            x=delta @ self.weight_ih,
            h0=delta @ self.weight_hh,
            weight_ih=delta.T @ cache.x,
            weight_hh=delta.T @ cache.h_prev,
            bias_ih=None if self.bias_ih is None else grad_bias,
            bias_hh=None if self.bias_hh is None else grad_bias.copy(),
        )


class RNNCache(NamedTuple):
    """What `RNN.backward` needs to know about one pass forward. It holds `x` itself, not a copy."""

    x: np.ndarray  # (T, B, D)
    states: np.ndarray  # (T + 1, B, H): h_0, h_1, ..., h_T
    network: "RNN"


class RNN:
    """The simple recurrent network h_t = f(U h_{t-1} + W x_t + b) over a whole sequence, equation (6.7).

    Parameters
    ----------
    weight_ih : ndarray, shape (H, D)
        The input-to-state matrix W, float32 or float64.
    weight_hh : ndarray, shape (H, H)
        The state-to-state matrix U, of the same dtype.
    bias_ih, bias_hh : ndarray, shape (H,), optional
        The bias b is their sum; a missing one is zero. Arrays are copied.
    nonlinearity : {"tanh", "relu", "sigmoid", "identity"}
        The activation f. PyTorch has the first two.

    Raises
    ------
    TypeError
        If an array is not a NumPy array, not float32 or float64, or of another dtype than the weights.
    ValueError
        If a shape does not fit, a sequence is empty, or the nonlinearity is unknown.

    Examples
    --------
    >>> rnn = RNN(np.array([[1.0]]), np.array([[0.5]]), nonlinearity="identity")
    >>> x = np.array([1.0, 0.0, 0.0]).reshape(3, 1, 1)  # T = 3, B = 1, D = 1
    >>> output, cache = rnn.forward(x)
    >>> output.ravel()
    array([1.  , 0.5 , 0.25])
    >>> gradients = rnn.backward(np.ones((3, 1, 1)), cache)  # L = h_1 + h_2 + h_3
    >>> gradients.x.ravel(), gradients.weight_hh.item()
    (array([1.75, 1.5 , 1.  ]), 2.0)
    >>> RNN(np.ones((5, 3)), np.ones((5, 5)), nonlinearity="cos")
    Traceback (most recent call last):
    ValueError: nonlinearity: expected one of ['tanh', 'relu', 'sigmoid', 'identity'], got 'cos'
    """

    def __init__(self, weight_ih, weight_hh, bias_ih=None, bias_hh=None, *, nonlinearity="tanh"):
        parameters = _checked_parameters(weight_ih, weight_hh, bias_ih, bias_hh)
        self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh = parameters
        self.nonlinearity = _checked_nonlinearity(nonlinearity)

    @classmethod
    def init(cls, input_size, hidden_size, *, bias=True, rng, dtype=np.float64, nonlinearity="tanh"):
        """Draw every parameter from uniform(-1/sqrt(H), 1/sqrt(H)), as torch.nn.RNN does.

        Parameters
        ----------
        input_size, hidden_size : int, at least 1
        bias : bool
            Whether the network has bias_ih and bias_hh.
        rng : numpy.random.Generator
        dtype : float32 or float64
        nonlinearity : str
            As for `RNN`.

        Examples
        --------
        >>> rnn = RNN.init(3, 4, rng=np.random.default_rng(0))
        >>> rnn.weight_ih.shape, rnn.weight_hh.shape, rnn.bias_ih.shape, rnn.bias_hh.shape
        ((4, 3), (4, 4), (4,), (4,))
        >>> bool(0.45 < abs(RNN.init(3, 4, rng=np.random.default_rng(0)).weight_hh).max() < 0.5)
        True
        >>> RNN.init(3, 4, bias=False, rng=np.random.default_rng(0)).bias_ih is None
        True
        """
        parameters = _drawn_parameters(input_size, hidden_size, 1, bias, rng, dtype)
        return cls(*parameters, nonlinearity=nonlinearity)

    @classmethod
    def from_torch(cls, module):
        """Copy a one-layer, one-direction, time-major torch.nn.RNN.

        Examples
        --------
        >>> import torch
        >>> RNN.from_torch(torch.nn.RNN(3, 4, nonlinearity="relu")).nonlinearity
        'relu'
        >>> RNN.from_torch(torch.nn.RNN(3, 4, num_layers=2))
        Traceback (most recent call last):
        ValueError: module: expected num_layers=1, got num_layers=2
        """
        return cls(*_torch_parameters(module, "RNN"), nonlinearity=module.nonlinearity)

    def forward(self, x, state=None):
        """Run the network over a sequence, equation (6.7) for t = 1 ... T.

        Parameters
        ----------
        x : ndarray, shape (T, B, D)
        state : ndarray, shape (B, H), optional
            h_0; zeros if missing.

        Returns
        -------
        output : ndarray, shape (T, B, H)
            h_1 ... h_T: a read-only view of the cache's states (copy it to change it).
        cache : RNNCache
            For `backward`. It refers to `x`: do not change `x` in between.

        Raises
        ------
        TypeError, ValueError
            As for `RNN`. NaN is not an error: it passes through, as in NumPy.

        Examples
        --------
        >>> rnn = RNN.init(3, 4, rng=np.random.default_rng(0))
        >>> output, cache = rnn.forward(np.ones((5, 2, 3)))
        >>> output.shape, output.flags.writeable
        ((5, 2, 4), False)
        >>> rnn.forward(np.ones((2, 3)))
        Traceback (most recent call last):
        ValueError: x: expected shape (T, B, 3), got (2, 3)
        """
        _check_sequence(self, x, state=state)
        (steps, batch, input_size), hidden_size, dtype = x.shape, len(self.weight_hh), x.dtype
        f, _ = NONLINEARITIES[self.nonlinearity]

        states = np.empty((steps + 1, batch, hidden_size), dtype)
        states[0] = 0 if state is None else state
        output = states[1:]
        rows = steps * batch
        np.matmul(x.reshape(rows, input_size), self.weight_ih.T, out=output.reshape(rows, hidden_size))
        output += _total_bias(self.bias_ih, self.bias_hh)
        recurrent, weight_hh_t = np.empty((batch, hidden_size), dtype), self.weight_hh.T.copy()
        h = states[0]
        for z in output:  # z holds W x_t + b; it becomes z_t, then h_t, in place
            np.matmul(h, weight_hh_t, out=recurrent)
            z += recurrent
            h = f(z, out=z)
        output.flags.writeable = False
        return output, RNNCache(x, states, self)

    def backward(self, grad_output, cache, *, grad_h_n=None):
        """Back-propagation through time in one pass: delta_k = f'(z_k) * (dL/dh_k + U^T delta_{k+1}).

        Parameters
        ----------
        grad_output : ndarray, shape (T, B, H)
            The derivative of the loss with respect to `output`, without the paths through later states.
        cache : RNNCache
            From `forward` of this network. It is not changed: `backward` may be called again.
        grad_h_n : ndarray, shape (B, H), optional
            An additional derivative for the last state h_T.

        Returns
        -------
        Gradients
            Summed over time and batch, (6.39)-(6.41); also for x and h_0.

        Raises
        ------
        TypeError, ValueError
            As for `RNN`; also if the cache is not one of this network.

        Examples
        --------
        >>> rnn, other = (RNN.init(3, 4, rng=np.random.default_rng(seed)) for seed in (0, 1))
        >>> output, cache = rnn.forward(np.ones((5, 2, 3)))
        >>> rnn.backward(np.ones((5, 2, 4)), output)
        Traceback (most recent call last):
        TypeError: cache: expected an RNNCache, got ndarray
        """
        _check_backward(self, cache, RNNCache, grad_output, grad_h_n=grad_h_n)
        output, (_, f_prime) = cache.states[1:], NONLINEARITIES[self.nonlinearity]

        deltas = f_prime(output, out=np.empty(output.shape, output.dtype))
        grad_h = np.zeros_like(output[0]) if grad_h_n is None else grad_h_n.copy()
        for delta, grad_loss in zip(deltas[::-1], grad_output[::-1]):
            grad_h += grad_loss  # dL/dh_k: the loss of this step and all later steps
            delta *= grad_h  # dL/dz_k
            np.matmul(delta, self.weight_hh, out=grad_h)  # handed on to h_{k-1}

        return Gradients(h0=grad_h, **_summed_gradients(self, cache, deltas))


# --- gated networks ----------------------------------------------------------------------------------


class LSTMGradients(NamedTuple):
    """As `Gradients`, with the derivative by the initial cell c_0; the rows of a weight are i, f, g, o."""

    x: np.ndarray  # (T, B, D)
    h0: np.ndarray  # (B, H)
    c0: np.ndarray  # (B, H)
    weight_ih: np.ndarray  # (4H, D)
    weight_hh: np.ndarray  # (4H, H)
    bias_ih: np.ndarray  # (4H,)
    bias_hh: np.ndarray  # (4H,)


class LSTMCache(NamedTuple):
    """What `LSTM.backward` needs to know about one pass forward. It holds `x` itself, not a copy."""

    x: np.ndarray  # (T, B, D)
    states: np.ndarray  # (T + 1, B, H): h_0, h_1, ..., h_T
    cells: np.ndarray  # (T + 1, B, H): c_0, c_1, ..., c_T
    gates: np.ndarray  # (T, B, 4, H): i_t, f_t, the candidate g_t, o_t
    network: "LSTM"


class LSTM:
    """Long short-term memory (LSTM, 长短期记忆网络) over a whole sequence, equations (6.51)-(6.59).

    With i, f, o the input, forget and output gate and g the candidate (the textbook's c~), in PyTorch's order::

        i_t = sigmoid(W_i x_t + U_i h_{t-1} + b_i)      f_t, o_t alike      g_t = tanh(W_g x_t + U_g h_{t-1} + b_g)
        c_t = f_t * c_{t-1} + i_t * g_t                 h_t = o_t * tanh(c_t)

    Parameters
    ----------
    weight_ih : ndarray, shape (4H, D)
        W_i, W_f, W_g, W_o below each other, float32 or float64.
    weight_hh : ndarray, shape (4H, H)
        U_i, U_f, U_g, U_o, of the same dtype.
    bias_ih, bias_hh : ndarray, shape (4H,), optional
        The biases are their sum; a missing one is zero. Arrays are copied.

    Raises
    ------
    TypeError, ValueError
        As for `RNN`.

    References
    ----------
    Hochreiter, Schmidhuber (1997), Long short-term memory, DOI 10.1162/neco.1997.9.8.1735; the forget gate is
    due to Gers, Schmidhuber, Cummins (2000), Learning to forget, DOI 10.1162/089976600300015015.

    Examples
    --------
    >>> closed, half = -50.0, 0.0  # what a gate gets: sigmoid(-50) is about 0, sigmoid(0) is 1/2
    >>> lstm = LSTM(np.zeros((4, 1)), np.zeros((4, 1)), np.array([closed, half, 0.0, half]))
    >>> output, cache = lstm.forward(np.ones((3, 1, 1)), (np.zeros((1, 1)), np.full((1, 1), 8.0)))
    >>> cache.cells.ravel()  # nothing new comes in, half of the old is forgotten at each step
    array([8., 4., 2., 1.])
    >>> np.array_equal(output, cache.gates[:, :, 3] * np.tanh(cache.cells[1:]))
    True
    """

    def __init__(self, weight_ih, weight_hh, bias_ih=None, bias_hh=None):
        parameters = _checked_parameters(weight_ih, weight_hh, bias_ih, bias_hh, gates=4)
        self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh = parameters

    @classmethod
    def init(cls, input_size, hidden_size, *, bias=True, rng, dtype=np.float64):
        """Draw every parameter from uniform(-1/sqrt(H), 1/sqrt(H)), as torch.nn.LSTM does; see `RNN.init`.

        Examples
        --------
        >>> lstm = LSTM.init(3, 5, rng=np.random.default_rng(0))
        >>> lstm.weight_ih.shape, lstm.weight_hh.shape, lstm.bias_ih.shape, lstm.bias_hh.shape
        ((20, 3), (20, 5), (20,), (20,))
        >>> LSTM.init(3, 5, bias=False, rng=np.random.default_rng(0)).bias_hh is None
        True
        """
        return cls(*_drawn_parameters(input_size, hidden_size, 4, bias, rng, dtype))

    @classmethod
    def from_torch(cls, module):
        """Copy a one-layer, one-direction, time-major torch.nn.LSTM without projection.

        Examples
        --------
        >>> import torch
        >>> LSTM.from_torch(torch.nn.LSTM(3, 4)).weight_hh.shape
        (16, 4)
        """
        return cls(*_torch_parameters(module, "LSTM"))

    def forward(self, x, state=None):
        """Run the network over a sequence.

        Parameters
        ----------
        x : ndarray, shape (T, B, D)
        state : tuple of two ndarrays, shape (B, H), optional
            (h_0, c_0); zeros if missing.

        Returns
        -------
        output : ndarray, shape (T, B, H)
            h_1 ... h_T: a read-only view of the cache's states (copy it to change it).
        cache : LSTMCache
            For `backward`. It refers to `x`: do not change `x` in between. The last state and cell are
            ``cache.states[-1]`` and ``cache.cells[-1]``.

        Raises
        ------
        TypeError, ValueError
            As for `RNN.forward`.

        Examples
        --------
        >>> lstm = LSTM.init(3, 4, rng=np.random.default_rng(0))
        >>> output, cache = lstm.forward(np.ones((5, 2, 3)))
        >>> output.shape, cache.cells.shape, output.flags.writeable
        ((5, 2, 4), (6, 2, 4), False)
        >>> lstm.forward(np.ones((5, 2, 3)), np.zeros((2, 4)))
        Traceback (most recent call last):
        TypeError: state: expected a pair (h0, c0), got ndarray
        """
        if state is not None and not (isinstance(state, tuple) and len(state) == 2):
            raise TypeError(f"state: expected a pair (h0, c0), got {type(state).__name__}")
        h0, c0 = (None, None) if state is None else state
        _check_sequence(self, x, h0=h0, c0=c0)
        (steps, batch, input_size), hidden_size = x.shape, self.weight_hh.shape[1]
        dtype = x.dtype

        states, cells = (np.empty((steps + 1, batch, hidden_size), dtype) for _ in range(2))
        states[0] = 0 if h0 is None else h0
        cells[0] = 0 if c0 is None else c0
        gates = np.empty((steps, batch, 4, hidden_size), dtype)
        stacked = gates.reshape(steps, batch, 4 * hidden_size)  # the same memory as `gates`, as are i, f, g, o
        rows = steps * batch
        np.matmul(x.reshape(rows, input_size), self.weight_ih.T, out=stacked.reshape(rows, 4 * hidden_size))
        stacked += _total_bias(self.bias_ih, self.bias_hh)
        recurrent, weight_hh_t = np.empty(stacked[0].shape, dtype), self.weight_hh.T.copy()
        h, c, fresh = states[0], cells[0], np.empty((batch, hidden_size), dtype)
        for z, (i, f, g, o), c_next, h_next in zip(stacked, np.moveaxis(gates, 2, 1), cells[1:], states[1:]):
            np.matmul(h, weight_hh_t, out=recurrent)
            z += recurrent
            np.tanh(g, out=fresh)
            _sigmoid(z, out=z)  # of g too, in vain: one pass over all is faster than one over the other three
            g[...] = fresh
            fresh *= i
            np.multiply(f, c, out=c_next)
            c_next += fresh
            np.tanh(c_next, out=h_next)
            h_next *= o
            h, c = h_next, c_next
        output = states[1:]
        output.flags.writeable = False
        return output, LSTMCache(x, states, cells, gates, self)

    def backward(self, grad_output, cache, *, grad_h_n=None, grad_c_n=None):
        """Back-propagation through time in one pass, along h and along c.

        Parameters
        ----------
        grad_output : ndarray, shape (T, B, H)
            The derivative of the loss with respect to `output`, without the paths through later states.
        cache : LSTMCache
            From `forward` of this network. It is not changed: `backward` may be called again.
        grad_h_n, grad_c_n : ndarray, shape (B, H), optional
            Additional derivatives for the last state h_T and the last cell c_T.

        Returns
        -------
        LSTMGradients

        Raises
        ------
        TypeError, ValueError
            As for `RNN.backward`.

        Examples
        --------
        >>> lstm, x, state, grad_output, grad_h_n, grad_c_n = random_case(np.random.default_rng(0), LSTM)
        >>> _, cache = lstm.forward(x, state)
        >>> ours = lstm.backward(grad_output, cache, grad_h_n=grad_h_n, grad_c_n=grad_c_n)
        >>> torchs = autograd_gradients(lstm, x, grad_output, state, grad_h_n=grad_h_n, grad_c_n=grad_c_n)
        >>> compare_gradients(ours, torchs, rtol=1e-12)
        x          (5, 4, 7)  agrees (relative error <= 1e-12)
        h0         (4, 6)     agrees (relative error <= 1e-12)
        c0         (4, 6)     agrees (relative error <= 1e-12)
        weight_ih  (24, 7)    agrees (relative error <= 1e-12)
        weight_hh  (24, 6)    agrees (relative error <= 1e-12)
        bias_ih    (24,)      agrees (relative error <= 1e-12)
        bias_hh    (24,)      agrees (relative error <= 1e-12)
        """
        _check_backward(self, cache, LSTMCache, grad_output, grad_h_n=grad_h_n, grad_c_n=grad_c_n)
        i, f, g, o = np.moveaxis(cache.gates, 2, 0)
        tanh_c = np.tanh(cache.cells[1:])

        # first, for all steps at once: the factors that do not depend on the later steps
        deltas = _sigmoid_prime(cache.gates, out=np.empty_like(cache.gates))
        delta_i, delta_f, delta_g, delta_o = np.moveaxis(deltas, 2, 0)
        stacked = deltas.reshape(*deltas.shape[:2], 4 * i.shape[2])  # the same memory
        delta_i *= g
        delta_f *= cache.cells[:-1]
        _tanh_prime(g, out=delta_g)
        delta_g *= i
        delta_o *= tanh_c
        h_to_c = _tanh_prime(tanh_c, out=tanh_c)  # dh_t/dc_t
        h_to_c *= o

        # then the recursion: it makes each of the factors a dL/dz
        grad_h = np.zeros_like(tanh_c[0]) if grad_h_n is None else grad_h_n.copy()
        grad_c = np.zeros_like(tanh_c[0]) if grad_c_n is None else grad_c_n.copy()
        for t in reversed(range(len(deltas))):
            grad_h += grad_output[t]  # dL/dh_t: the loss of this step and all later steps
            h_to_c[t] *= grad_h
            grad_c += h_to_c[t]  # dL/dc_t: what came along the cells, and what comes through h_t
            deltas[t, :, :3] *= grad_c[:, None]
            delta_o[t] *= grad_h
            np.matmul(stacked[t], self.weight_hh, out=grad_h)  # handed on to h_{t-1}
            grad_c *= f[t]  # handed on to c_{t-1}, the direct path
        return LSTMGradients(h0=grad_h, c0=grad_c, **_summed_gradients(self, cache, deltas))


class GRUCache(NamedTuple):
    """What `GRU.backward` needs to know about one pass forward. It holds `x` itself, not a copy."""

    x: np.ndarray  # (T, B, D)
    states: np.ndarray  # (T + 1, B, H): h_0, h_1, ..., h_T
    gates: np.ndarray  # (T, B, 3, H): r_t, z_t, the candidate n_t
    inner: np.ndarray  # (T, B, H): U_n h_{t-1} + b_hn; r_t * h_{t-1} if the reset gate comes first
    network: "GRU"


class GRU:
    """The gated recurrent unit (GRU, 门控循环单元) over a whole sequence, equations (6.66)-(6.69).

    With the reset gate r, the update gate z and the candidate n (the textbook's h~), in PyTorch's order::

        r_t = sigmoid(W_r x_t + U_r h_{t-1} + b_r)      z_t alike
        n_t = tanh(W_n x_t + U_n (r_t * h_{t-1}) + b_n)                      reset_after=False, the textbook's
        n_t = tanh(W_n x_t + b_in + r_t * (U_n h_{t-1} + b_hn))              reset_after=True, PyTorch's
        h_t = z_t * h_{t-1} + (1 - z_t) * n_t

    Parameters
    ----------
    weight_ih : ndarray, shape (3H, D)
        W_r, W_z, W_n below each other, float32 or float64.
    weight_hh : ndarray, shape (3H, H)
        U_r, U_z, U_n, of the same dtype.
    bias_ih, bias_hh : ndarray, shape (3H,), optional
        A missing one is zero. Arrays are copied. With `reset_after`, b_hn stands inside the reset gate: there
        the two biases are not the same thing twice.
    reset_after : bool
        Whether the reset gate is applied after the recurrent product (a different model, not a detail).

    Raises
    ------
    TypeError, ValueError
        As for `RNN`.

    References
    ----------
    Cho et al. (2014), arXiv:1406.1078, applies the reset gate first.

    Examples
    --------
    >>> keep = np.array([0.0, 50.0, 0.0])  # r = 1/2, z = 1 within rounding, n = tanh(0)
    >>> gru = GRU(np.zeros((3, 1)), np.zeros((3, 1)), keep)
    >>> gru.forward(np.ones((3, 1, 1)), np.full((1, 1), 0.7))[0].ravel()
    array([0.7, 0.7, 0.7])
    >>> gru.reset_after
    True
    """

    def __init__(self, weight_ih, weight_hh, bias_ih=None, bias_hh=None, *, reset_after=True):
        parameters = _checked_parameters(weight_ih, weight_hh, bias_ih, bias_hh, gates=3)
        self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh = parameters
        self.reset_after = reset_after

    @classmethod
    def init(cls, input_size, hidden_size, *, bias=True, rng, dtype=np.float64, reset_after=True):
        """Draw every parameter from uniform(-1/sqrt(H), 1/sqrt(H)), as torch.nn.GRU does; see `RNN.init`.

        Examples
        --------
        >>> gru = GRU.init(4, 5, rng=np.random.default_rng(0))
        >>> gru.weight_ih.shape, gru.weight_hh.shape, gru.bias_ih.shape, gru.reset_after
        ((15, 4), (15, 5), (15,), True)
        >>> GRU.init(4, 5, bias=False, rng=np.random.default_rng(0)).bias_hh is None
        True
        """
        parameters = _drawn_parameters(input_size, hidden_size, 3, bias, rng, dtype)
        return cls(*parameters, reset_after=reset_after)

    @classmethod
    def from_torch(cls, module):
        """Copy a one-layer, one-direction, time-major torch.nn.GRU.

        Examples
        --------
        >>> import torch
        >>> gru = GRU.from_torch(torch.nn.GRU(3, 4))
        >>> gru.weight_hh.shape, gru.reset_after
        ((12, 4), True)
        """
        return cls(*_torch_parameters(module, "GRU"), reset_after=True)

    def forward(self, x, state=None):
        """Run the network over a sequence.

        Parameters
        ----------
        x : ndarray, shape (T, B, D)
        state : ndarray, shape (B, H), optional
            h_0; zeros if missing.

        Returns
        -------
        output : ndarray, shape (T, B, H)
            h_1 ... h_T: a read-only view of the cache's states (copy it to change it).
        cache : GRUCache
            For `backward`. It refers to `x`: do not change `x` in between.

        Raises
        ------
        TypeError, ValueError
            As for `RNN.forward`.


        Examples
        --------
        >>> output, cache = GRU.init(3, 4, rng=np.random.default_rng(0)).forward(np.ones((5, 2, 3)))
        >>> output.shape, cache.gates.shape, output.flags.writeable
        ((5, 2, 4), (5, 2, 3, 4), False)
        """
        _check_sequence(self, x, state=state)
        (steps, batch, input_size), hidden_size = x.shape, self.weight_hh.shape[1]
        dtype, two = x.dtype, 2 * hidden_size
        none = np.zeros(3 * hidden_size, dtype)
        bias_ih, bias_hh = (none if b is None else b for b in (self.bias_ih, self.bias_hh))
        bias, bias_n = bias_ih + bias_hh, bias_hh[two:]
        if self.reset_after:
            bias[two:] = bias_ih[two:]  # b_hn has its own place, inside the reset gate

        states = np.empty((steps + 1, batch, hidden_size), dtype)
        states[0] = 0 if state is None else state
        inner = np.empty((steps, batch, hidden_size), dtype)
        gates = np.empty((steps, batch, 3, hidden_size), dtype)
        stacked = gates.reshape(steps, batch, 3 * hidden_size)  # the same memory as `gates`
        rows = steps * batch
        np.matmul(x.reshape(rows, input_size), self.weight_ih.T, out=stacked.reshape(rows, 3 * hidden_size))
        stacked += bias
        # the product with h_{t-1}: of all three blocks, or of r and z, when r must be known before the third
        product_t = (self.weight_hh if self.reset_after else self.weight_hh[:two]).T.copy()
        weight_n_t = self.weight_hh[two:].T.copy()
        product, term = np.empty((batch, product_t.shape[1]), dtype), np.empty((batch, hidden_size), dtype)
        h = states[0]
        for rz, (r, z, n), m, h_next in zip(stacked[..., :two], np.moveaxis(gates, 2, 1), inner, states[1:]):
            np.matmul(h, product_t, out=product)
            rz += product[:, :two]
            _sigmoid(rz, out=rz)
            if self.reset_after:
                np.add(product[:, two:], bias_n, out=m)
                np.multiply(r, m, out=term)
            else:
                np.multiply(r, h, out=m)
                np.matmul(m, weight_n_t, out=term)
            n += term
            np.tanh(n, out=n)
            np.subtract(h, n, out=h_next)  # h_t = n + z * (h_{t-1} - n)
            h_next *= z
            h_next += n
            h = h_next
        output = states[1:]
        output.flags.writeable = False
        return output, GRUCache(x, states, gates, inner, self)

    def backward(self, grad_output, cache, *, grad_h_n=None):
        """Back-propagation through time in one pass.

        Parameters, errors: as for `RNN.backward`, with a `GRUCache`.

        Returns
        -------
        Gradients
            The rows of the weights' and biases' gradients are r, z, n.

        Examples
        --------
        >>> gru, x, h0, grad_output, grad_h_n = random_case(np.random.default_rng(0), GRU)
        >>> _, cache = gru.forward(x, h0)
        >>> ours = gru.backward(grad_output, cache, grad_h_n=grad_h_n)
        >>> compare_gradients(ours, autograd_gradients(gru, x, grad_output, h0, grad_h_n=grad_h_n), rtol=1e-12)
        x          (5, 4, 7)  agrees (relative error <= 1e-12)
        h0         (4, 6)     agrees (relative error <= 1e-12)
        weight_ih  (18, 7)    agrees (relative error <= 1e-12)
        weight_hh  (18, 6)    agrees (relative error <= 1e-12)
        bias_ih    (18,)      agrees (relative error <= 1e-12)
        bias_hh    (18,)      agrees (relative error <= 1e-12)
        >>> book, x, h0, grad_output, _ = random_case(np.random.default_rng(0), GRU, bias=False, reset_after=False)
        >>> _, cache = book.forward(x, h0)
        >>> ours = book.backward(grad_output, cache)
        >>> compare_gradients(ours, autograd_gradients(book, x, grad_output, h0), rtol=1e-12)
        x          (5, 4, 7)  agrees (relative error <= 1e-12)
        h0         (4, 6)     agrees (relative error <= 1e-12)
        weight_ih  (18, 7)    agrees (relative error <= 1e-12)
        weight_hh  (18, 6)    agrees (relative error <= 1e-12)
        """
        _check_backward(self, cache, GRUCache, grad_output, grad_h_n=grad_h_n)
        x, states, gates, inner, _ = cache
        two, before = 2 * states.shape[2], states[:-1]
        r, z, n = np.moveaxis(gates, 2, 0)
        weight_rz, weight_n = self.weight_hh[:two], self.weight_hh[two:]

        # first, for all steps at once: the factors that do not depend on the later steps
        deltas = _sigmoid_prime(gates, out=np.empty_like(gates))
        stacked = deltas.reshape(*deltas.shape[:2], 3 * z.shape[2])
        delta_r, delta_z, _ = np.moveaxis(deltas, 2, 0)
        delta_r *= inner if self.reset_after else before
        delta_z *= before - n
        delta_n = _tanh_prime(n)
        delta_n *= 1 - z

        # then the recursion: it makes each of the factors a dL/d(pre-activation)
        grad_h = np.zeros_like(states[0]) if grad_h_n is None else grad_h_n.copy()
        for t in reversed(range(len(x))):
            grad_h += grad_output[t]  # dL/dh_t: the loss of this step and all later steps
            delta_z[t] *= grad_h
            delta_n[t] *= grad_h
            grad_h *= z[t]  # handed on to h_{t-1} by the direct path; the other paths follow
            if self.reset_after:
                delta_r[t] *= delta_n[t]
                np.multiply(delta_n[t], r[t], out=deltas[t, :, 2])  # dL/d(U_n h_{t-1} + b_hn)
                grad_h += stacked[t] @ self.weight_hh
            else:
                grad_inner = delta_n[t] @ weight_n  # dL/d(r_t * h_{t-1})
                delta_r[t] *= grad_inner
                grad_inner *= r[t]
                grad_h += grad_inner
                grad_h += stacked[t, :, :two] @ weight_rz

        rows = len(x) * x.shape[1]
        ones, flat_before = np.ones(rows, x.dtype), before.reshape(rows, before.shape[2])
        flat = stacked.reshape(rows, stacked.shape[2])
        if self.reset_after:  # as long as the third block is the one inside the reset gate
            weight_hh, bias_hh = flat.T @ flat_before, ones @ flat
        deltas[:, :, 2] = delta_n
        bias_ih = ones @ flat
        if not self.reset_after:
            weight_n = flat[:, two:].T @ inner.reshape(flat_before.shape)
            weight_hh, bias_hh = np.concatenate([flat[:, :two].T @ flat_before, weight_n]), bias_ih.copy()
        return Gradients(
            x=(flat @ self.weight_ih).reshape(x.shape),
            h0=grad_h,
            weight_ih=flat.T @ x.reshape(rows, x.shape[2]),
            weight_hh=weight_hh,
            bias_ih=None if self.bias_ih is None else bias_ih,
            bias_hh=None if self.bias_hh is None else bias_hh,
        )


# --- the textbook's formulas, as printed -------------------------------------------------------------


def delta_table(rnn, grad_output, cache):
    """All delta_{t,k} = dL_t/dz_k of (6.34), by the recursion (6.36) from delta_{t,t}. For teaching: O(T^2).

    Parameters
    ----------
    rnn : RNN
    grad_output : ndarray, shape (T, B, H)
        Row t - 1 is dL_t/dh_t, the derivative of the loss of step t alone.
    cache : RNNCache

    Returns
    -------
    ndarray, shape (T, T, B, H)
        Entry [t - 1, k - 1] is delta_{t,k}; zero for k > t (the loss of a step does not depend on later steps).

    Raises
    ------
    TypeError, ValueError
        As for `RNN.backward`.

    Examples
    --------
    >>> rnn = RNN(np.array([[1.0]]), np.array([[0.5]]), nonlinearity="identity")
    >>> _, cache = rnn.forward(np.ones((3, 1, 1)))
    >>> delta_table(rnn, np.ones((3, 1, 1)), cache)[:, :, 0, 0]
    array([[1.  , 0.  , 0.  ],
           [0.5 , 1.  , 0.  ],
           [0.25, 0.5 , 1.  ]])
    """
    _check_kind("rnn", rnn, RNN)
    _check_backward(rnn, cache, RNNCache, grad_output)
    output, (_, f_prime) = cache.states[1:], NONLINEARITIES[rnn.nonlinearity]
    steps = len(output)
    slopes = f_prime(output)
    table = np.zeros((steps, *output.shape), output.dtype)
    for t in range(steps):
        table[t, t] = slopes[t] * grad_output[t]
        for k in reversed(range(t)):
            table[t, k] = slopes[k] * (table[t, k + 1] @ rnn.weight_hh)  # row form of diag(f') U^T delta
    return table


def double_sum_gradients(rnn, grad_output, cache):
    """The double sums (6.39), (6.40), (6.41), term by term as printed. For teaching: O(T^2).

    Parameters, errors: as for `delta_table`.

    Returns
    -------
    Gradients
        Equal to `rnn.backward(grad_output, cache)`. For x and h_0 by the same rule:
        dL/dx_k = sum_t W^T delta_{t,k} and dL/dh_0 = sum_t U^T delta_{t,1}.

    Examples
    --------
    >>> rnn, x, h0, grad_output, _ = random_case(np.random.default_rng(0))
    >>> _, cache = rnn.forward(x, h0)
    >>> compare_gradients(double_sum_gradients(rnn, grad_output, cache), rnn.backward(grad_output, cache))
    x          (5, 4, 7)  agrees (relative error <= 1e-10)
    h0         (4, 6)     agrees (relative error <= 1e-10)
    weight_ih  (6, 7)     agrees (relative error <= 1e-10)
    weight_hh  (6, 6)     agrees (relative error <= 1e-10)
    bias_ih    (6,)       agrees (relative error <= 1e-10)
    bias_hh    (6,)       agrees (relative error <= 1e-10)
    """
    table = delta_table(rnn, grad_output, cache)
    x, states = cache.x, cache.states
    grad_x, grad_h0 = np.zeros_like(x), np.zeros_like(states[0])
    grad_u, grad_w = np.zeros_like(rnn.weight_hh), np.zeros_like(rnn.weight_ih)
    grad_b = np.zeros_like(rnn.weight_hh[0])
    for t in range(len(x)):
        for k in range(t + 1):  # here x[k] is the book's x_{k+1}, and states[k] its h_k
            delta = table[t, k]
            grad_u += delta.T @ states[k]  # (6.39), summed over the batch by the product
            grad_w += delta.T @ x[k]  # (6.40)
            grad_b += delta.sum(axis=0)  # (6.41)
            grad_x[k] += delta @ rnn.weight_ih
        grad_h0 += table[t, 0] @ rnn.weight_hh
    bias_ih, bias_hh = (None if b is None else grad_b.copy() for b in (rnn.bias_ih, rnn.bias_hh))
    return Gradients(grad_x, grad_h0, grad_w, grad_u, bias_ih, bias_hh)


def rtrl_gradients(rnn, x, grad_output, state=None):
    """Real-time recurrent learning (RTRL, 实时循环学习): the same gradients, carried forwards, (6.42)-(6.46).

    Memory does not grow with T, but every step costs O(B H^4) for U: for small networks only.

    Parameters
    ----------
    rnn : RNN
    x : ndarray, shape (T, B, D)
    grad_output : ndarray, shape (T, B, H)
        Row t - 1 is dL_t/dh_t; it is used at step t and not needed before.
    state : ndarray, shape (B, H), optional

    Returns
    -------
    Gradients
        `x` is None: RTRL carries the derivatives of parameters (and of h_0), not those of inputs.

    Raises
    ------
    TypeError, ValueError
        As for `RNN`.

    Examples
    --------
    >>> rnn, x, h0, grad_output, _ = random_case(np.random.default_rng(0), bias=False)
    >>> forwards = rtrl_gradients(rnn, x, grad_output, h0)
    >>> backwards = rnn.backward(grad_output, rnn.forward(x, h0)[1])
    >>> compare_gradients(forwards, backwards._replace(x=None))
    h0         (4, 6)  agrees (relative error <= 1e-10)
    weight_ih  (6, 7)  agrees (relative error <= 1e-10)
    weight_hh  (6, 6)  agrees (relative error <= 1e-10)
    """
    _check_kind("rnn", rnn, RNN)
    _check_sequence(rnn, x, state=state)
    hidden_size, (steps, batch, input_size), dtype = len(rnn.weight_hh), x.shape, x.dtype
    _check_array("grad_output", grad_output, (steps, batch, hidden_size), dtype)
    cell = RNNCell(rnn.weight_ih, rnn.weight_hh, rnn.bias_ih, rnn.bias_hh, nonlinearity=rnn.nonlinearity)
    _, f_prime = NONLINEARITIES[rnn.nonlinearity]
    h, eye = np.zeros((batch, hidden_size), dtype) if state is None else state, np.eye(hidden_size, dtype=dtype)

    # dh[b, i, ...]: the derivative of unit i of h_t, in sequence b, by each entry of U, W, b and h_0
    dh_u = np.zeros((batch, hidden_size, hidden_size, hidden_size), dtype)
    dh_w = np.zeros((batch, hidden_size, hidden_size, input_size), dtype)
    dh_b = np.zeros((batch, hidden_size, hidden_size), dtype)
    dh_0 = np.broadcast_to(eye, (batch, hidden_size, hidden_size))
    totals, grad_h0 = [0, 0, 0], np.zeros_like(h)
    for x_t, grad_loss in zip(x, grad_output):
        # (6.44): what was there, carried through U, plus the direct partial d+z/dU_ij = I_i([h]_j)
        dh_u = np.einsum("pi,bi...->bp...", rnn.weight_hh, dh_u) + np.einsum("pi,bj->bpij", eye, h)
        dh_w = np.einsum("pi,bi...->bp...", rnn.weight_hh, dh_w) + np.einsum("pi,bj->bpij", eye, x_t)
        dh_b = np.einsum("pi,bi...->bp...", rnn.weight_hh, dh_b) + eye
        dh_0 = np.einsum("pi,bi...->bp...", rnn.weight_hh, dh_0)
        h, _ = cell.forward(x_t, h)
        dh_u, dh_w, dh_b, dh_0 = (np.einsum("bp,bp...->bp...", f_prime(h), d) for d in (dh_u, dh_w, dh_b, dh_0))
        # (6.46), summed over the batch, and over time as the losses come in
        new = [np.einsum("bp,bp...->...", grad_loss, d) for d in (dh_w, dh_u, dh_b)]
        totals = [total + n for total, n in zip(totals, new)]
        grad_h0 += np.einsum("bp,bpi->bi", grad_loss, dh_0)
    grad_w, grad_u, grad_b = totals
    bias_ih, bias_hh = (None if b is None else grad_b.copy() for b in (rnn.bias_ih, rnn.bias_hh))
    return Gradients(None, grad_h0, grad_w, grad_u, bias_ih, bias_hh)


# --- independent authorities -------------------------------------------------------------------------


def numerical_gradient(loss, array, step=None):
    """Central differences (数值梯度): (loss(a + e) - loss(a - e)) / (2 e), entry by entry.

    Parameters
    ----------
    loss : callable
        Takes an array in the shape of `array` and returns a number.
    array : ndarray, float32 or float64
        Where to differentiate. It is not changed: `loss` is given copies.
    step : float, optional
        The size e; by default the cube root of the dtype's machine epsilon (6e-6 in float64), which balances
        the error of the formula, O(e^2), against rounding, O(eps / e).

    Returns
    -------
    ndarray, in the shape of `array`

    Raises
    ------
    TypeError, ValueError
        If `array` is not a float array, `step` not positive or too small to change an entry, or the loss not a
        single number.

    Examples
    --------
    >>> numerical_gradient(lambda a: (a**3).sum(), np.array([1.0, 2.0])).round(6)
    array([ 3., 12.])
    >>> numerical_gradient(lambda a: (a**3).sum(), np.array([1.0]), step=0.5)  # 3 + e^2, exactly
    array([3.25])
    >>> numerical_gradient(lambda a: a, np.array([1.0, 2.0]))
    Traceback (most recent call last):
    ValueError: loss: expected a single number, got shape (2,)
    """
    _check_array("array", array, tuple("n" * np.ndim(array)))
    if step is None:
        step = np.cbrt(np.finfo(array.dtype).eps)
    _check_positive("step", step)
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        above, below = array.copy(), array.copy()
        above[index] += step
        below[index] -= step
        made = above[index] - below[index]  # the step that was really made, after rounding
        if made == 0:
            raise ValueError(f"step: expected one that changes {array[index]} in {array.dtype}, got {step}")
        difference = _as_numpy("loss", loss(above)) - _as_numpy("loss", loss(below))
        if difference.size != 1:
            raise ValueError(f"loss: expected a single number, got shape {difference.shape}")
        gradient[index] = difference.item() / made
    return gradient


def autograd_gradients(network, x, grad_output, state=None, *, grad_h_n=None, grad_c_n=None):
    """The same gradients by PyTorch's autograd, which differentiates the forward equations by itself.

    Parameters
    ----------
    network : RNN, LSTM or GRU
    x, grad_output, state, grad_h_n, grad_c_n : ndarray
        As for the network's `forward` and `backward`. The loss is
        sum(output * grad_output) + sum(h_T * grad_h_n) + sum(c_T * grad_c_n).

    Returns
    -------
    Gradients or LSTMGradients

    Examples
    --------
    >>> rnn, x, h0, grad_output, grad_h_n = random_case(np.random.default_rng(0), nonlinearity="sigmoid")
    >>> _, cache = rnn.forward(x, h0)
    >>> compare_gradients(
    ...     rnn.backward(grad_output, cache, grad_h_n=grad_h_n),
    ...     autograd_gradients(rnn, x, grad_output, h0, grad_h_n=grad_h_n))
    x          (5, 4, 7)  agrees (relative error <= 1e-10)
    h0         (4, 6)     agrees (relative error <= 1e-10)
    weight_ih  (6, 7)     agrees (relative error <= 1e-10)
    weight_hh  (6, 6)     agrees (relative error <= 1e-10)
    bias_ih    (6,)       agrees (relative error <= 1e-10)
    bias_hh    (6,)       agrees (relative error <= 1e-10)
    >>> for kind in (RNN, LSTM, GRU):  # without a state, all start from zero
    ...     network, x, _, grad_output, *_ = random_case(np.random.default_rng(1), kind)
    ...     ours = network.backward(grad_output, network.forward(x)[1])
    ...     theirs = autograd_gradients(network, x, grad_output)
    ...     assert all(np.allclose(a, b, rtol=1e-12, atol=1e-13) for a, b in zip(ours, theirs))
    """
    import torch

    if not isinstance(network, (RNN, LSTM, GRU)):
        raise TypeError(f"network: expected an RNN, LSTM or GRU of this module, got {type(network)}")
    gated = isinstance(network, LSTM)
    output, _ = network.forward(x, state)  # for its checks, and its shape
    _check_array("grad_output", grad_output, output.shape, output.dtype)
    zeros = np.zeros_like(output[0])
    h0, c0 = (zeros, zeros) if state is None else state if gated else (state, zeros)
    arrays = {"x": x, "h0": h0, "c0": c0 if gated else None}
    arrays |= {name: getattr(network, name) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    leaves = {n: None if a is None else torch.tensor(a, requires_grad=True) for n, a in arrays.items()}
    h, c = leaves["h0"], leaves["c0"]
    loss = 0
    for x_t, grad in zip(leaves["x"], torch.tensor(grad_output)):
        h, c = _torch_step(network, x_t, h, c, *list(leaves.values())[3:])
        loss = loss + (h * grad).sum()
    for name, last, grad in [("grad_h_n", h, grad_h_n), ("grad_c_n", c, grad_c_n)]:
        if grad is not None:
            if last is None:
                raise ValueError(
                    f"{name}: expected None, as an {type(network).__name__} has no cell, got an array"
                )
            _check_array(name, grad, zeros.shape, zeros.dtype)
            loss = loss + (last * torch.tensor(grad)).sum()
    loss.backward()
    kind = LSTMGradients if gated else Gradients
    return kind(**{n: None if leaves[n] is None else leaves[n].grad.numpy() for n in kind._fields})


def _torch_step(network, x_t, h, c, weight_ih, weight_hh, bias_ih, bias_hh):
    """The equations of one step forward, and nothing else, in torch: h_t and c_t."""
    import torch

    bias_ih, bias_hh = (torch.zeros_like(weight_hh[:, 0]) if b is None else b for b in (bias_ih, bias_hh))
    from_x, from_h = x_t @ weight_ih.T + bias_ih, h @ weight_hh.T + bias_hh
    if isinstance(network, LSTM):
        i, f, g, o = (from_x + from_h).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
    if isinstance(network, GRU):
        (x_r, x_z, x_n), (h_r, h_z, h_n) = from_x.chunk(3, dim=1), from_h.chunk(3, dim=1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        if network.reset_after:
            n = torch.tanh(x_n + r * h_n)
        else:
            n = torch.tanh(x_n + (r * h) @ weight_hh.chunk(3)[2].T + bias_hh.chunk(3)[2])
        return z * h + (1 - z) * n, c
    f = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "identity": torch.clone}
    return f[network.nonlinearity](from_x + from_h), c


# --- checks that can fail ----------------------------------------------------------------------------


def _relative_error(ours, reference):
    """max |ours - reference| / max |reference|; inf if there is nothing to compare or anything is not finite."""
    if ours.size == 0 or not (np.isfinite(ours).all() and np.isfinite(reference).all()):
        return np.inf
    difference, scale = np.abs(ours - reference).max(), np.abs(reference).max()
    if scale == 0:
        return np.inf if difference > 0 else 0.0
    return difference / scale


def _as_numpy(name, value):
    """A NumPy array of `value`, which may be a torch tensor (also one that requires a gradient)."""
    try:
        array = np.asarray(value.detach() if hasattr(value, "detach") else value)
    except ValueError:  # rows of different lengths
        array = np.empty(0, object)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected an array of numbers, got {type(value).__name__}")
    return array


def _named(name, gradients):
    """Gradients as a dict; raise unless they are one, or a named tuple."""
    if not isinstance(gradients, (dict, Gradients, LSTMGradients)):
        raise TypeError(f"{name}: expected Gradients or a dict, got {type(gradients).__name__}")
    return gradients if isinstance(gradients, dict) else gradients._asdict()


def compare_gradients(ours, reference, *, rtol=1e-10):
    """Compare gradients by name, print one row for each, and stop at the first that differs.

    The relative error of a gradient is max |ours - reference| / max |reference|.

    Parameters
    ----------
    ours, reference : Gradients or dict of arrays (of NumPy or torch)
        Both must have the same names; an entry that is None in both is left out.
    rtol : float
        The largest relative error that is accepted.

    Raises
    ------
    AssertionError
        On the first gradient that is missing, has another shape, holds NaN or inf, or differs.

    Examples
    --------
    >>> ours = {"weight_hh": np.array([[1.0, 2.0]]), "bias_hh": np.array([3.0])}
    >>> compare_gradients(ours, {"weight_hh": np.array([[1.0, 2.0]]), "bias_hh": np.array([6.0])})
    Traceback (most recent call last):
    AssertionError: bias_hh differs: relative error 0.5, accepted 1e-10
    >>> compare_gradients(ours, {"weight_hh": np.array([[1.0], [2.0]]), "bias_hh": np.array([3.0])})
    Traceback (most recent call last):
    AssertionError: weight_hh differs: its shape is (1, 2), the reference has (2, 1)
    >>> compare_gradients(ours, {"weight_hh": np.array([[1.0, 2.0]])})
    Traceback (most recent call last):
    AssertionError: bias_hh is missing on one side
    >>> compare_gradients({"x": np.array([np.nan])}, {"x": np.array([np.nan])})
    Traceback (most recent call last):
    AssertionError: x holds NaN or inf: that never counts as agreement
    >>> compare_gradients({"x": np.array([1.25])}, {"x": np.array([1.0])}, rtol=0.25)
    x  (1,)  agrees (relative error <= 0.25)
    >>> compare_gradients({}, {})
    Traceback (most recent call last):
    AssertionError: there is nothing to compare
    """
    ours, reference = _named("ours", ours), _named("reference", reference)
    names = [n for n in ours | reference if ours.get(n) is not None or reference.get(n) is not None]
    if not names:
        raise AssertionError("there is nothing to compare")
    shapes = {}
    for name in names:
        if ours.get(name) is None or reference.get(name) is None:
            raise AssertionError(f"{name} is missing on one side")
        shapes[name] = str(np.shape(ours[name]))
    widths = max(map(len, names)), max(map(len, shapes.values()))
    for name in names:
        a, b = _as_numpy(name, ours[name]), _as_numpy(name, reference[name])
        if a.shape != b.shape:
            raise AssertionError(f"{name} differs: its shape is {a.shape}, the reference has {b.shape}")
        if a.size == 0:
            raise AssertionError(f"{name} is empty: there is nothing to compare")
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise AssertionError(f"{name} holds NaN or inf: that never counts as agreement")
        error = _relative_error(a, b)
        if error > rtol:
            raise AssertionError(f"{name} differs: relative error {error:.2g}, accepted {rtol:g}")
        print(f"{name:{widths[0]}}  {shapes[name]:{widths[1]}}  agrees (relative error <= {rtol:g})")


def verify_equation(number, left, right, *, rtol=1e-10):
    """Print that equation `number` holds for these two sides, or raise.

    Parameters
    ----------
    number : str
        The textbook's number, for example "6.40".
    left, right : array_like
        The two sides, of one shape. Sides that are zero everywhere are refused: they would verify nothing.
    rtol : float
        The largest accepted max |left - right| / max |right|.

    Raises
    ------
    AssertionError

    Examples
    --------
    >>> verify_equation("6.40", np.array([1.0, 2.0]), [1.0, 2.0])
    (6.40) holds: both sides agree in all 2 entries (relative error <= 1e-10)
    >>> verify_equation("6.40", 1.0, 1.001)
    Traceback (most recent call last):
    AssertionError: (6.40) does not hold: relative error 0.001, accepted 1e-10
    >>> verify_equation("6.40", np.zeros(2), np.zeros(2))
    Traceback (most recent call last):
    AssertionError: (6.40) is not verified: both sides are zero or empty
    """
    left, right = _as_numpy("left", left), _as_numpy("right", right)
    if left.shape != right.shape:
        raise AssertionError(
            f"({number}) does not hold: shape {left.shape} on the left, {right.shape} on the right"
        )
    if not (np.any(left) or np.any(right)):
        raise AssertionError(f"({number}) is not verified: both sides are zero or empty")
    error = _relative_error(left, right)
    if error > rtol:
        raise AssertionError(f"({number}) does not hold: relative error {error:.2g}, accepted {rtol:g}")
    entries = "in the one entry" if left.size == 1 else f"in all {left.size} entries"
    print(f"({number}) holds: both sides agree {entries} (relative error <= {rtol:g})")


def clip_grad_norm(gradients, max_norm):
    """Scale all parameter gradients by one factor, so that their common norm is at most `max_norm`.

    Entries named x, h0 or c0 are derivatives of inputs, not of parameters: they neither count nor change.

    Parameters
    ----------
    gradients : Gradients or dict of arrays
    max_norm : float
        Positive.

    Returns
    -------
    clipped : like `gradients`
        New arrays where something had to be scaled; the direction stays the same.
    norm : float
        The norm before clipping.

    Raises
    ------
    ValueError
        If `max_norm` is not positive, or a gradient holds NaN or inf (a factor cannot mend those).

    References
    ----------
    Pascanu, Mikolov, Bengio (2013), On the difficulty of training recurrent neural networks, arXiv:1211.5063.

    Examples
    --------
    >>> clip_grad_norm({"weight_hh": np.array([3.0, 0.0]), "bias_hh": np.array([4.0])}, 1.0)
    ({'weight_hh': array([0.6, 0. ]), 'bias_hh': array([0.8])}, 5.0)
    >>> clip_grad_norm({"weight_hh": np.array([3.0, 4.0]), "x": np.array([9.0])}, 7.0)
    ({'weight_hh': array([3., 4.]), 'x': array([9.])}, 5.0)
    >>> clip_grad_norm({"weight_hh": np.array([0.0, 4e200])}, 5.0)  # its square overflows, its norm does not
    ({'weight_hh': array([0., 5.])}, 4e+200)
    >>> clip_grad_norm({"weight_hh": np.zeros(2)}, 1.0)
    ({'weight_hh': array([0., 0.])}, 0.0)
    >>> clip_grad_norm({"weight_hh": np.array([np.inf, 1.0])}, 1.0)
    Traceback (most recent call last):
    ValueError: gradients: expected finite numbers, got NaN or inf in weight_hh
    """
    _check_positive("max_norm", max_norm)
    named = _named("gradients", gradients)
    parameters = {n: _as_numpy(n, g) for n, g in named.items() if g is not None and n not in ("x", "h0", "c0")}
    for name, gradient in parameters.items():
        if not np.isfinite(gradient).all():
            raise ValueError(f"gradients: expected finite numbers, got NaN or inf in {name}")
    largest = max((float(np.abs(g).max()) for g in parameters.values()), default=1.0) or 1.0
    norm = largest * float(np.sqrt(sum(((g.astype(float) / largest) ** 2).sum() for g in parameters.values())))
    if norm > max_norm:
        parameters = {name: gradient * (max_norm / norm) for name, gradient in parameters.items()}
    clipped = {**named, **parameters}
    return (clipped if isinstance(gradients, dict) else type(gradients)(**clipped)), norm


def random_case(rng, kind=RNN, *, bias=True, **options):
    """A random network with data, for checks: T, B, D and H all different, so that no swapped axes go unseen.

    Parameters
    ----------
    rng : numpy.random.Generator
    kind : RNN, LSTM or GRU
    bias, options
        For `kind.init`: nonlinearity, reset_after.

    Returns
    -------
    network : of this kind
    x, h0, grad_output, grad_h_n : ndarray
        Standard normal, shapes (T, B, D), (B, H), (T, B, H), (B, H), each size from 2 to 7.
        For an LSTM a state (h0, c0) stands in place of h0, and grad_c_n comes last.

    Examples
    --------
    >>> rnn, x, h0, grad_output, grad_h_n = random_case(np.random.default_rng(0))
    >>> x.shape, h0.shape, grad_output.shape, grad_h_n.shape
    ((5, 4, 7), (4, 6), (5, 4, 6), (4, 6))
    """
    _check_kind("rng", rng, np.random.Generator)
    if kind not in (RNN, LSTM, GRU):
        raise TypeError(f"kind: expected RNN, LSTM or GRU, got {kind!r}")
    steps, batch, input_size, hidden_size = (int(n) for n in rng.permutation(np.arange(2, 8))[:4])
    network = kind.init(input_size, hidden_size, bias=bias, rng=rng, **options)
    state = (batch, hidden_size)
    shapes = [(steps, batch, input_size), state, (steps, *state), state] + [state] * (2 if kind is LSTM else 0)
    x, h0, grad_output, grad_h_n, *of_cells = (rng.standard_normal(shape) for shape in shapes)
    if kind is LSTM:
        c0, grad_c_n = of_cells
        return network, x, (h0, c0), grad_output, grad_h_n, grad_c_n
    return network, x, h0, grad_output, grad_h_n


# --- exercises ---------------------------------------------------------------------------------------


def _same(value, other):
    return np.shape(value) == np.shape(other) and _relative_error(value, _as_numpy("mistakes", other)) <= 1e-7


def check_exercise(name, attempt, expected, mistakes=None):
    """Print one line on a reader's result: right, not attempted, or what is wrong with it. Never raises.

    Parameters
    ----------
    name : str
        The number of the exercise.
    attempt : callable
        Called without arguments; returns the reader's array or number, ... where nothing is done yet.
    expected : array_like
    mistakes : dict, optional
        What a typical mistake is called -> the (wrong) result that it gives.

    Examples
    --------
    >>> right = np.array([[1.0, 2.0, 4.0]])
    >>> check_exercise("1.1", lambda: ..., right)
    Exercise 1.1: not attempted yet
    >>> check_exercise("1.1", lambda: right + 1e-14, right)
    Exercise 1.1: correct
    >>> check_exercise("1.1", lambda: right.T, right)
    Exercise 1.1: not yet. The shape is (3, 1), expected (1, 3): transposed?
    >>> check_exercise("1.1", lambda: right[0], right)
    Exercise 1.1: not yet. The shape is (3,), expected (1, 3)
    >>> check_exercise("1.1", lambda: right - 1, right, {"one is subtracted": right - 1})
    Exercise 1.1: not yet. This is the result of a typical mistake: one is subtracted
    >>> check_exercise("1.1", lambda: right[0], right, {"the batch is lost": right.sum(axis=0)})
    Exercise 1.1: not yet. This is the result of a typical mistake: the batch is lost
    >>> check_exercise("1.1", lambda: -2 * right, right)
    Exercise 1.1: not yet. Every entry is -2 times the right one
    >>> check_exercise("1.1", lambda: 3.0, 1.5)
    Exercise 1.1: not yet. The number is not right
    >>> check_exercise("1.1", lambda: right * np.nan, right)
    Exercise 1.1: not yet. There are NaN or inf in it
    >>> check_exercise("1.1", lambda: right + [[0, 0, 1]], right)
    Exercise 1.1: not yet. 1 of 3 entries differ, the first at index (0, 2)
    >>> check_exercise("1.1", lambda: 0 * right, right)
    Exercise 1.1: not yet. 3 of 3 entries differ, the first at index (0, 0)
    >>> check_exercise("1.1", lambda: right @ right, right)  # doctest: +ELLIPSIS
    Exercise 1.1: not yet. The code raised ValueError: matmul: ... or on certain ones?
    >>> check_exercise("1.1", lambda: None, right)
    Exercise 1.1: not yet. Nothing is returned: is there a `return`?
    >>> check_exercise("1.1", lambda: rigth, right)
    Exercise 1.1: not yet. The code raised NameError: name 'rigth' is not defined
    >>> check_exercise("1.1", lambda: {"a": 1}, right)
    Exercise 1.1: not yet. Expected an array of numbers, got dict
    >>> square = np.arange(4.0).reshape(2, 2)
    >>> check_exercise("1.2", lambda: square.T, square)
    Exercise 1.2: not yet. This is the transpose of the right result
    """
    expected = _as_numpy("expected", expected)
    try:
        value = attempt()
    except Exception as error:
        hint = ". The sizes in this check all differ: does the code count on equal ones, or on certain ones?"
        of_sizes = isinstance(error, IndexError) or re.search("shape|dimension|broadcast|size", str(error))
        hint = hint if of_sizes and isinstance(error, (ValueError, IndexError)) else ""
        print(f"Exercise {name}: not yet. The code raised {type(error).__name__}: {error}{hint}")
        return
    if value is ...:
        print(f"Exercise {name}: not attempted yet")
        return
    if value is None:
        print(f"Exercise {name}: not yet. Nothing is returned: is there a `return`?")
        return
    try:
        value = _as_numpy("value", value).astype(float)
    except TypeError:
        kind = "an array of other things" if isinstance(value, np.ndarray) else type(value).__name__
        print(f"Exercise {name}: not yet. Expected an array of numbers, got {kind}")
        return
    if _same(value, expected):
        print(f"Exercise {name}: correct")
        return
    known = [m for m, wrong in (mistakes or {}).items() if _same(value, wrong)]
    if known:
        problem = f"This is the result of a typical mistake: {known[0]}"
    elif value.shape != expected.shape:
        hint = ": transposed?" if value.T.shape == expected.shape else ""
        problem = f"The shape is {value.shape}, expected {expected.shape}{hint}"
    elif not np.isfinite(value).all():
        problem = "There are NaN or inf in it"
    else:
        factor = (value * expected).sum() / (expected**2).sum()
        wrong_at = np.argwhere(np.abs(value - expected) > 1e-7 * np.abs(expected).max())
        if expected.size == 1:  # a factor would give the solution away
            problem = "The number is not right"
        elif _same(value.T, expected):
            problem = "This is the transpose of the right result"
        elif factor != 0 and _same(value, factor * expected):
            problem = f"Every entry is {factor:.4g} times the right one"
        else:
            first = tuple(int(i) for i in wrong_at[0])
            problem = f"{len(wrong_at)} of {expected.size} entries differ, the first at index {first}"
    print(f"Exercise {name}: not yet. {problem}")


def run_solutions(notebook, namespace):
    """Run the solutions that are folded away in a notebook, in order, then put the reader's own answers back.

    A solution is a Python block inside a ``<details>`` element of a markdown cell. The tests run it, so that no
    solution can go stale; a reader has no need to.

    Parameters
    ----------
    notebook : str
        File name, in the working directory.
    namespace : dict
        `globals()` of the notebook.

    Raises
    ------
    ValueError
        If there is no solution in the notebook.
    AssertionError
        If a solution does not pass its check.
    """
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    folded = re.findall(r"<details>.*?</details>", text, re.DOTALL)
    solutions = re.findall(r"```python\n(.*?)```", "\n".join(folded), re.DOTALL)
    if not solutions:
        raise ValueError(f"notebook: expected folded solutions, got none in {notebook}")
    readers_own = dict(namespace)
    print("The stored solutions, run for the tests:")
    heard = io.StringIO()
    with contextlib.redirect_stdout(heard):
        for solution in solutions:
            exec(solution, namespace)
    print(heard.getvalue(), end="")
    for name in set(namespace) - set(readers_own):
        del namespace[name]
    namespace.update(readers_own)
    if ": not " in heard.getvalue():
        raise AssertionError("a stored solution does not pass its own check")


# --- the residual recurrence -------------------------------------------------------------------------


class ResidualCache(NamedTuple):
    """What `residual_backward` and `residual_jacobians` need to know about one pass forward."""

    x: np.ndarray
    states: np.ndarray  # (T + 1, B, H): h_0, h_1, ..., h_T
    increments: np.ndarray  # (T, B, H): f(z_1), ..., f(z_T)
    weight_ih: np.ndarray
    weight_hh: np.ndarray
    nonlinearity: str
    keep: float
    step: float


def residual_forward(x, weight_ih, weight_hh, bias, h0=None, *, nonlinearity="tanh", keep=1.0, step=1.0):
    """Run h_t = keep h_{t-1} + step f(U h_{t-1} + W x_t + b): equation (6.50) if keep and step are 1.

    Parameters
    ----------
    x : ndarray, shape (T, B, D)
    weight_ih, weight_hh, bias : ndarray, shapes (H, D), (H, H), (H,)
    h0 : ndarray, shape (B, H), optional
        Zeros if missing.
    nonlinearity : str
        As for `RNN`.
    keep, step : float
        A leak (keep below 1) and the size of a step.

    Returns
    -------
    output : ndarray, shape (T, B, H)
    cache : ResidualCache
        For `residual_backward`.

    Notes
    -----
    S networks run side by side if the parameters are stacked, (S, H, D) ..., and x is (T, S, B, D).

    Raises
    ------
    TypeError, ValueError
        As for `RNN`.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> residual_forward(np.ones((3, 1, 1)), one, one, one[0], nonlinearity="identity")[0].ravel()  # 2 h + 2
    array([ 2.,  6., 14.])
    >>> relu = {"nonlinearity": "relu", "keep": 0.5, "step": 2.0}
    >>> residual_forward(np.ones((2, 1, 1)), one, one, -one[0], one, **relu)[0].ravel()  # 0.5 h + 2 relu(h)
    array([2.5 , 6.25])
    >>> two = np.array([[[1.0]], [[0.5]]])  # two networks, with U = 1 and U = 0.5, W = 0, b = 1
    >>> stacked = residual_forward(np.ones((3, 2, 1, 1)), 0 * two, two, np.ones((2, 1)), nonlinearity="identity")
    >>> stacked[0][:, :, 0, 0].tolist()
    [[1.0, 1.0], [3.0, 2.5], [7.0, 4.75]]
    """
    *stack, _, hidden_size = np.shape(weight_hh) if np.ndim(weight_hh) > 1 else ("H", "H")
    _check_array("weight_hh", weight_hh, (*stack, hidden_size, hidden_size))
    dtype = weight_hh.dtype
    _check_array("weight_ih", weight_ih, (*stack, hidden_size, "D"), dtype)
    _check_array("bias", bias, (*stack, hidden_size), dtype)
    _check_array("x", x, ("T", *stack, "B", weight_ih.shape[-1]), dtype)
    if h0 is not None:
        _check_array("h0", h0, (*x.shape[1:-1], hidden_size), dtype)
    f, _ = NONLINEARITIES[_checked_nonlinearity(nonlinearity)]
    increments = x @ np.swapaxes(weight_ih, -1, -2) + np.expand_dims(bias, -2)  # W x_t + b; then z_t, then f(z_t)
    states = np.empty((len(x) + 1, *increments.shape[1:]), dtype)
    states[0] = 0 if h0 is None else h0
    for t, increment in enumerate(increments):
        increment += states[t] @ np.swapaxes(weight_hh, -1, -2)
        states[t + 1] = keep * states[t] + step * f(increment, out=increment)
    return states[1:], ResidualCache(x, states, increments, weight_ih, weight_hh, nonlinearity, keep, step)


def residual_backward(grad_output, cache):
    """Back through `residual_forward`: dL/dh_{t-1} = (keep I + step G_t)^T dL/dh_t + dL_{t-1}/dh_{t-1}.

    Parameters
    ----------
    grad_output : ndarray, shape (T, B, H)
        Row t - 1 is dL_t/dh_t.
    cache : ResidualCache

    Returns
    -------
    dict
        The derivatives with respect to x, h0, weight_ih, weight_hh and bias.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> _, cache = residual_forward(np.ones((2, 1, 1)), one, one, -one[0], one, keep=0.5, step=2.0, nonlinearity="relu")
    >>> gradients = residual_backward(np.ones((2, 1, 1)), cache)  # L = h_1 + h_2, and each dh_t/dh_{t-1} is 2.5
    >>> {name: gradient.ravel().tolist() for name, gradient in gradients.items()}
    {'x': [7.0, 2.0], 'h0': [8.75], 'weight_ih': [9.0], 'weight_hh': [12.0], 'bias': [9.0]}
    >>> rng = np.random.default_rng(0)  # two networks side by side; T = 3, B = 4, D = 5, H = 6
    >>> shapes = {"x": (3, 2, 4, 5), "weight_ih": (2, 6, 5), "weight_hh": (2, 6, 6), "bias": (2, 6), "h0": (2, 4, 6)}
    >>> arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    >>> grad_output = rng.normal(size=(3, 2, 4, 6))
    >>> def loss(name, value):
    ...     return (residual_forward(**arrays | {name: value})[0] * grad_output).sum()
    >>> moved = {name: numerical_gradient(lambda a: loss(name, a), arrays[name]) for name in arrays}
    >>> compare_gradients(residual_backward(grad_output, residual_forward(**arrays)[1]), moved, rtol=1e-7)
    x          (3, 2, 4, 5)  agrees (relative error <= 1e-07)
    h0         (2, 4, 6)     agrees (relative error <= 1e-07)
    weight_ih  (2, 6, 5)     agrees (relative error <= 1e-07)
    weight_hh  (2, 6, 6)     agrees (relative error <= 1e-07)
    bias       (2, 6)        agrees (relative error <= 1e-07)
    """
    _check_kind("cache", cache, ResidualCache)
    _check_array("grad_output", grad_output, cache.increments.shape, cache.x.dtype)
    _, f_prime = NONLINEARITIES[cache.nonlinearity]
    deltas = cache.step * f_prime(cache.increments)
    grad_h = 0
    for delta, grad_loss in zip(deltas[::-1], grad_output[::-1]):
        grad_h = grad_h + grad_loss
        delta *= grad_h  # dL/dz_t
        grad_h = cache.keep * grad_h + delta @ cache.weight_hh
    columns = np.swapaxes(deltas, -1, -2)
    return {
        "x": deltas @ cache.weight_ih,
        "h0": grad_h,
        "weight_ih": (columns @ cache.x).sum(axis=0),
        "weight_hh": (columns @ cache.states[:-1]).sum(axis=0),
        "bias": deltas.sum(axis=(0, -2)),
    }


def residual_jacobians(cache):
    """All dh_t/dh_{t-1} = keep I + step diag(f'(z_t)) U of one pass forward: shape (T, B, H, H).

    Examples
    --------
    >>> u, bias = np.array([[0.0, 2.0], [-1.0, 0.0]]), np.array([0.0, -3.0])  # the second unit is off
    >>> _, cache = residual_forward(np.ones((1, 1, 1)), np.ones((2, 1)), u, bias,
    ...                             nonlinearity="relu", keep=0.5, step=3.0)
    >>> residual_jacobians(cache)[0, 0]
    array([[0.5, 6. ],
           [0. , 0.5]])
    """
    _check_kind("cache", cache, ResidualCache)
    _, f_prime = NONLINEARITIES[cache.nonlinearity]
    kept = cache.keep * np.eye(cache.weight_hh.shape[-1])
    return kept + cache.step * f_prime(cache.increments)[..., None] * np.expand_dims(cache.weight_hh, -3)


def product_log_norms(jacobians):
    """The natural logarithm of the spectral norm of J_n ... J_2 J_1, for n = 0 ... T; it cannot overflow.

    Parameters
    ----------
    jacobians : ndarray, shape (T, ..., H, H)
        The middle axes are products side by side.

    Returns
    -------
    ndarray, shape (T + 1, ...)
        -inf from the step at which a product is exactly zero; NaN from one that is not finite.

    Examples
    --------
    >>> (product_log_norms(np.array([np.diag([1e200, 1e-200])] * 3)) / np.log(10)).round(6)
    array([  0., 200., 400., 600.])
    >>> first, second = np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [2.0, 0.0]])
    >>> product_log_norms(np.array([first, second])).round(4)  # first @ second would be zero
    array([0.    , 0.    , 0.6931])
    >>> product_log_norms(np.array([np.eye(2), np.zeros((2, 2)), np.full((2, 2), np.nan)]))
    array([  0.,   0., -inf,  nan])
    >>> stacked = np.array([np.diag([n, 0.5]) for n in (1.0, 2.0, 4.0)])  # three products side by side
    >>> (product_log_norms(np.array([stacked, stacked])) / np.log(2)).round(6).tolist()
    [[0.0, 0.0, 0.0], [0.0, 1.0, 2.0], [0.0, 2.0, 4.0]]
    """
    *stack, _, size = np.shape(jacobians) if np.ndim(jacobians) > 2 else ("T", "H", "H")
    _check_array("jacobians", jacobians, (*stack, size, size))
    product, log_norm = np.eye(size), np.zeros(jacobians.shape[1:-2])
    logs = [log_norm]
    for jacobian in jacobians:
        product = jacobian @ product
        lost = ~np.isfinite(product).all(axis=(-2, -1))
        norm = np.linalg.norm(np.where(lost[..., None, None], 0, product), 2, axis=(-2, -1))
        scale = np.where(norm > 0, norm, 1)
        product = product / scale[..., None, None]  # only its direction is kept
        log_norm = np.where(lost, np.nan, np.where(norm > 0, log_norm + np.log(scale), -np.inf))
        logs.append(log_norm)
    return np.array(logs)


# --- pictures ----------------------------------------------------------------------------------------

# Okabe and Ito's palette, told apart by colour-blind readers too
COLORS = {"blue": "#0072B2", "orange": "#D55E00", "green": "#009E73", "pink": "#CC79A7", "sky": "#56B4E9",
          "yellow": "#E69F00", "grey": "#7F7F7F"}  # fmt: skip


def plot_style():
    """Set matplotlib's defaults for the series: large type, a colour-blind-safe palette, a light grid."""
    import matplotlib.pyplot as plt

    plt.rcParams.update({
        "figure.figsize": (9, 4),
        "figure.constrained_layout.use": True,
        "font.size": 14,
        "axes.titlesize": 15,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": plt.cycler(color=list(COLORS.values())),
        "lines.linewidth": 2.2,
    })  # fmt: skip


def draw_unrolled(steps, *, losses=None, backward=False, title=None):
    """Draw the network unrolled over `steps` steps; with `backward`, also the way of the error.

    Parameters
    ----------
    steps : int
    losses : list of int, optional
        The steps that have a loss; all by default.
    backward : bool
        Draw the arrows of delta, from each loss back to h_0.
    title : str, optional
    """
    import matplotlib.pyplot as plt

    losses = range(1, steps + 1) if losses is None else losses
    _, ax = plt.subplots(figsize=(2.1 * steps + 2, 4.6))
    blue, orange, grey = COLORS["blue"], COLORS["orange"], COLORS["grey"]

    def node(column, row, text, color):
        ax.text(2 * column, row, text, ha="center", va="center", fontsize=17,
                bbox={"boxstyle": "circle,pad=0.35", "fc": "white", "ec": color, "lw": 2})  # fmt: skip

    def arrow(start, end, color, style="-"):
        properties = {"arrowstyle": "-|>", "color": color, "lw": 2, "ls": style, "shrinkA": 21, "shrinkB": 21}
        ax.annotate("", (2 * end[0], end[1]), (2 * start[0], start[1]), arrowprops=properties)

    node(0, 0, "$h_0$", grey)
    for t in range(1, steps + 1):
        node(t, 0, f"$h_{t}$", blue)
        node(t, -1.5, f"$x_{t}$", grey)
        arrow((t - 1, 0), (t, 0), blue)
        arrow((t, -1.5), (t, 0), blue)
        ax.text(2 * t - 1, 0.14, "$U$", ha="center", color=blue, fontsize=15)
        ax.text(2 * t + 0.1, -0.8, "$W$", color=blue, fontsize=15)
        if t in losses:
            node(t, 1.5, f"$L_{t}$", blue)
            arrow((t, 0), (t, 1.5), blue)
        if backward:
            if t in losses:
                arrow((t + 0.11, 1.5), (t + 0.11, 0), orange, "--")
            arrow((t, -0.28), (t - 1, -0.28), orange, "--")
            ax.text(2 * t - 1, -0.62, rf"$\delta_{t}$", ha="center", color=orange, fontsize=15)
    ax.set(xlim=(-0.7, 2 * steps + 0.8), ylim=(-2.1, 2.1), title=title or "")
    ax.axis("off")
    plt.show()


def plot_delta_triangle(norms, title):
    """Show the norm of every delta_{t,k} as a triangle of coloured fields, log scale; zero stays blank.

    Parameters
    ----------
    norms : ndarray, shape (T, T)
        Row t - 1, column k - 1.
    title : str
    """
    import matplotlib.pyplot as plt
    from matplotlib.colors import LogNorm

    steps = len(norms)
    _, ax = plt.subplots(figsize=(7, 4.4))
    ticks = np.arange(1, steps + 1)
    fields = ax.pcolormesh(ticks, ticks, np.where(norms > 0, norms, np.nan), norm=LogNorm(), cmap="cividis")
    ax.invert_yaxis()
    ax.set(xlabel="$k$: the step the error has reached", ylabel="$t$: the step of the loss", title=title)
    ax.set(xticks=ticks[:: -(-steps // 10)], yticks=ticks[:: -(-steps // 10)])
    ax.grid(False)
    plt.colorbar(fields, label=r"$\|\delta_{t,k}\|$")
    plt.show()


def plot_over_span(curves, *, ylabel, title, xlabel="span $t-k$ (steps)"):
    """Draw norms against the span, log scale: a straight line is a geometric growth or decay.

    Parameters
    ----------
    curves : dict
        Label -> norms at span 0, 1, 2, ...
    ylabel, title, xlabel : str
    """
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    for style, (label, norms) in zip(["-", "--", "-.", ":"] * len(curves), curves.items()):
        ax.semilogy(np.arange(len(norms)), norms, style, label=label)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    ax.legend(fontsize=12)
    plt.show()
