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


def _checked_parameters(weight_ih, weight_hh, bias_ih, bias_hh):
    """Copies of the parameters; raise if their shapes or dtypes do not fit each other."""
    _check_array("weight_hh", weight_hh, ("H", "H"))
    hidden_size, dtype = len(weight_hh), weight_hh.dtype
    _check_array("weight_hh", weight_hh, (hidden_size, hidden_size))
    _check_array("weight_ih", weight_ih, (hidden_size, "D"), dtype)
    for name, bias in [("bias_ih", bias_ih), ("bias_hh", bias_hh)]:
        if bias is not None:
            _check_array(name, bias, (hidden_size,), dtype)
    return [None if p is None else p.copy() for p in (weight_ih, weight_hh, bias_ih, bias_hh)]


def _checked_nonlinearity(nonlinearity):
    if nonlinearity not in NONLINEARITIES:
        raise ValueError(f"nonlinearity: expected one of {list(NONLINEARITIES)}, got {nonlinearity!r}")
    return nonlinearity


def _total_bias(bias_ih, bias_hh):
    """b = bias_ih + bias_hh, where a missing bias is zero."""
    return sum(bias for bias in (bias_ih, bias_hh) if bias is not None)


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
    >>> cell.forward(np.ones((4, 1)), np.ones((3, 1)))
    Traceback (most recent call last):
    ValueError: h_prev: expected shape (4, 1), got (3, 1)
    >>> cell.forward(np.ones((4, 2)), np.ones((4, 1)))
    Traceback (most recent call last):
    ValueError: x: expected shape (B, 1), got (4, 2)
    >>> cell.backward(np.ones((2, 1)), cache)
    Traceback (most recent call last):
    ValueError: grad_h: expected shape (1, 1), got (2, 1)
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
    >>> RNN(np.ones((4, 3)), np.ones((5, 5)))
    Traceback (most recent call last):
    ValueError: weight_ih: expected shape (5, D), got (4, 3)
    >>> RNN(np.ones((5, 3)), np.ones((5, 4)))
    Traceback (most recent call last):
    ValueError: weight_hh: expected shape (5, 5), got (5, 4)
    >>> RNN(np.ones((5, 3)), np.ones((5, 5)), bias_hh=np.ones(3))
    Traceback (most recent call last):
    ValueError: bias_hh: expected shape (5,), got (3,)
    >>> RNN(np.ones((5, 3)), np.ones((5, 5), dtype=int))
    Traceback (most recent call last):
    TypeError: weight_hh: expected dtype float32 or float64, got int64
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
        >>> RNN.init(3, 0, rng=np.random.default_rng(0))
        Traceback (most recent call last):
        ValueError: hidden_size: expected a whole number of at least 1, got 0
        >>> RNN.init(3, 4, rng=42)
        Traceback (most recent call last):
        TypeError: rng: expected a numpy.random.Generator, got int
        """
        for name, size in [("input_size", input_size), ("hidden_size", hidden_size)]:
            if not isinstance(size, (int, np.integer)) or size < 1:
                raise ValueError(f"{name}: expected a whole number of at least 1, got {size!r}")
        if not isinstance(rng, np.random.Generator):
            raise TypeError(f"rng: expected a numpy.random.Generator, got {type(rng).__name__}")
        shapes = [(hidden_size, input_size), (hidden_size, hidden_size)] + [(hidden_size,)] * (2 if bias else 0)
        bound = 1 / np.sqrt(hidden_size)
        return cls(*(rng.uniform(-bound, bound, s).astype(dtype) for s in shapes), nonlinearity=nonlinearity)

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
        >>> RNN.from_torch(torch.nn.RNN(3, 4, bidirectional=True))
        Traceback (most recent call last):
        ValueError: module: expected bidirectional=False, got bidirectional=True
        >>> RNN.from_torch(torch.nn.RNN(3, 4, batch_first=True))
        Traceback (most recent call last):
        ValueError: module: expected batch_first=False, got batch_first=True
        >>> RNN.from_torch(torch.nn.GRU(3, 4))
        Traceback (most recent call last):
        TypeError: module: expected a torch.nn.RNN, got GRU
        """
        import torch

        if not isinstance(module, torch.nn.RNN):
            raise TypeError(f"module: expected a torch.nn.RNN, got {type(module).__name__}")
        for name, wanted in [("num_layers", 1), ("bidirectional", False), ("batch_first", False)]:
            if getattr(module, name) != wanted:
                raise ValueError(f"module: expected {name}={wanted}, got {name}={getattr(module, name)}")
        parameters = (p.detach().cpu().numpy() for p in module.parameters())
        return cls(*parameters, nonlinearity=module.nonlinearity)

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
        >>> rnn.forward(np.ones((2, 3)))
        Traceback (most recent call last):
        ValueError: x: expected shape (T, B, 3), got (2, 3)
        >>> rnn.forward(np.ones((0, 2, 3)))
        Traceback (most recent call last):
        ValueError: x: expected shape (T, B, 3), every size at least 1, got (0, 2, 3)
        >>> rnn.forward(np.ones((5, 2, 3)), np.zeros((3, 4)))
        Traceback (most recent call last):
        ValueError: state: expected shape (2, 4), got (3, 4)
        >>> rnn.forward(np.ones((5, 2, 3), dtype=np.float32))
        Traceback (most recent call last):
        TypeError: x: expected dtype float64, as the weights have, got float32
        >>> rnn.forward([[[1.0, 2.0, 3.0]]])
        Traceback (most recent call last):
        TypeError: x: expected a NumPy array, got list
        """
        hidden_size, input_size = self.weight_ih.shape
        dtype = self.weight_ih.dtype
        _check_array("x", x, ("T", "B", input_size), dtype)
        steps, batch, _ = x.shape
        if state is not None:
            _check_array("state", state, (batch, hidden_size), dtype)
        f, _ = NONLINEARITIES[self.nonlinearity]

        states = np.empty((steps + 1, batch, hidden_size), dtype)
        states[0] = 0 if state is None else state
        output = states[1:]
        np.matmul(x.reshape(-1, input_size), self.weight_ih.T, out=output.reshape(-1, hidden_size))
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
        >>> rnn.backward(np.ones((5, 2, 4)), other.forward(np.ones((5, 2, 3)))[1])
        Traceback (most recent call last):
        ValueError: cache: expected one made by this network's forward, got another network's
        >>> rnn.backward(np.ones((5, 2, 4)), output)
        Traceback (most recent call last):
        TypeError: cache: expected an RNNCache, got ndarray
        >>> rnn.backward(np.ones((2, 5, 4)), cache)
        Traceback (most recent call last):
        ValueError: grad_output: expected shape (5, 2, 4), got (2, 5, 4)
        >>> rnn.backward(np.ones((5, 2, 4)), cache, grad_h_n=np.ones((1, 2, 4)))
        Traceback (most recent call last):
        ValueError: grad_h_n: expected shape (2, 4), got (1, 2, 4)
        """
        x, states, output = self._checked_cache(grad_output, cache)
        if grad_h_n is not None:
            _check_array("grad_h_n", grad_h_n, states[0].shape, states.dtype)
        hidden_size, input_size = self.weight_ih.shape
        _, f_prime = NONLINEARITIES[self.nonlinearity]

        deltas = f_prime(output, out=np.empty(output.shape, output.dtype))
        grad_h = np.zeros_like(states[0]) if grad_h_n is None else grad_h_n.copy()
        for delta, grad_loss in zip(deltas[::-1], grad_output[::-1]):
            grad_h += grad_loss  # dL/dh_k: the loss of this step and all later steps
            delta *= grad_h  # dL/dz_k
            np.matmul(delta, self.weight_hh, out=grad_h)  # handed on to h_{k-1}

        flat = deltas.reshape(-1, hidden_size)
        grad_bias = np.ones(len(flat), flat.dtype) @ flat  # the sum over time and batch, as a product: faster
        return Gradients(
            x=(flat @ self.weight_ih).reshape(x.shape),
            h0=grad_h,
            weight_ih=flat.T @ x.reshape(-1, input_size),
            weight_hh=flat.T @ states[:-1].reshape(-1, hidden_size),
            bias_ih=None if self.bias_ih is None else grad_bias,
            bias_hh=None if self.bias_hh is None else grad_bias.copy(),
        )

    def _checked_cache(self, grad_output, cache):
        """The x, states and output in the cache; raise if it or grad_output do not fit."""
        if not isinstance(cache, RNNCache):
            raise TypeError(f"cache: expected an RNNCache, got {type(cache).__name__}")
        if cache.network is not self:
            raise ValueError("cache: expected one made by this network's forward, got another network's")
        output = cache.states[1:]
        _check_array("grad_output", grad_output, output.shape, output.dtype)
        return cache.x, cache.states, output


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
    _, _, output = rnn._checked_cache(grad_output, cache)
    steps, (_, f_prime) = len(output), NONLINEARITIES[rnn.nonlinearity]
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
    >>> rtrl_gradients(rnn, x, grad_output[1:], h0)
    Traceback (most recent call last):
    ValueError: grad_output: expected shape (5, 4, 6), got (4, 4, 6)
    """
    output, cache = rnn.forward(x, state)
    _check_array("grad_output", grad_output, output.shape, output.dtype)
    _, f_prime = NONLINEARITIES[rnn.nonlinearity]
    (_, batch, hidden_size), input_size = output.shape, x.shape[2]
    eye = np.eye(hidden_size, dtype=output.dtype)

    # dh[b, i, ...]: the derivative of unit i of h_t, in sequence b, by each entry of U, W, b and h_0
    dh_u = np.zeros((batch, hidden_size, hidden_size, hidden_size), output.dtype)
    dh_w = np.zeros((batch, hidden_size, hidden_size, input_size), output.dtype)
    dh_b = np.zeros((batch, hidden_size, hidden_size), output.dtype)
    dh_0 = np.broadcast_to(eye, (batch, hidden_size, hidden_size))
    totals = [0, 0, 0]
    grad_h0 = np.zeros_like(cache.states[0])
    for t, h in enumerate(output):
        # (6.44): what was there, carried through U, plus the direct partial d+z/dU_ij = I_i([h]_j)
        dh_u = np.einsum("pi,bi...->bp...", rnn.weight_hh, dh_u) + np.einsum("pi,bj->bpij", eye, cache.states[t])
        dh_w = np.einsum("pi,bi...->bp...", rnn.weight_hh, dh_w) + np.einsum("pi,bj->bpij", eye, x[t])
        dh_b = np.einsum("pi,bi...->bp...", rnn.weight_hh, dh_b) + eye
        dh_0 = np.einsum("pi,bi...->bp...", rnn.weight_hh, dh_0)
        dh_u, dh_w, dh_b, dh_0 = (np.einsum("bp,bp...->bp...", f_prime(h), d) for d in (dh_u, dh_w, dh_b, dh_0))
        # (6.46), summed over the batch, and over time as the losses come in
        new = [np.einsum("bp,bp...->...", grad_output[t], d) for d in (dh_w, dh_u, dh_b)]
        totals = [total + n for total, n in zip(totals, new)]
        grad_h0 += np.einsum("bp,bpi->bi", grad_output[t], dh_0)
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
        If `array` is not a float array, `step` not positive, or the loss not a single number.

    Examples
    --------
    >>> numerical_gradient(lambda a: (a**3).sum(), np.array([1.0, 2.0])).round(6)
    array([ 3., 12.])
    >>> numerical_gradient(lambda a: (a**3).sum(), np.array([1.0]), step=0.5)  # 3 + e^2, exactly
    array([3.25])
    >>> numerical_gradient(lambda a: a, np.array([1.0, 2.0]))
    Traceback (most recent call last):
    ValueError: loss: expected a single number, got shape (2,)
    >>> numerical_gradient(np.sum, np.array([1, 2]))
    Traceback (most recent call last):
    TypeError: array: expected dtype float32 or float64, got int64
    >>> numerical_gradient(np.sum, np.array([1.0]), step=0)
    Traceback (most recent call last):
    ValueError: step: expected a positive number, got 0
    """
    _check_array("array", array, tuple("n" * np.ndim(array)))
    if step is None:
        step = np.cbrt(np.finfo(array.dtype).eps)
    if not step > 0:
        raise ValueError(f"step: expected a positive number, got {step}")
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        above, below = array.copy(), array.copy()
        above[index] += step
        below[index] -= step
        difference = np.asarray(loss(above)) - np.asarray(loss(below))
        if difference.size != 1:
            raise ValueError(f"loss: expected a single number, got shape {difference.shape}")
        gradient[index] = difference.item() / (above[index] - below[index])  # the step that was really made
    return gradient


def autograd_gradients(rnn, x, grad_output, state=None, *, grad_h_n=None):
    """The same gradients by PyTorch's autograd, which differentiates the forward equations by itself.

    Parameters
    ----------
    rnn : RNN
    x, grad_output, state, grad_h_n : ndarray
        As for `RNN.forward` and `RNN.backward`. The loss is sum(output * grad_output) + sum(h_T * grad_h_n).

    Returns
    -------
    Gradients

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
    """
    import torch

    f = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "identity": torch.clone}[
        rnn.nonlinearity
    ]
    if state is None:
        state = np.zeros((x.shape[1], len(rnn.weight_hh)), x.dtype)
    arrays = [x, state, rnn.weight_ih, rnn.weight_hh, rnn.bias_ih, rnn.bias_hh]
    leaves = [None if a is None else torch.tensor(a, requires_grad=True) for a in arrays]
    xs, h, w, u, *biases = leaves
    loss = 0
    for x_t, grad in zip(xs, torch.tensor(grad_output)):
        h = f(x_t @ w.T + h @ u.T + _total_bias(*biases))
        loss = loss + (h * grad).sum()
    if grad_h_n is not None:
        loss = loss + (h * torch.tensor(grad_h_n)).sum()
    loss.backward()
    return Gradients(*(None if leaf is None else leaf.grad.numpy() for leaf in leaves))


# --- checks that can fail ----------------------------------------------------------------------------


def _relative_error(ours, reference):
    """max |ours - reference| / max |reference|; inf unless both are finite."""
    if not (np.isfinite(ours).all() and np.isfinite(reference).all()):
        return np.inf
    difference, scale = np.abs(ours - reference).max(), np.abs(reference).max()
    return difference / scale if scale > 0 else np.inf * difference if difference > 0 else 0.0


def _as_numpy(value):
    """A NumPy array of `value`, which may be a torch tensor (also one that requires a gradient)."""
    return np.asarray(value.detach() if hasattr(value, "detach") else value)


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
    ours, reference = ({} | (g if isinstance(g, dict) else g._asdict()) for g in (ours, reference))
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
        a, b = _as_numpy(ours[name]), _as_numpy(reference[name])
        if a.shape != b.shape:
            raise AssertionError(f"{name} differs: its shape is {a.shape}, the reference has {b.shape}")
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
    >>> verify_equation("6.40", np.ones((2, 1)), np.ones((1, 2)))
    Traceback (most recent call last):
    AssertionError: (6.40) does not hold: shape (2, 1) on the left, (1, 2) on the right
    >>> verify_equation("6.40", np.zeros(2), np.zeros(2))
    Traceback (most recent call last):
    AssertionError: (6.40) is not verified: both sides are zero or empty
    >>> verify_equation("6.40", [np.nan], [np.nan])
    Traceback (most recent call last):
    AssertionError: (6.40) does not hold: relative error inf, accepted 1e-10
    """
    left, right = _as_numpy(left), _as_numpy(right)
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
    >>> clip_grad_norm({"weight_hh": np.ones(2)}, 0)
    Traceback (most recent call last):
    ValueError: max_norm: expected a positive number, got 0
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm: expected a positive number, got {max_norm}")
    named = gradients if isinstance(gradients, dict) else gradients._asdict()
    parameters = {n: g for n, g in named.items() if g is not None and n not in ("x", "h0", "c0")}
    for name, gradient in parameters.items():
        if not np.isfinite(gradient).all():
            raise ValueError(f"gradients: expected finite numbers, got NaN or inf in {name}")
    largest = max((float(np.abs(g).max()) for g in parameters.values()), default=0.0) or 1.0
    norm = largest * float(np.sqrt(sum(((g.astype(float) / largest) ** 2).sum() for g in parameters.values())))
    if norm > max_norm:
        parameters = {name: gradient * (max_norm / norm) for name, gradient in parameters.items()}
    clipped = {**named, **parameters}
    return (clipped if isinstance(gradients, dict) else type(gradients)(**clipped)), norm


def random_case(rng, *, nonlinearity="tanh", bias=True):
    """A random network with data, for checks: T, B, D and H all different, so that no swapped axes go unseen.

    Returns
    -------
    rnn : RNN
    x, h0, grad_output, grad_h_n : ndarray
        Standard normal, shapes (T, B, D), (B, H), (T, B, H), (B, H), each size from 2 to 7.

    Examples
    --------
    >>> rnn, x, h0, grad_output, grad_h_n = random_case(np.random.default_rng(0))
    >>> x.shape, h0.shape, grad_output.shape, grad_h_n.shape
    ((5, 4, 7), (4, 6), (5, 4, 6), (4, 6))
    """
    steps, batch, input_size, hidden_size = (int(n) for n in rng.permutation(np.arange(2, 8))[:4])
    rnn = RNN.init(input_size, hidden_size, bias=bias, rng=rng, nonlinearity=nonlinearity)
    shapes = [(steps, batch, input_size), (batch, hidden_size), (steps, batch, hidden_size), (batch, hidden_size)]
    return rnn, *(rng.standard_normal(shape) for shape in shapes)


# --- exercises ---------------------------------------------------------------------------------------


def check_exercise(name, attempt, expected, mistakes=None):
    """Print one line on a reader's result: right, not attempted, or what is wrong with it. Never raises.

    Parameters
    ----------
    name : str
        The number of the exercise.
    attempt : callable
        Called without arguments; returns the reader's array or number, None or ... where nothing is done yet.
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
    >>> check_exercise("1.1", lambda: -2 * right, right)
    Exercise 1.1: not yet. Every entry is off by the factor -2
    >>> check_exercise("1.1", lambda: right * np.nan, right)
    Exercise 1.1: not yet. There are NaN or inf in it
    >>> check_exercise("1.1", lambda: right + [[0, 0, 1]], right)
    Exercise 1.1: not yet. 1 of 3 entries differ, the first at index (0, 2)
    >>> check_exercise("1.1", lambda: right @ right, right)  # doctest: +ELLIPSIS
    Exercise 1.1: not yet. The code raised ValueError: matmul: ...
    """
    expected = _as_numpy(expected)
    try:
        value = attempt()
        if value is None or value is ...:
            print(f"Exercise {name}: not attempted yet")
            return
        value = _as_numpy(value).astype(float)
    except Exception as error:
        print(f"Exercise {name}: not yet. The code raised {type(error).__name__}: {error}")
        return
    if value.shape != expected.shape:
        hint = ": transposed?" if value.T.shape == expected.shape else ""
        problem = f"The shape is {value.shape}, expected {expected.shape}{hint}"
    elif not np.isfinite(value).all():
        problem = "There are NaN or inf in it"
    elif _relative_error(value, expected) <= 1e-7:
        print(f"Exercise {name}: correct")
        return
    else:
        known = [m for m, wrong in (mistakes or {}).items() if _relative_error(value, wrong) <= 1e-7]
        factor = (value * expected).sum() / (expected**2).sum()
        wrong_at = np.argwhere(np.abs(value - expected) > 1e-7 * np.abs(expected).max())
        if known:
            problem = f"This is the result of a typical mistake: {known[0]}"
        elif factor != 0 and _relative_error(value, factor * expected) <= 1e-7:
            problem = f"Every entry is off by the factor {factor:.4g}"
        else:
            first = tuple(int(i) for i in wrong_at[0])
            problem = f"{len(wrong_at)} of {expected.size} entries differ, the first at index {first}"
    print(f"Exercise {name}: not yet. {problem}")


def run_solutions(notebook, namespace):
    """Run the solutions that are folded away in a notebook, in order, each in the reader's `namespace`.

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
    """
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    folded = re.findall(r"<details>.*?</details>", text, re.DOTALL)
    solutions = re.findall(r"```python\n(.*?)```", "\n".join(folded), re.DOTALL)
    if not solutions:
        raise ValueError(f"notebook: expected folded solutions, got none in {notebook}")
    for solution in solutions:
        exec(solution, namespace)


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
    _, ax = plt.subplots(figsize=(7, 5))
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
