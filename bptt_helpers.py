"""Back-propagation through time (BPTT, 随时间反向传播) by hand, in NumPy: the helper module of the notebooks.

Names, shapes and the order of the arguments are PyTorch's, so that a reader of `torch.nn.RNN` can read this too:

* sequences are time-major: ``x`` is (T, B, D), ``output`` is (T, B, H), a state is (B, H);
* ``weight_hh`` is the textbook's U, ``weight_ih`` its W, and ``bias_ih + bias_hh`` its b;
* `forward` returns what `backward` needs as an explicit cache; nothing is hidden in the object.

T: time steps, B: batch, D: input size, H: hidden size. In code a state is a row of a batch, so the textbook's
column formula ``U h`` reads ``h @ weight_hh.T``. Equation numbers are those of the public draft (2019) of Qiu Xipeng
(邱锡鹏), Neural Networks and Deep Learning (神经网络与深度学习), chapter 6.
"""

import ast
import contextlib
import copy
import inspect
import io
import itertools
import json
import linecache
import re
import textwrap
import traceback
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

# --- activations: f(z), and f'(z) written with h = f(z), so that z need not be stored -----------------


def _sigmoid(z, out=None):
    out = np.tanh(np.multiply(z, 0.5, out=out), out=out)  # sigmoid(z) = (1 + tanh(z / 2)) / 2 cannot overflow
    return np.multiply(np.add(out, 1, out=out), 0.5, out=out)


def _tanh_prime(h, out=None):
    return np.subtract(1, np.multiply(h, h, out=out), out=out)


def _sigmoid_prime(h, out=None):
    return np.subtract(h, np.multiply(h, h, out=out), out=out)


NONLINEARITIES = {
    "tanh": (np.tanh, _tanh_prime),
    "relu": (lambda z, out=None: np.maximum(z, 0, out=out), np.sign),  # f'(0) = 0, PyTorch's choice
    "sigmoid": (_sigmoid, _sigmoid_prime),
    "identity": (np.positive, lambda h, out=None: np.power(h, 0, out=out)),
}


# --- the simple recurrent network --------------------------------------------------------------------


class Gradients(NamedTuple):
    """The derivative of one loss with respect to each input and parameter, in the shape of each.

    `None` stands for what was not computed or does not exist (a bias that the network does not have).
    """

    x: np.ndarray | None = None  # (T, B, D)
    h0: np.ndarray | None = None  # (B, H)
    weight_ih: np.ndarray | None = None  # (H, D)
    weight_hh: np.ndarray | None = None  # (H, H)
    bias_ih: np.ndarray | None = None  # (H,)
    bias_hh: np.ndarray | None = None  # (H,)


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
    Equations (6.5) and (6.6) forward, one step of (6.36) backward. Derived in notebook 01, written in notebook 04.

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



class CellCache(NamedTuple):
    """What `RNNCell.backward` needs to know about one step forward."""

    x: np.ndarray  # (B, D)
    h_prev: np.ndarray  # (B, H)
    h: np.ndarray  # (B, H)



class RNNCache(NamedTuple):
    """What `RNN.backward` needs to know about one pass forward. It holds `x` itself, not a copy."""

    x: np.ndarray  # (T, B, D)
    states: np.ndarray  # (T + 1, B, H): h_0, h_1, ..., h_T
    network: "RNN"


class RNN:
    """The simple recurrent network h_t = f(U h_{t-1} + W x_t + b) over a whole sequence, equation (6.7).

    Derived in notebooks 01 and 02; notebook 04 builds it from `RNNCell`, and 05 compares it with PyTorch.

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
        """Copy a one-layer, one-direction, time-major torch.nn.RNN; the way back is `to_torch`.

        Examples
        --------
        >>> import torch
        >>> RNN.from_torch(torch.nn.RNN(3, 4, nonlinearity="relu")).nonlinearity
        'relu'
        >>> RNN.from_torch(torch.nn.RNN(3, 4, num_layers=2))
        Traceback (most recent call last):
        ValueError: module: expected num_layers=1, got num_layers=2 (notebook 07 shows how to go on)
        """
        return cls(*_torch_parameters(module, "RNN"), nonlinearity=module.nonlinearity)

    def forward(self, x, state=None):
        """Run the network over a sequence, equation (6.7) for t = 1 ... T.

        Parameters
        ----------
        x : ndarray, shape (T, B, D)
            The steps first. Batch-first data, (B, T, D), cannot be told from it: swap the axes (notebook 07).
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
            From `forward` of this network, with the weights it has now: go back before you update them. The
            cache is not changed, so `backward` may be called again.
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

    def jacobians(self, cache):
        """All dh_t/dh_{t-1} = diag(f'(z_t)) U of one pass forward, shape (T, B, H, H); notebook 03.

        Entry [t - 1, b, i, j] is the derivative of unit i of h_t with respect to unit j of h_{t-1}.

        Examples
        --------
        >>> rnn = RNN(np.ones((2, 1)), np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, -9.0]), nonlinearity="relu")
        >>> rnn.jacobians(rnn.forward(np.ones((1, 1, 1)))[1])[0, 0]  # the second unit is off
        array([[1., 2.],
               [0., 0.]])
        """
        _check_kind("cache", cache, RNNCache)
        _, f_prime = NONLINEARITIES[self.nonlinearity]
        return f_prime(cache.states[1:])[..., None] * self.weight_hh



# --- the textbook's formulas, as printed -------------------------------------------------------------


def delta_table(rnn, grad_output, cache):
    """All delta_{t,k} = dL_t/dz_k of (6.34), by the recursion (6.36) from delta_{t,t}. Notebook 01; O(T^2).

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
    """The double sums (6.39), (6.40), (6.41), term by term as printed. Notebook 02; O(T^2).

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

    Derived in notebook 13. Memory does not grow with T, but a step costs O(B H^4) for U: for small networks only.

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

    # carried[name][b, p, ...]: the derivative of unit p of h_t, in sequence b, with respect to each entry of `name`
    carried = {"h0": np.tile(eye, (batch, 1, 1)), "bias": np.zeros((batch, hidden_size, hidden_size), dtype)}
    carried["weight_ih"] = np.zeros((batch, hidden_size, hidden_size, input_size), dtype)
    carried["weight_hh"] = np.zeros((batch, hidden_size, hidden_size, hidden_size), dtype)
    total = {"h0": 0, "bias": 0, "weight_ih": 0, "weight_hh": 0}
    for x_t, grad_loss in zip(x, grad_output):
        direct = {"h0": 0, "bias": eye}  # the direct partials d+z_t, (6.33): I_i([h_{t-1}]_j) for U
        direct["weight_ih"] = np.einsum("pi,bj->bpij", eye, x_t)
        direct["weight_hh"] = np.einsum("pi,bj->bpij", eye, h)
        h, _ = cell.forward(x_t, h)
        slope = f_prime(h)
        for name in carried:
            through_u = np.einsum("pi,bi...->bp...", rnn.weight_hh, carried[name])
            carried[name] = np.einsum("bp,bp...->bp...", slope, direct[name] + through_u)  # (6.45)
            of_sequences = "bp,bp...->b..." if name == "h0" else "bp,bp...->..."  # a parameter: summed over the batch
            total[name] = total[name] + np.einsum(of_sequences, grad_loss, carried[name])  # (6.46)
    bias_ih, bias_hh = (None if b is None else total["bias"].copy() for b in (rnn.bias_ih, rnn.bias_hh))
    return Gradients(None, total["h0"], total["weight_ih"], total["weight_hh"], bias_ih, bias_hh)


# --- gated networks ----------------------------------------------------------------------------------


class LSTMGradients(NamedTuple):
    """As `Gradients`, and with respect to the first cell c_0; the rows of a weight are i, f, g, o."""

    x: np.ndarray | None = None  # (T, B, D)
    h0: np.ndarray | None = None  # (B, H)
    c0: np.ndarray | None = None  # (B, H)
    weight_ih: np.ndarray | None = None  # (4H, D)
    weight_hh: np.ndarray | None = None  # (4H, H)
    bias_ih: np.ndarray | None = None  # (4H,)
    bias_hh: np.ndarray | None = None  # (4H,)


class LSTMCache(NamedTuple):
    """What `LSTM.backward` needs to know about one pass forward. It holds `x` itself, not a copy."""

    x: np.ndarray  # (T, B, D)
    states: np.ndarray  # (T + 1, B, H): h_0, h_1, ..., h_T
    cells: np.ndarray  # (T + 1, B, H): c_0, c_1, ..., c_T
    gates: np.ndarray  # (T, B, 4, H): i_t, f_t, the candidate g_t, o_t
    network: "LSTM"


class LSTM:
    """Long short-term memory (LSTM, 长短期记忆网络) over a whole sequence, equations (6.51)-(6.59).

    Derived in notebook 08.

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
    due to Gers, Schmidhuber, Cummins (2000), Learning to forget: continual prediction with LSTM,
    DOI 10.1162/089976600300015015.

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
        TypeError: state: expected a pair (h0, c0), got ndarray (notebook 08)
        """
        if state is not None and not (isinstance(state, tuple) and len(state) == 2):
            raise TypeError(f"state: expected a pair (h0, c0), got {type(state).__name__} (notebook 08)")
        h0, c0 = (None, None) if state is None else state
        _check_sequence(self, x, h0=h0, c0=c0)
        (steps, batch, input_size), hidden_size = x.shape, self.weight_hh.shape[1]
        dtype = x.dtype

        states, cells = (np.empty((steps + 1, batch, hidden_size), dtype) for _ in range(2))
        states[0] = 0 if h0 is None else h0
        cells[0] = 0 if c0 is None else c0
        gates = np.empty((steps, batch, 4, hidden_size), dtype)
        stacked = gates.reshape(steps, batch, 4 * hidden_size)  # the same memory as `gates`, as are i, f, g, o
        # sigmoid(a) = tanh(a / 2) / 2 + 1 / 2: one tanh for all four, with 1/2 where a gate is
        half = np.repeat(np.array([0.5, 0.5, 1, 0.5], dtype), hidden_size)
        rows, rest = steps * batch, 1 - half
        np.matmul(x.reshape(rows, input_size), self.weight_ih.T * half, out=stacked.reshape(rows, 4 * hidden_size))
        stacked += _total_bias(self.bias_ih, self.bias_hh) * half
        recurrent, weight_hh_t = np.empty(stacked[0].shape, dtype), self.weight_hh.T * half
        h, c, fresh = states[0], cells[0], np.empty((batch, hidden_size), dtype)
        for z, (i, f, g, o), c_next, h_next in zip(stacked, np.moveaxis(gates, 2, 1), cells[1:], states[1:]):
            np.matmul(h, weight_hh_t, out=recurrent)
            z += recurrent
            np.tanh(z, out=z)
            z *= half
            z += rest
            np.multiply(i, g, out=fresh)
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

    Derived in notebook 08.

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
    Cho et al. (2014), Learning phrase representations using RNN encoder-decoder for statistical machine translation,
    arXiv:1406.1078: the reset gate before the product.

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


# --- the residual recurrence -------------------------------------------------------------------------


class ResidualCache(NamedTuple):
    """What `ResidualRNN.backward` needs to know about one pass forward. It holds `x` itself, not a copy."""

    x: np.ndarray  # (T, B, D)
    states: np.ndarray  # (T + 1, B, H): h_0, h_1, ..., h_T
    increments: np.ndarray  # (T, B, H): f(z_1), ..., f(z_T)
    network: "ResidualRNN"


class ResidualRNN:
    """The residual recurrence h_t = keep h_{t-1} + step f(U h_{t-1} + W x_t + b): (6.50) if keep and step are 1.

    Derived in notebook 03.

    Parameters
    ----------
    weight_ih, weight_hh, bias_ih, bias_hh, nonlinearity
        As for `RNN`.
    keep, step : float
        A leak (keep below 1), and the size of a step; keep 0 and step 1 make it the simple network.

    Notes
    -----
    S networks run side by side if their parameters are stacked, (S, H, D) and so on, and x is (T, S, B, D).

    Raises
    ------
    TypeError, ValueError
        As for `RNN`; also if keep or step is not a finite number.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> double = ResidualRNN(one, one, one[0], nonlinearity="identity")  # h_t = 2 h_{t-1} + 2 if x_t = 1
    >>> double.forward(np.ones((3, 1, 1)))[0].ravel()
    array([ 2.,  6., 14.])
    >>> leaky = ResidualRNN(one, one, -one[0], nonlinearity="relu", keep=0.5, step=2.0)  # 0.5 h + 2 relu(h)
    >>> leaky.forward(np.ones((2, 1, 1)), one)[0].ravel()
    array([2.5 , 6.25])
    >>> two = np.array([[[1.0]], [[0.5]]])  # two networks side by side, with U = 1 and U = 0.5, W = 0, b = 1
    >>> stacked = ResidualRNN(0 * two, two, np.ones((2, 1)), nonlinearity="identity")
    >>> stacked.forward(np.ones((3, 2, 1, 1)))[0][:, :, 0, 0].tolist()
    [[1.0, 1.0], [3.0, 2.5], [7.0, 4.75]]
    """

    def __init__(self, weight_ih, weight_hh, bias_ih=None, bias_hh=None, *, nonlinearity="tanh", keep=1.0, step=1.0):
        parameters = _checked_parameters(weight_ih, weight_hh, bias_ih, bias_hh, stack=np.shape(weight_hh)[:-2])
        self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh = parameters
        self.nonlinearity = _checked_nonlinearity(nonlinearity)
        self.keep, self.step = _checked_number("keep", keep), _checked_number("step", step)

    @classmethod
    def init(cls, input_size, hidden_size, *, bias=True, rng, dtype=np.float64, **options):
        """Draw every parameter from uniform(-1/sqrt(H), 1/sqrt(H)); see `RNN.init`. `options`: those of the class.

        Examples
        --------
        >>> ResidualRNN.init(3, 4, rng=np.random.default_rng(0), keep=0.9).weight_ih.shape
        (4, 3)
        """
        return cls(*_drawn_parameters(input_size, hidden_size, 1, bias, rng, dtype), **options)

    def forward(self, x, state=None):
        """Run the network over a sequence. Parameters, results and errors: as for `RNN.forward`, with a `ResidualCache`.

        Examples
        --------
        >>> output, cache = ResidualRNN.init(3, 4, rng=np.random.default_rng(0)).forward(np.ones((5, 2, 3)))
        >>> output.shape, cache.states.shape, output.flags.writeable
        ((5, 2, 4), (6, 2, 4), False)
        >>> no_bias = ResidualRNN(np.ones((1, 1)), np.ones((1, 1)), nonlinearity="identity")
        >>> no_bias.forward(np.ones((2, 1, 1)))[0].ravel()  # 2 h + 1
        array([1., 3.])
        """
        _check_sequence(self, x, state=state)
        f, _ = NONLINEARITIES[self.nonlinearity]
        weight_hh_t = np.swapaxes(self.weight_hh, -1, -2)
        increments = x @ np.swapaxes(self.weight_ih, -1, -2)  # W x_t; it becomes z_t, then f(z_t), in place
        bias = _total_bias(self.bias_ih, self.bias_hh)
        increments += bias[..., None, :] if bias.ndim else bias
        states = np.empty((len(x) + 1, *increments.shape[1:]), x.dtype)
        states[0] = 0 if state is None else state
        for t, increment in enumerate(increments):
            increment += states[t] @ weight_hh_t
            states[t + 1] = self.keep * states[t] + self.step * f(increment, out=increment)
        output = states[1:]
        output.flags.writeable = False
        return output, ResidualCache(x, states, increments, self)

    def backward(self, grad_output, cache, *, grad_h_n=None):
        """Back through time: dL/dh_{t-1} = (keep I + step G_t)^T dL/dh_t + dL_{t-1}/dh_{t-1}, G_t = diag(f'(z_t)) U.

        Parameters, errors: as for `RNN.backward`, with a `ResidualCache`.

        Returns
        -------
        Gradients

        Examples
        --------
        >>> one = np.ones((1, 1))
        >>> leaky = ResidualRNN(one, one, -one[0], keep=0.5, step=2.0, nonlinearity="relu")
        >>> _, cache = leaky.forward(np.ones((2, 1, 1)), one)
        >>> gradients = leaky.backward(np.ones((2, 1, 1)), cache)  # L = h_1 + h_2, and each dh_t/dh_{t-1} is 2.5
        >>> gradients.x.ravel(), gradients.h0.item(), gradients.weight_hh.item(), gradients.bias_ih.item()
        (array([7., 2.]), 8.75, 12.0, 9.0)
        >>> net, x, h0, grad_output, grad_h_n = random_case(np.random.default_rng(0), ResidualRNN, keep=0.9, step=0.5)
        >>> ours = net.backward(grad_output, net.forward(x, h0)[1], grad_h_n=grad_h_n)
        >>> compare_gradients(ours, autograd_gradients(net, x, grad_output, h0, grad_h_n=grad_h_n), rtol=1e-12)
        x          (5, 4, 7)  agrees (relative error <= 1e-12)
        h0         (4, 6)     agrees (relative error <= 1e-12)
        weight_ih  (6, 7)     agrees (relative error <= 1e-12)
        weight_hh  (6, 6)     agrees (relative error <= 1e-12)
        bias_ih    (6,)       agrees (relative error <= 1e-12)
        bias_hh    (6,)       agrees (relative error <= 1e-12)
        >>> rng = np.random.default_rng(0)  # two networks side by side; T = 3, B = 4, D = 5, H = 6
        >>> stacked = ResidualRNN(*(rng.normal(size=size) for size in [(2, 6, 5), (2, 6, 6), (2, 6)]))
        >>> x, h0, grad_output = (rng.normal(size=size) for size in [(3, 2, 4, 5), (2, 4, 6), (3, 2, 4, 6)])
        >>> ours = stacked.backward(grad_output, stacked.forward(x, h0)[1])
        >>> compare_gradients(ours, numerical_gradients(stacked, x, grad_output, h0), rtol=1e-7)
        x          (3, 2, 4, 5)  agrees (relative error <= 1e-07)
        h0         (2, 4, 6)     agrees (relative error <= 1e-07)
        weight_ih  (2, 6, 5)     agrees (relative error <= 1e-07)
        weight_hh  (2, 6, 6)     agrees (relative error <= 1e-07)
        bias_ih    (2, 6)        agrees (relative error <= 1e-07)
        """
        _check_backward(self, cache, ResidualCache, grad_output, grad_h_n=grad_h_n)
        _, f_prime = NONLINEARITIES[self.nonlinearity]
        deltas = self.step * f_prime(cache.increments)
        grad_h = np.zeros_like(cache.states[0]) if grad_h_n is None else grad_h_n
        for delta, grad_loss in zip(deltas[::-1], grad_output[::-1]):
            grad_h = grad_h + grad_loss
            delta *= grad_h  # dL/dz_t
            grad_h = self.keep * grad_h + delta @ self.weight_hh
        columns = np.swapaxes(deltas, -1, -2)
        grad_bias = deltas.sum(axis=(0, -2))
        return Gradients(
            x=deltas @ self.weight_ih,
            h0=grad_h,
            weight_ih=(columns @ cache.x).sum(axis=0),
            weight_hh=(columns @ cache.states[:-1]).sum(axis=0),
            bias_ih=None if self.bias_ih is None else grad_bias,
            bias_hh=None if self.bias_hh is None else grad_bias.copy(),
        )

    def jacobians(self, cache):
        """All dh_t/dh_{t-1} = keep I + step diag(f'(z_t)) U of one pass forward, shape (T, B, H, H); notebook 03.

        Examples
        --------
        >>> u, bias = np.array([[0.0, 2.0], [-1.0, 0.0]]), np.array([0.0, -3.0])  # the second unit is off
        >>> net = ResidualRNN(np.ones((2, 1)), u, bias, nonlinearity="relu", keep=0.5, step=3.0)
        >>> net.jacobians(net.forward(np.ones((1, 1, 1)))[1])[0, 0]
        array([[0.5, 6. ],
               [0. , 0.5]])
        """
        _check_kind("cache", cache, ResidualCache)
        _, f_prime = NONLINEARITIES[self.nonlinearity]
        *_, hidden_size = self.weight_hh.shape
        kept = self.keep * np.eye(hidden_size)
        return kept + self.step * f_prime(cache.increments)[..., None] * np.expand_dims(self.weight_hh, -3)


def product_log_norms(jacobians):
    """The natural logarithm of the spectral norm of J_n ... J_2 J_1, for n = 0 ... T; it cannot overflow.

    Used in notebooks 03, 09 and 14.

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


# --- judges: differences, PyTorch, comparisons that can fail -----------------------------------------


def numerical_gradient(loss, array, step=None):
    """Central differences (中心差分): (loss(a + e) - loss(a - e)) / (2 e), entry by entry. Explained in notebook 06.

    Parameters
    ----------
    loss : callable
        Takes an array in the shape of `array` and returns a number.
    array : ndarray, float32 or float64
        Where to differentiate. It is not changed: `loss` is given copies.
    step : float, optional
        e is step * max(1, |entry|). By default the cube root of the dtype's machine epsilon (6e-6 in float64),
        which balances the error of the formula, O(e^2), against rounding, O(eps / e).

    Returns
    -------
    ndarray, in the shape of `array`

    Raises
    ------
    TypeError, ValueError
        If `array` is not a float array, `step` not positive or too small to change an entry, the loss not a single
        number or of lower precision than the array; with the default step also if the differences to the right and
        to the left stay apart when it is made smaller: a kink, or a loss that is computed in low precision.

    Examples
    --------
    >>> numerical_gradient(lambda a: (a**3).sum(), np.array([1.0, 2.0])).round(6)
    array([ 3., 12.])
    >>> numerical_gradient(lambda a: (a**2).sum(), np.array([1e6])).round(3)  # the step follows the entry's size
    array([2000000.])
    >>> numerical_gradient(lambda a: (a**3).sum(), np.array([1.0]), step=0.5)  # 3 + e^2, exactly
    array([3.25])
    >>> numerical_gradient(lambda a: a, np.array([1.0, 2.0]))
    Traceback (most recent call last):
    ValueError: loss: expected a single number, got shape (2,)
    >>> numerical_gradient(lambda a: np.maximum(a, 0).sum(), np.array([1.0, 0.0]))
    Traceback (most recent call last):
    ValueError: array: expected a smooth loss at (1,), got slopes 1 and 0 to its right and left: a kink, or low precision (notebook 06)
    """
    _check_array("array", array, tuple("n" * np.ndim(array)))
    chosen = step is not None
    step = step if chosen else np.cbrt(np.finfo(array.dtype).eps)
    _check_positive("step", step)
    here = _loss_value(loss, array.copy(), array.dtype)
    gradient, bend = np.empty_like(array), np.empty_like(array)
    for index in np.ndindex(array.shape):
        right, left = _one_sided(loss, array, index, step, here)
        gradient[index] = (right[0] + left[0]) / (right[1] + left[1])
        bend[index] = abs(right[0] / right[1] - left[0] / left[1])
    if chosen or array.dtype == np.float32:  # float32 rounds too coarsely for the look at both sides
        return gradient
    noise = 1e3 * np.finfo(array.dtype).eps * abs(here) / step
    for index in zip(*np.where(bend > 1e-3 * np.abs(gradient).max() + noise)):
        right, left = (rise / run for rise, run in _one_sided(loss, array, index, step / 10, here))
        if abs(right - left) > bend[index] / 2:  # of a smooth loss, a tenth
            raise ValueError(
                f"array: expected a smooth loss at {tuple(map(int, index))}, got slopes {right:.3g} and {left:.3g} "
                "to its right and left: a kink, or low precision (notebook 06)"
            )
    return gradient


def numerical_jacobian(function, array, step=None):
    """The Jacobian (雅可比矩阵) by central differences: entry (i, j) is d function_i / d array_j. Used from notebook 01 on.

    Parameters
    ----------
    function : callable
        Takes a vector in the shape of `array`, (n,), and returns a vector (m,).
    array, step
        As for `numerical_gradient`, whose errors it raises.

    Returns
    -------
    ndarray, shape (m, n)

    Examples
    --------
    >>> numerical_jacobian(lambda a: np.array([2 * a[0], a[0] * a[1], 5 * a[1]]), np.array([1.0, 3.0])).round(6)
    array([[2., 0.],
           [3., 1.],
           [0., 5.]])
    """
    _check_array("array", array, ("n",))
    size = len(_as_numpy("function", function(array.copy())))
    return np.stack([numerical_gradient(lambda a: function(a)[i], array, step) for i in range(size)])


def numerical_gradients(network, x, grad_output, state=None, *, grad_h_n=None, grad_c_n=None, step=None):
    """All gradients of a network by central differences: every number is moved. Slow; explained in notebook 06.

    Parameters, results and errors: as for `autograd_gradients`, of the loss given there; `step` as for
    `numerical_gradient`. Any network of this module.

    Examples
    --------
    >>> lstm, x, state, grad_output, grad_h_n, grad_c_n = random_case(np.random.default_rng(1), LSTM, bias=False)
    >>> ours = lstm.backward(grad_output, lstm.forward(x, state)[1], grad_h_n=grad_h_n, grad_c_n=grad_c_n)
    >>> moved = numerical_gradients(lstm, x, grad_output, state, grad_h_n=grad_h_n, grad_c_n=grad_c_n)
    >>> compare_gradients(ours, moved, rtol=1e-7)
    x          (6, 2, 4)  agrees (relative error <= 1e-07)
    h0         (2, 3)     agrees (relative error <= 1e-07)
    c0         (2, 3)     agrees (relative error <= 1e-07)
    weight_ih  (12, 4)    agrees (relative error <= 1e-07)
    weight_hh  (12, 3)    agrees (relative error <= 1e-07)
    """
    _, states = _checked_loss(network, x, grad_output, state, grad_h_n, grad_c_n)
    arrays = {"x": x, **{f"{name}0": value for name, value in states.items()}, **parameters(network)}
    last = {"h": grad_h_n, "c": grad_c_n}

    def loss(name, array):
        now = arrays | {name: array}
        moved = replace_parameters(network, **{n: now[n] for n in parameters(network)})
        start = tuple(now[f"{n}0"] for n in states)
        output, cache = moved.forward(now["x"], start if len(start) > 1 else start[0])
        ends = {"h": output[-1], "c": cache.cells[-1]} if len(start) > 1 else {"h": output[-1]}
        return (output * grad_output).sum() + sum((ends[n] * last[n]).sum() for n in ends if last[n] is not None)

    kind = LSTMGradients if "c" in states else Gradients
    return kind(**{n: numerical_gradient(lambda a, n=n: loss(n, a), arrays[n], step) for n in arrays})


def autograd_steps(step, x, state, parameters, grad_output, grad_last=None):
    """Differentiate a recurrence, given as one step forward, by PyTorch's autograd. Used in notebooks 08 and 14.

    Parameters
    ----------
    step : callable
        step(x_t, state, parameters) -> dict of torch tensors: every intermediate by name, and among them the new
        state, under the names of the old one. The arguments are a tensor (B, D) and two dicts of tensors.
    x : ndarray, shape (T, B, D)
    state, parameters : dict of ndarrays
        The first state, for example {"h": h0, "c": c0}; its first entry is the output.
    grad_output : ndarray, shape (T, B, H)
    grad_last : dict of ndarrays, optional
        Additional derivatives for the last state.

    Returns
    -------
    gradients : dict of ndarrays
        dL/dx, dL/d(first state), named h0 and so on, and dL/d(parameters).
    of_steps : dict of ndarrays, shape (T, ...)
        dL/d(each intermediate), at each step.

    Examples
    --------
    >>> import torch
    >>> def tanh_step(x_t, state, parameters):
    ...     z = x_t + state["h"] @ parameters["U"].T
    ...     return {"z": z, "h": torch.tanh(z)}
    >>> one = np.ones((1, 1))
    >>> gradients, of_steps = autograd_steps(tanh_step, 0 * one[None], {"h": 0 * one}, {"U": 2 * one}, one[None])
    >>> gradients["h0"].item(), of_steps["z"].item()
    (2.0, 1.0)
    """
    import torch

    x_leaf = torch.tensor(x, requires_grad=True)
    leaves = {name: torch.tensor(array, requires_grad=True) for name, array in parameters.items()}
    first = {name: torch.tensor(array, requires_grad=True) for name, array in state.items()}
    now, history, losses = first, [], []
    for x_t, grad in zip(x_leaf, torch.tensor(grad_output)):
        values = step(x_t, now, leaves)
        for value in values.values():
            value.retain_grad()
        history.append(values)
        now = {name: values[name] for name in first}
        losses.append((next(iter(now.values())) * grad).sum())
    for name, grad in (grad_last or {}).items():
        losses.append((now[name] * torch.tensor(grad)).sum())
    sum(losses).backward()

    leaves = {"x": x_leaf, **{f"{name}0": leaf for name, leaf in first.items()}, **leaves}
    gradients = {name: _grad_of(leaf) for name, leaf in leaves.items()}
    return gradients, {name: np.array([_grad_of(values[name]) for values in history]) for name in history[0]}


def autograd_gradients(network, x, grad_output, state=None, *, grad_h_n=None, grad_c_n=None):
    """The same gradients by PyTorch's autograd (自动微分), which differentiates the forward equations by itself.

    Parameters
    ----------
    network : RNN, LSTM, GRU or ResidualRNN (one network, not several side by side)
    x, grad_output, state, grad_h_n, grad_c_n : ndarray
        As for the network's `forward` and `backward`. The loss is
        sum(output * grad_output) + sum(h_T * grad_h_n) + sum(c_T * grad_c_n).

    Returns
    -------
    Gradients or LSTMGradients

    Raises
    ------
    TypeError, ValueError
        As for the network's `forward` and `backward`.

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
    >>> for kind in (RNN, LSTM, GRU, ResidualRNN):  # without a state, all start from zero
    ...     network, x, _, grad_output, *_ = random_case(np.random.default_rng(1), kind)
    ...     ours = network.backward(grad_output, network.forward(x)[1])
    ...     theirs = autograd_gradients(network, x, grad_output)
    ...     assert all(np.allclose(a, b, rtol=1e-12, atol=1e-13) for a, b in zip(ours, theirs))
    """
    _, states = _checked_loss(network, x, grad_output, state, grad_h_n, grad_c_n)
    last = {"h": grad_h_n, "c": grad_c_n}
    last = {name: grad for name, grad in last.items() if grad is not None}
    steps = {RNN: _torch_rnn_step, LSTM: _torch_lstm_step, GRU: _torch_gru_step, ResidualRNN: _torch_rnn_step}
    step = steps[type(network)]
    gradients, _ = autograd_steps(
        lambda x_t, state, p: step(network, x_t, state, p), x, states, parameters(network), grad_output, last
    )
    return (LSTMGradients if "c" in states else Gradients)(**gradients)


def _torch_products(x_t, h, parameters):
    """W x_t + b_ih and U h + b_hh, for all gates."""
    import torch

    from_x, from_h = (torch.nn.functional.linear(v, parameters[f"weight_{n}"], parameters.get(f"bias_{n}"))
                      for v, n in ((x_t, "ih"), (h, "hh")))  # fmt: skip
    return from_x, from_h


def _torch_rnn_step(network, x_t, state, parameters):
    import torch

    f = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "identity": torch.clone}
    z = sum(_torch_products(x_t, state["h"], parameters))
    h = f[network.nonlinearity](z)
    if isinstance(network, ResidualRNN):
        h = network.keep * state["h"] + network.step * h
    return {"z": z, "h": h}


def _torch_lstm_step(network, x_t, state, parameters):
    import torch

    i, f, g, o = sum(_torch_products(x_t, state["h"], parameters)).chunk(4, dim=1)
    c = torch.sigmoid(f) * state["c"] + torch.sigmoid(i) * torch.tanh(g)
    return {"c": c, "h": torch.sigmoid(o) * torch.tanh(c)}


def _torch_gru_step(network, x_t, state, parameters):
    import torch

    h = state["h"]
    (x_r, x_z, x_n), (h_r, h_z, h_n) = (p.chunk(3, dim=1) for p in _torch_products(x_t, h, parameters))
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    if network.reset_after:
        return {"h": z * h + (1 - z) * torch.tanh(x_n + r * h_n)}
    _, h_n = _torch_products(x_t, r * h, parameters)  # (6.66): the reset gate before the product
    return {"h": z * h + (1 - z) * torch.tanh(x_n + h_n.chunk(3, dim=1)[2])}


def compare_gradients(ours, reference, *, rtol=None):
    """Compare gradients by name: print one row for each, then raise if any differs. Used in every notebook.

    The relative error of a gradient is max |ours - reference| / max |reference|.

    Parameters
    ----------
    ours, reference : Gradients or dict of arrays (of NumPy or torch)
        Both must have the same names; an entry that is None in both is left out.
    rtol : float, optional
        The largest relative error that is accepted; by default 1e-10, or 3e-5 if one of the two is float32.

    Raises
    ------
    AssertionError
        After the last row, if a gradient is missing, has another shape, holds NaN or inf, or differs. The message
        has the kind of the difference where it is a known one: a factor, a sign, a transpose, other rows ...

    Examples
    --------
    >>> right = {"weight_hh": np.array([[1.0, 2.0], [3.0, 5.0]]), "bias_hh": np.array([3.0, 1.0])}
    >>> compare_gradients(right, right)
    weight_hh  (2, 2)  agrees (relative error <= 1e-10)
    bias_hh    (2,)    agrees (relative error <= 1e-10)
    >>> compare_gradients({**right, "weight_hh": right["weight_hh"].T}, right)
    Traceback (most recent call last):
    AssertionError: weight_hh differs: relative error 0.2, accepted 1e-10: transposed
    >>> compare_gradients({"x": np.array([1.25])}, {"x": np.array([1.0])}, rtol=0.25)
    x  (1,)  agrees (relative error <= 0.25)
    >>> rounded = {name: array.astype(np.float32) / 3 for name, array in right.items()}
    >>> compare_gradients(rounded, {name: array / 3 for name, array in right.items()})
    weight_hh  (2, 2)  agrees (relative error <= 3e-05, float32)
    bias_hh    (2,)    agrees (relative error <= 3e-05, float32)
    >>> compare_gradients({}, {})
    Traceback (most recent call last):
    AssertionError: there is nothing to compare
    """
    ours, reference = _named("ours", ours), _named("reference", reference)
    names = [n for n in ours | reference if ours.get(n) is not None or reference.get(n) is not None]
    if not names:
        raise AssertionError("there is nothing to compare")
    shapes = {n: str(np.shape(ours[n])) if ours.get(n) is not None else "" for n in names}
    sizes = dict(zip("TB", np.shape(reference["x"])[:2])) if np.ndim(reference.get("x")) == 3 else {}
    faults = []
    for name in names:
        fault, accepted = _fault(name, ours.get(name), reference.get(name), rtol, sizes)
        row = f"differs: {fault}" if fault else f"agrees (relative error <= {accepted})"
        print(f"{name:{max(map(len, names))}}  {shapes[name]:{max(map(len, shapes.values()))}}  {row}")
        if fault:
            faults.append(f"{name} differs: {fault}")
    if faults:
        raise AssertionError("; ".join(faults))


def verify_equation(number, left, right, *, rtol=None):
    """Print that equation `number` holds for these two sides, or raise. Used in every notebook.

    Parameters
    ----------
    number : str
        The textbook's number, for example "6.40".
    left, right : array_like
        The two sides, of one shape. Sides that are zero everywhere are refused: they would verify nothing.
    rtol : float, optional
        The largest accepted max |left - right| / max |right|, as for `compare_gradients`.

    Raises
    ------
    AssertionError

    Examples
    --------
    >>> verify_equation("6.40", np.array([1.0, 2.0]), [1.0, 2.0])
    (6.40) holds: both sides agree in all 2 entries (relative error <= 1e-10)
    >>> verify_equation("6.40", np.array([1.0, 2.0]), np.array([1.0, 2.001]))
    Traceback (most recent call last):
    AssertionError: (6.40) does not hold: relative error 0.0005, accepted 1e-10: wrong at index 1 of the first axis only
    >>> verify_equation("6.40", np.zeros(2), np.zeros(2))
    Traceback (most recent call last):
    AssertionError: (6.40) is not verified: both sides are zero or empty
    """
    left, right = _as_numpy("left", left), _as_numpy("right", right)
    if not (np.any(left) or np.any(right)):
        raise AssertionError(f"({number}) is not verified: both sides are zero or empty")
    fault, accepted = _fault(number, left, right, rtol)
    if fault:
        raise AssertionError(f"({number}) does not hold: {fault}")
    entries = "in the one entry" if left.size == 1 else f"in all {left.size} entries"
    print(f"({number}) holds: both sides agree {entries} (relative error <= {accepted})")


def claim(text, value, *, at_least=None, at_most=None):
    """Print that what `text` says is true, or raise with the value. Used in every notebook.

    Parameters
    ----------
    text : str
        What is claimed.
    value : bool, number or array
        Without a bound: whether it is true, everywhere. With one: what was measured; every entry counts.
    at_least, at_most : float, optional
        The bounds that the text speaks of. NaN is within none.

    Raises
    ------
    AssertionError
        If the claim is false: it says the text, the value that is farthest off, and what was expected.
    TypeError
        If there is a number but no bound to measure it by.

    Examples
    --------
    >>> claim("1.05 to the power of 100", 1.05**100, at_least=131, at_most=132)
    holds: 1.05 to the power of 100 (at least 131, at most 132)
    >>> claim("every entry is positive", np.array([1, 2]) > 0)
    holds: every entry is positive
    >>> claim("networks that fail", np.array([3, 9, 8]), at_most=7)
    Traceback (most recent call last):
    AssertionError: false: networks that fail: got 9 at index (1,), expected at most 7
    >>> claim("the loss falls", False)
    Traceback (most recent call last):
    AssertionError: false: the loss falls
    """
    value = np.asarray(value)
    given = {"at least": at_least, "at most": at_most}
    bounds = [f"{word} {bound:g}" for word, bound in given.items() if bound is not None]
    if not bounds and value.dtype != bool:
        raise TypeError(f"value: expected True or False, or a bound to measure it by, got {value.dtype} and no bound")
    low, high = -np.inf if at_least is None else at_least, np.inf if at_most is None else at_most
    good = value if not bounds else (value >= low) & (value <= high)
    if value.size == 0 or not good.all():
        off = ~good
        if bounds:
            off = np.where(np.isnan(value), np.inf, np.maximum(low - value, value - high))
        where = tuple(int(i) for i in np.unravel_index(np.argmax(off), value.shape)) if value.size else ()
        got = f": got {value[where]:.6g}" if bounds and value.size else ": got nothing" if not value.size else ""
        place = f" at index {where}" if where else ""
        raise AssertionError(f"false: {text}{got}{place}{', expected ' + ', '.join(bounds) if bounds else ''}")
    print(f"holds: {text}{' (' + ', '.join(bounds) + ')' if bounds else ''}")


# --- parameters and training -------------------------------------------------------------------------


def parameters(network):
    """The weights and biases that a network has, by name, as they are (not copies). Used from notebook 03 on.

    Examples
    --------
    >>> list(parameters(RNN.init(3, 4, bias=False, rng=np.random.default_rng(0))))
    ['weight_ih', 'weight_hh']
    """
    _check_network("network", network)
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    return {name: getattr(network, name) for name in names if getattr(network, name) is not None}


def replace_parameters(network, **arrays):
    """A network like this one, with copies of these weights and biases in place of its own. See `parameters`.

    Raises
    ------
    TypeError, ValueError
        If the network has no parameter of that name, or one of another shape or dtype.

    Examples
    --------
    >>> rnn = RNN.init(3, 4, rng=np.random.default_rng(0))
    >>> replace_parameters(rnn, weight_hh=np.zeros((4, 4))).weight_hh.any(), rnn.weight_hh.any()
    (np.False_, np.True_)
    >>> replace_parameters(rnn, U=np.zeros((4, 4)))
    Traceback (most recent call last):
    ValueError: U: expected one of ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'], got 'U'
    """
    own, other = parameters(network), copy.copy(network)
    for name, array in arrays.items():
        if name not in own:
            raise ValueError(f"{name}: expected one of {list(own)}, got {name!r}")
        _check_array(name, array, own[name].shape, own[name].dtype)
        setattr(other, name, array.copy())
    return other


def to_torch(network):
    """torch.nn.RNN, LSTM or GRU with this network's parameters, in their dtype; the way back is `from_torch`.

    Used from notebook 01 on.

    Raises
    ------
    TypeError, ValueError
        If it is not a network of this module, or one that torch.nn does not have: `RNN` with another nonlinearity
        than tanh or relu, the GRU with the reset gate first, `ResidualRNN`, one bias without the other.

    Examples
    --------
    >>> gru = GRU.init(3, 4, rng=np.random.default_rng(0))
    >>> np.array_equal(GRU.from_torch(to_torch(gru)).weight_hh, gru.weight_hh)
    True
    """
    import torch

    own = parameters(network)
    options = {"nonlinearity": network.nonlinearity} if isinstance(network, RNN) else {}
    if isinstance(network, ResidualRNN) or options.get("nonlinearity") in ("sigmoid", "identity"):
        got = f"{type(network).__name__} {options or ''}".rstrip()
        raise ValueError(f"network: expected one that torch.nn has, got {got} (use autograd_gradients: notebook 06)")
    if isinstance(network, GRU) and not network.reset_after:
        raise ValueError("network: expected one that torch.nn has, got a GRU with reset_after=False (notebook 08)")
    if len(own) == 3:
        raise ValueError("network: expected both biases or none, as torch.nn has them, got one (notebook 02)")
    hidden_size, input_size = network.weight_hh.shape[1], network.weight_ih.shape[1]
    module = getattr(torch.nn, type(network).__name__)(input_size, hidden_size, bias=len(own) == 4, **options)
    module = module.to(torch.tensor(network.weight_hh).dtype)
    module.load_state_dict({f"{name}_l0": torch.tensor(array) for name, array in own.items()})
    return module


def clip_grad_norm(gradients, max_norm, *, inputs=("x", "h0", "c0")):
    """Scale all parameter gradients by one factor, so that their common norm is at most `max_norm`. Notebook 03.

    Parameters
    ----------
    gradients : Gradients or dict of arrays
    max_norm : float
        Positive.
    inputs : sequence of str
        Entries with these names are derivatives of inputs, not of parameters: they neither count nor change.
        Leave h0 out if your network learns it.

    Returns
    -------
    clipped : like `gradients`
        New arrays where something had to be scaled, in their dtype; the direction stays the same.
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
    >>> clip_grad_norm({"weight_hh": np.array([3.0, 4.0]), "h0": np.array([9.0])}, 7.0)
    ({'weight_hh': array([3., 4.]), 'h0': array([9.])}, 5.0)
    >>> clip_grad_norm({"weight_hh": np.array([3.0]), "h0": np.array([4.0])}, 1.0, inputs=("x",))  # a learned h0
    ({'weight_hh': array([0.6]), 'h0': array([0.8])}, 5.0)
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
    counted = {n: _as_numpy(n, g) for n, g in named.items() if g is not None and n not in inputs}
    for name, gradient in counted.items():
        if not np.isfinite(gradient).all():
            raise ValueError(f"gradients: expected finite numbers, got NaN or inf in {name}")
    largest = max((float(np.abs(g).max()) for g in counted.values()), default=1.0) or 1.0
    norm = largest * float(np.sqrt(sum(((g.astype(float) / largest) ** 2).sum() for g in counted.values())))
    if norm > max_norm:
        counted = {name: gradient * (max_norm / norm) for name, gradient in counted.items()}
    clipped = {**named, **counted}
    return (clipped if isinstance(gradients, dict) else type(gradients)(**clipped)), norm


class AdamMemory(NamedTuple):
    """What `adam_step` carries from one update to the next."""

    updates: int
    mean: dict  # running mean of each gradient
    square: dict  # running mean of its square


def adam_step(parameters, gradients, memory=None, *, rate=1e-3, betas=(0.9, 0.999), eps=1e-8):
    """One update by Adam (Kingma and Ba, 2015), as torch.optim.Adam makes it. Explained in notebook 12.

    Parameters
    ----------
    parameters, gradients : dict of arrays
        By the same names.
    memory : AdamMemory, optional
        From the update before; None at the first.
    rate, betas, eps : float, (float, float), float
        The learning rate (or an array of them that broadcasts, one for each of several networks), how much of each
        running mean is kept, and what is added to the divisor.

    Returns
    -------
    parameters : dict of arrays
        New ones.
    memory : AdamMemory

    Raises
    ------
    ValueError
        If the names differ.

    References
    ----------
    Kingma, Ba (2015), Adam: a method for stochastic optimization, arXiv:1412.6980.

    Examples
    --------
    >>> start = {"w": np.zeros(2)}
    >>> after, memory = adam_step(start, {"w": np.array([20.0, -0.02])}, rate=0.1)  # the first moves have one size
    >>> after["w"].round(6)
    array([-0.1,  0.1])
    >>> import torch
    >>> leaf = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    >>> theirs, ours, memory = torch.optim.Adam([leaf], lr=0.1), start, None
    >>> for gradient in np.random.default_rng(0).normal(size=(20, 2)):
    ...     leaf.grad = torch.tensor(gradient)
    ...     theirs.step()
    ...     ours, memory = adam_step(ours, {"w": gradient}, memory, rate=0.1)
    >>> compare_gradients(ours, {"w": leaf}, rtol=1e-12)
    w  (2,)  agrees (relative error <= 1e-12)
    """
    if set(parameters) != set(gradients):
        raise ValueError(f"gradients: expected the names {sorted(parameters)}, got {sorted(gradients)}")
    zeros = {name: np.zeros_like(value) for name, value in parameters.items()}
    updates, mean, square = memory or AdamMemory(0, zeros, zeros)
    updates, (keep_mean, keep_square) = updates + 1, betas
    mean = {n: keep_mean * mean[n] + (1 - keep_mean) * g for n, g in gradients.items()}
    square = {n: keep_square * square[n] + (1 - keep_square) * g**2 for n, g in gradients.items()}
    new = {}
    for name, value in parameters.items():
        size = np.sqrt(square[name] / (1 - keep_square**updates)) + eps
        new[name] = value - rate / (1 - keep_mean**updates) * mean[name] / size
    return new, AdamMemory(updates, mean, square)


def random_case(rng, kind=RNN, *, bias=True, **options):
    """A random network with data, for checks: T, B, D and H all different, so that no swapped axes go unseen.

    Used from notebook 01 on; notebook 06 says what a weaker test hides.

    Parameters
    ----------
    rng : numpy.random.Generator
    kind : RNN, LSTM, GRU or ResidualRNN
    bias, options
        For `kind.init`: nonlinearity, reset_after, keep, step.

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
    if kind not in (RNN, LSTM, GRU, ResidualRNN):
        raise TypeError(f"kind: expected RNN, LSTM, GRU or ResidualRNN, got {kind!r}")
    steps, batch, input_size, hidden_size = (int(n) for n in rng.permutation(np.arange(2, 8))[:4])
    network = kind.init(input_size, hidden_size, bias=bias, rng=rng, **options)
    state = (batch, hidden_size)
    shapes = [(steps, batch, input_size), state, (steps, *state), state] + [state] * (2 if kind is LSTM else 0)
    x, h0, grad_output, grad_h_n, *of_cells = (rng.standard_normal(shape) for shape in shapes)
    if kind is LSTM:
        c0, grad_c_n = of_cells
        return network, x, (h0, c0), grad_output, grad_h_n, grad_c_n
    return network, x, h0, grad_output, grad_h_n


# --- "Your turn" and exercises -----------------------------------------------------------------------

SIZES = [{"T": 5, "B": 3, "D": 2, "H": 4}, {"T": 4, "B": 2, "D": 6, "H": 3}]  # of the two draws of a check
_TRIES = {}


def turn(name, function, *, folder="."):
    """Check the function that a reader has written, print a row for each result, and hand it back if it is right.

    Else the stored solution is handed back, so that a notebook runs to its end unsolved. The first time the check
    says what is wrong to see; the second time also which known mistake gives exactly this result.

    The solution stands once, in a markdown cell of the notebook: a ``<details>`` element whose summary holds the name
    in brackets. In it stand a Python block with the solution, a block with ``def draw(rng, T, B, D, H)``, which
    returns the arguments of one check as a tuple, and a table of typical mistakes: edits of the solution,
    ``| `right` | `what people write` | which is ... |``. Both blocks see what the reader's function sees.

    Parameters
    ----------
    name : str
        For example "4.B" (a turn in the lecture) or "4.1" (an exercise); the number before the point is the notebook's.
    function : callable
        It gets copies and returns an array, a tuple, a dict or `Gradients`; ... where nothing is
        written yet.
    folder : str
        Where the notebook is.

    Returns
    -------
    callable
        `function` if all its results are right (up to rounding, also in float32) and it leaves its arguments as they
        are, else the solution.

    Raises
    ------
    ValueError
        If there is no such solution.

    Examples
    --------
    >>> import tempfile
    >>> _TRIES.clear()
    >>> folder = tempfile.TemporaryDirectory()
    >>> cell = '''<details><summary>One way to write it (4.B)</summary>
    ...
    ... ```python
    ... def step_back(U, delta, h):
    ...     grad_h = delta @ U
    ...     grad_u = delta.T @ h
    ...     return grad_h, grad_u
    ... ```
    ... ```python
    ... def draw(rng, T, B, D, H):
    ...     return rng.normal(size=(H, H)), rng.normal(size=(B, H)), rng.normal(size=(B, H))
    ... ```
    ... | instead of | people write | which is |
    ... |---|---|---|
    ... | `delta @ U` | `delta @ U.T` | the transpose: in rows, U^T delta reads delta @ U |
    ... </details>'''
    >>> notebook = {"cells": [{"cell_type": "markdown", "source": [cell]}]}
    >>> _ = Path(folder.name, "04_test.ipynb").write_text(json.dumps(notebook))
    >>> def step_back(U, delta, h):
    ...     return ..., delta.T @ h
    >>> step_back = turn("4.B", step_back, folder=folder.name)
    4.B  grad_h  (3, 4)  not written yet
         grad_u  (4, 4)  right
    >>> step_back(np.eye(2), np.ones((1, 2)), np.ones((1, 2)))[0]  # the stored solution
    array([[1., 1.]])
    >>> for _ in range(2):
    ...     step_back = turn("4.B", lambda U, delta, h: (delta @ U.T, delta.T @ h), folder=folder.name)
    4.B  grad_h  (3, 4)  not yet: the right shape, other values: -2.5302 where -1.262 is expected (largest error / largest entry: 1)
         grad_u  (4, 4)  right
         Run the cell again for a hint.
    4.B  grad_h  (3, 4)  not yet: the right shape, other values: -2.5302 where -1.262 is expected (largest error / largest entry: 1)
         grad_u  (4, 4)  right
         What gives this: the transpose: in rows, U^T delta reads delta @ U
    >>> step_back = turn("4.B", lambda U, delta, h: (delta @ U, delta.T @ h), folder=folder.name)
    4.B  grad_h  (3, 4)  right
         grad_u  (4, 4)  right
    >>> folder.cleanup()
    """
    source, draw_source, mistakes = _stored_turn(name, folder)
    space = getattr(function, "__globals__", {"np": np})
    solution, draw = _last_function(source, space), _last_function(draw_source, space)
    labels = _returned_names(source)
    for seed, sizes in enumerate(SIZES):
        arguments = draw(np.random.default_rng([*name.encode(), seed]), **sizes)
        right = _results(solution, arguments, labels)
        if isinstance(right, Exception):
            raise right
        found = _results(function, arguments, labels)
        verdicts = _verdicts(found, right)
        wrong = set(verdicts.values()) != {"right"}
        if wrong or seed == 0:
            shown = right
        if wrong:
            break
    width = max(len(label) for label in verdicts)
    shapes = {label: str(shown[label].shape) if label in shown else "" for label in verdicts}
    for number, (label, verdict) in enumerate(verdicts.items()):
        row = f"{label:{width}}  {shapes[label]:{max(map(len, shapes.values()))}}  {verdict}" if label else verdict
        print(f"{name if number == 0 else ' ' * len(name)}  {row}")
    indent = " " * (len(name) + 2)
    if all(verdict.startswith("right") for verdict in verdicts.values()):
        if not _changes(function, arguments):
            return function
        print(f"{indent}But it changes its arguments, which are needed below: the notebook goes on with the stored solution.")
        return solution
    if seed == 1:
        first, second = (", ".join(f"{letter} = {size}" for letter, size in s.items()) for s in SIZES)
        print(f"{indent}It was right for {first}. Is it made for those sizes, or that case? Now {second}.")
    if not isinstance(found, Exception) and _changes(function, arguments):
        print(f"{indent}It changes its arguments, which are needed below: change copies.")
    if any(verdict.startswith("not yet") for verdict in verdicts.values()):
        _TRIES[name] = _TRIES.get(name, 0) + 1
        if _has_bare_ellipsis(function):
            print(f"{indent}A line `...` is still there. Is all written that it stands for? Then delete it.")
        else:
            print(indent + _hint(found, right, source, mistakes, arguments, space, again=_TRIES[name] > 1))
    return solution


def _stored_turn(name, folder):
    """The solution, its draw, and its typical mistakes as (right, wrong, sentence)."""
    number = name.split(".")[0]
    pattern = f"{int(number):02d}_*.ipynb" if number.isdigit() else "*.ipynb"
    for path in sorted(Path(folder).glob(pattern)):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        for block in re.findall(r"<details>.*?</details>", text, re.DOTALL):
            if f"({name})</summary>" in block:
                source, draw = re.findall(r"```python\n(.*?)```", block, re.DOTALL)[:2]
                return source, draw, re.findall(r"^\| `(.+?)` \| `(.+?)` \| (.+?) \|$", block, re.MULTILINE)
    raise ValueError(f"name: expected one whose solution stands in a notebook here, got {name!r}")


def _last_function(source, space):
    """The last function that a piece of source defines, run in a copy of a name space."""
    space = dict(space)
    file = f"<a stored solution, {hash(source)}>"
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file  # its lines, for an error
    exec(compile(source, file, "exec"), space)
    return space[[node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)][-1]]


def _returned_names(source):
    """What the last function of a source returns: a name for each part of a tuple, else one without a name."""
    function = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)][-1]
    value = [node for node in function.body if isinstance(node, ast.Return)][-1].value
    return [ast.unparse(part) for part in value.elts] if isinstance(value, ast.Tuple) else [""]


def _results(function, arguments, labels):
    """The results of a function by name (None: not written), or the error that it raised, with the line as its note."""
    try:
        with (
            np.errstate(all="ignore"),
            warnings.catch_warnings(action="ignore"),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            value = function(*copy.deepcopy(arguments))
        if value is None:
            return UserWarning("None is returned: is there no `return`, or does a name hold None?")
        if value is ...:
            return dict.fromkeys(labels)
        if hasattr(value, "_asdict"):
            value = {name: part for name, part in value._asdict().items() if part is not None}
        elif isinstance(value, tuple) or (isinstance(value, list) and len(value) == len(labels) > 1):
            if len(value) != len(labels):
                names = ": " + ", ".join(labels) if len(labels) > 1 else ""
                return UserWarning(f"{len(value)} results are returned, expected {len(labels)}{names}")
            value = dict(zip(labels, value))
        elif not isinstance(value, dict):
            value = {labels[0]: value}
        return {name: None if part is ... else _as_numpy(name or "the result", part) for name, part in value.items()}
    except Exception as error:
        return _with_line(error, function)


def _with_line(error, function):
    """An error with the line of the function as its note; if a `...` of that line is to blame, one that says so."""
    seen = zip(traceback.extract_tb(error.__traceback__), traceback.walk_tb(error.__traceback__))
    own = [(site.line, f.f_locals) for site, (f, _) in seen if f.f_code is getattr(function, "__code__", None)]
    if not own or not own[-1][0]:
        return error
    line, values = re.sub(" +#.*", "", own[-1][0]), own[-1][1]
    try:
        nodes = list(ast.walk(ast.parse(line + " pass" * line.endswith(":"))))
    except SyntaxError:  # a part of a statement
        nodes = []
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    early = any(values.get(name) is ... for name in names) and not isinstance(error, NameError)
    if early or re.search(r"=\s*\.\.\.$", line):
        error = TypeError("an ellipsis")
    error.add_note(f", in `{line}`")
    return error


def _has_bare_ellipsis(function):
    """Whether a statement `...`, which stands for lines not written yet, is left in the source of a function."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError, TypeError):  # no source, or a part of a longer line
        return False
    return any(isinstance(node, ast.Expr) and getattr(node.value, "value", None) is ... for node in ast.walk(tree))


def _changes(function, arguments):
    """Whether a function changes an array that it is given."""
    given = copy.deepcopy(arguments)
    with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
        function(*given)
    return not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(_arrays(given), _arrays(arguments)))


def _arrays(value):
    """The arrays in a nest of tuples, lists and dicts, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [array for part in value for array in _arrays(part)]
    return [value] if isinstance(value, np.ndarray) else []


def _verdicts(found, right):
    """What is to see of each result: right, not written yet, or how it differs."""
    if isinstance(found, Exception):
        line = "".join(getattr(found, "__notes__", []))
        if "ellipsis" in str(found) and not isinstance(found, IndexError):
            return {"": f"not written yet: a `...` is used before it is replaced{line}"}
        stops = "" if isinstance(found, UserWarning) else f"it stops with {type(found).__name__}: "
        return {"": f"not yet: {stops}{found}{line}"}
    unknown = {name: "not yet: no such result is expected" for name in found if name not in right}
    return {name: _verdict(found.get(name), value) for name, value in right.items()} | unknown


def _verdict(mine, right):
    if mine is None:
        return "not written yet"
    mine, right = mine.astype(float), right.astype(float)
    kind = _difference(mine, right, 1e-6)
    if mine.shape != right.shape:
        return f"not yet: shape {mine.shape}, expected {right.shape}{': ' + kind if kind else ''}"
    if not np.isfinite(mine).all():
        return "not yet: NaN or inf"
    error = _relative_error(mine, right)
    if error <= 1e-6:
        return "right"
    if error <= 1e-4:
        return f"right up to rounding ({error:.0e}): float32?"
    if kind:
        return f"not yet: {kind}"
    first = np.argmax(np.abs(mine - right) > 1e-6 * np.abs(right).max())
    values = f"{mine.flat[first]:.5g} where {right.flat[first]:.5g} is expected"
    return f"not yet: the right shape, other values: {values} (largest error / largest entry: {error:.1g})"


def _hint(found, right, source, mistakes, arguments, space, again):
    """The sentences of the known mistakes that give exactly these results; at the first try, that there is a hint."""
    causes = _causes(found, right, source, mistakes, arguments, space)
    if not causes and isinstance(found, Exception):
        if isinstance(found, IndexError):
            return "This is no known mistake. Print the index in that line, and the shape of its array."
        if re.search("shape|dimension|size|axis|axes", str(found)) and not isinstance(found, NameError):
            return "This is no known mistake. Compare the shapes in the message with those beside each line."
        return "This is no known mistake." + " Print the parts of that line." * hasattr(found, "__notes__")
    if not causes and all(value.size == 1 for value in right.values()):
        return "This is no known mistake. Work it through by hand, with small numbers."
    if not causes:
        return "This is no known mistake. Compare one entry with a sum over single numbers."
    return "What gives this: " + "; and: ".join(causes) if again else "Run the cell again for a hint."


def _causes(found, right, source, mistakes, arguments, space):
    """One mistake or a pair that gives all results; else one for each wrong result, if each has one and none spoils more."""
    labels, trials = _returned_names(source), []
    zeros = isinstance(found, dict) and any(
        value is not None and not np.any(value) and np.any(right.get(name, 0)) for name, value in found.items())  # fmt: skip
    for edits in itertools.chain(itertools.combinations(mistakes, 1), itertools.combinations(mistakes, 2 - zeros)):
        edited = source
        for before, after, _ in edits:
            edited = edited.replace(before, after) if before in edited else None
            if edited is None:
                break
        if edited is None or not _compiles(edited):  # two edits together may be no program
            continue
        sentences = [sentence for *_, sentence in edits]
        trials.append((sentences, _results(_last_function(edited, space), arguments, labels)))
        if _same_results(found, trials[-1][1]):
            return sentences
    if isinstance(found, Exception):
        return []
    verdicts = _verdicts(found, right)
    wrong = {name for name, verdict in verdicts.items() if not verdict.startswith("right")}
    trials = [(s, r, {name for name in right if _verdict(r.get(name), right[name]) != "right"})
              for s, r in trials if isinstance(r, dict)]  # fmt: skip
    causes = {}
    for name in wrong:
        mine = {name: found.get(name)}
        alike = [s for s, r, spoiled in trials if spoiled <= wrong and _same_results(mine, {name: r.get(name)})]
        if verdicts[name].startswith("not yet") and (not alike or not np.any(found[name])):
            return []
        causes |= dict.fromkeys(alike[0] if alike else [])
    return list(causes)


def _compiles(source):
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _assigned(note):
    """What the line in the note of an error gives a value to; nothing for a `return`."""
    line = note.removeprefix(", in `")
    return {"for"} if line.startswith("for ") else {part.strip(" +") for part in re.split(r" \+?= ", line)[:-1]}


def _same_results(found, results):
    """Whether two outcomes are alike: the same error, or the same arrays up to rounding."""
    if isinstance(found, Exception) or isinstance(results, Exception):
        if type(found) is not type(results) or str(found) != str(results):
            return False
        mine, theirs = (_assigned("".join(getattr(error, "__notes__", []))) for error in (found, results))
        return not mine or not theirs or bool(mine & theirs)
    if set(found) != set(results) or any(value is None for value in [*found.values(), *results.values()]):
        return False
    pairs = [(found[name].astype(float), results[name].astype(float)) for name in found]
    for a, b in pairs:
        scale = np.abs(b[np.isfinite(b)]).max(initial=0)
        if a.shape != b.shape or not np.allclose(a, b, rtol=1e-5, atol=1e-6 * scale, equal_nan=True):
            return False
    return True


# --- pictures ----------------------------------------------------------------------------------------

# Okabe and Ito's palette, told apart by colour-blind readers too
COLORS = {"blue": "#0072B2", "orange": "#D55E00", "green": "#009E73", "pink": "#CC79A7", "sky": "#56B4E9",
          "yellow": "#E69F00", "grey": "#7F7F7F"}  # fmt: skip

# one colour and one line style for one thing, in every notebook: ax.plot(x, y, **bh.LOOKS["tanh"])
LOOKS = {
    name: {"color": COLORS[color], "linestyle": style, "label": label}
    for name, color, style, label in [
        ("forward", "blue", "-", "forward"),
        ("backward", "orange", "--", "backward"),
        ("tanh", "blue", "-", "tanh"),
        ("relu", "orange", "-.", "ReLU"),
        ("sigmoid", "green", "--", "logistic"),
        ("identity", "grey", ":", "linear"),
        ("RNN", "sky", "-", "simple"),
        ("residual", "pink", "--", "residual"),
        ("LSTM", "green", "-.", "LSTM"),
        ("GRU", "yellow", ":", "GRU"),
    ]
}


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


def show(alt):
    """Show the current figure, with a text for those who cannot see it, and close it.

    The picture has 128 colours and no trace of Matplotlib's version, so that a stored notebook stays small.

    Parameters
    ----------
    alt : str
        What the picture shows, in a sentence or two; it becomes its alternative text.

    Raises
    ------
    ValueError
        If the text is missing, or no figure is open.
    """
    import matplotlib.pyplot as plt
    from IPython.display import Image, display
    from PIL import Image as Picture

    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(f"alt: expected a text that says what the picture shows, got {alt!r}")
    if not plt.get_fignums():
        raise ValueError("alt: expected an open figure to show, got none")
    drawn, stored = io.BytesIO(), io.BytesIO()
    plt.gcf().savefig(drawn, dpi=144)
    plt.close()
    picture = Picture.open(drawn).convert("RGB").quantize(128, dither=Picture.Dither.NONE)
    picture.save(stored, format="PNG", optimize=True)
    display(Image(stored.getvalue(), format="png", width=picture.width // 2, height=picture.height // 2, alt=alt))


def draw_node(ax, x, y, text, color="blue", size=17):
    """Draw a circle with a text, for example "$h_1$"; `color` is a name in `COLORS`."""
    box = {"boxstyle": "circle,pad=0.35", "fc": "white", "ec": COLORS[color], "lw": 2}
    ax.text(x, y, text, ha="center", va="center", fontsize=size, bbox=box)


def draw_arrow(ax, start, end, look="forward", bend=0.0, gap=21):
    """Draw an arrow between two points that are the centres of nodes; `look` is a name in `LOOKS`."""
    properties = {"arrowstyle": "-|>", "lw": 2, "shrinkA": gap, "shrinkB": gap, "mutation_scale": 16}
    properties |= {"color": LOOKS[look]["color"], "ls": LOOKS[look]["linestyle"]}
    ax.annotate("", end, start, arrowprops=properties | {"connectionstyle": f"arc3,rad={bend}"})


def draw_unrolled(steps, *, losses=None, backward=False, title=""):
    """Draw the network unrolled over `steps` steps; with `backward`, also the way of the error.

    Parameters
    ----------
    steps : int
    losses : list of int, optional
        The steps that have a loss; all by default.
    backward : bool
        Draw the arrows of delta, from each loss back to h_0.
    title : str
    """
    import matplotlib.pyplot as plt

    losses = list(range(1, steps + 1) if losses is None else losses)
    _, ax = plt.subplots(figsize=(2.1 * steps + 2, 4.6))
    ax.set(xlim=(-0.7, 2 * steps + 0.8), ylim=(-2.1, 2.1), title=title)
    ax.axis("off")
    draw_node(ax, 0, 0, "$h_0$", "grey")
    for t in range(1, steps + 1):
        draw_node(ax, 2 * t, 0, f"$h_{t}$")
        draw_node(ax, 2 * t, -1.5, f"$x_{t}$", "grey")
        draw_arrow(ax, (2 * t - 2, 0), (2 * t, 0))
        draw_arrow(ax, (2 * t, -1.5), (2 * t, 0))
        ax.text(2 * t - 1, 0.14, "$U$", ha="center", color=COLORS["blue"], fontsize=15)
        ax.text(2 * t + 0.1, -0.8, "$W$", color=COLORS["blue"], fontsize=15)
        if t in losses:
            draw_node(ax, 2 * t, 1.5, f"$L_{t}$")
            draw_arrow(ax, (2 * t, 0), (2 * t, 1.5))
        if backward and t in losses:
            draw_arrow(ax, (2 * t + 0.22, 1.5), (2 * t + 0.22, 0), "backward")
        if backward:
            draw_arrow(ax, (2 * t, -0.28), (2 * t - 2, -0.28), "backward")
            ax.text(2 * t - 1, -0.62, rf"$\delta_{t}$", ha="center", color=COLORS["orange"], fontsize=15)
    way = "; dashed orange arrows carry the errors back from the losses to $h_0$" if backward else ""
    show(f"The network unrolled over {steps} steps: each state h_t comes from h_(t-1) through U and from x_t through W; "
         f"losses at the steps {', '.join(map(str, losses))}{way}.")  # fmt: skip


def plot_over_span(curves, *, ylabel, title, xlabel="span $t-k$ (steps)"):
    """Draw norms against the span, log scale: a straight line is a geometric growth or decay.

    Parameters
    ----------
    curves : dict
        Label, or a name in `LOOKS` -> norms at span 0, 1, 2, ...
    ylabel, title, xlabel : str
    """
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    for style, (label, norms) in zip(["-", "--", "-.", ":"] * len(curves), curves.items()):
        look = LOOKS.get(label, {"linestyle": style, "label": label})
        ax.semilogy(np.arange(len(norms)), norms, **look)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    ax.legend(fontsize=12)
    labels = [LOOKS.get(label, {"label": label})["label"] for label in curves]
    ends = [f"{label} ends near {norms[-1]:.0e}" for label, norms in zip(labels, curves.values())]
    show(f"{title}: curves over the span, log scale. {'; '.join(ends)}.")


# --- what the functions above share: gradients of a loss, kinds of difference ------------------------


def _total_bias(bias_ih, bias_hh):
    """b = bias_ih + bias_hh, where a missing bias is zero."""
    return np.asarray(sum(bias for bias in (bias_ih, bias_hh) if bias is not None))


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


def _grad_of(tensor):
    """What autograd has left on a tensor, as an array; zeros if the loss does not depend on it."""
    return tensor.detach().numpy() * 0 if tensor.grad is None else tensor.grad.numpy()


def _loss_value(loss, array, dtype):
    """loss(array) as a number; raise if it is none, or one of a precision that drowns a difference."""
    value = _as_numpy("loss", loss(array))
    if value.size != 1:
        raise ValueError(f"loss: expected a single number, got shape {value.shape}")
    if value.dtype.kind == "f" and np.finfo(value.dtype).eps > np.finfo(dtype).eps:
        wanted = f"dtype {dtype}, as the array has"
        raise TypeError(f"loss: expected {wanted}, got {value.dtype}: rounding would drown the differences (notebook 06)")
    return value.item()


def _one_sided(loss, array, index, step, here):
    """(rise, run) of the loss to the right and to the left of one entry; the runs as really made, after rounding."""
    entry, pairs = array[index], []
    for sign in (1, -1):
        moved = array.copy()
        moved[index] += sign * step * max(1, abs(entry))
        run = sign * float(moved[index] - entry)
        if run == 0:
            raise ValueError(f"step: expected one that changes {entry} in {array.dtype}, got {step}")
        pairs.append((sign * (_loss_value(loss, moved, array.dtype) - here) + 0.0, run))  # no -0
    return pairs


def _relative_error(ours, reference):
    """max |ours - reference| / max |reference|; inf if there is nothing to compare or anything is not finite."""
    if ours.size == 0 or not (np.isfinite(ours).all() and np.isfinite(reference).all()):
        return np.inf
    difference, scale = np.abs(ours - reference).max(), np.abs(reference).max()
    if scale == 0:
        return np.inf if difference > 0 else 0.0
    return difference / scale


def _fault(name, ours, reference, rtol, sizes=None):
    """What is wrong with one array ("" if nothing), and the tolerance as text."""
    if ours is None or reference is None:
        return "it is missing on one side", ""
    a, b = _as_numpy(name, ours), _as_numpy(name, reference)
    single = any(array.dtype.kind == "f" and array.dtype.itemsize < 8 for array in (a, b))
    rtol, note = (3e-5 if single else 1e-10, ", float32" if single else "") if rtol is None else (rtol, "")
    accepted = f"{rtol:g}{note}"
    if a.shape != b.shape:
        kind = _difference(a, b, rtol)
        return f"its shape is {a.shape}, the reference has {b.shape}{': ' + kind if kind else ''}", accepted
    if a.size == 0:
        return "it is empty: there is nothing to compare", accepted
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return "it holds NaN or inf: that never counts as agreement", accepted
    error = _relative_error(a, b)
    if error <= rtol:
        return "", accepted
    kind = "rounding of float32" if single and error <= 3e-5 else _difference(a, b, rtol, sizes)
    return f"relative error {error:.2g}, accepted {accepted}{': ' + kind if kind else ''}", accepted


def _difference(mine, right, rtol, sizes=None):
    """The kind of difference between two arrays, if it is a known one: transpose, sign, factor, order, rows; else ""."""

    def alike(a):
        return a.shape == right.shape and _relative_error(a, right) <= max(rtol, 1e-9)

    mine, right = mine.astype(float), right.astype(float)
    if mine.ndim == 2 and alike(mine.T):
        return "transposed"
    if mine.ndim == 3 and alike(mine.swapaxes(0, 1)):
        return "the first two axes are swapped"
    if mine.shape != right.shape or mine.size < 2 or not np.isfinite(mine).all():
        return ""
    if alike(-mine):
        return "the sign"
    if alike(mine[::-1]):
        return "in reversed order along the first axis"
    factor = (mine * right).sum() / ((right**2).sum() or 1)
    if f"{factor:.3g}" not in ("0", "1") and alike(mine / factor):
        means = [name for name, size in (sizes or {}).items() if np.isclose(factor * size, 1)]
        because = f", 1/{means[0]}: a mean instead of a sum?" if means else ""
        return f"every entry is {factor:.3g} times the right one{because}"
    for blocks in (4, 3):
        if len(mine) % blocks == 0 and len(mine) > blocks:
            parts = np.split(mine, blocks)
            if any(alike(np.concatenate(order)) for order in itertools.permutations(parts)):
                return f"the {blocks} blocks of rows (gates) stand in another order"
    wrong = [i for i in range(len(mine)) if np.abs(mine[i] - right[i]).max() > max(rtol, 1e-9) * np.abs(right).max()]
    if 0 < len(wrong) < len(mine):
        return f"wrong at index {', '.join(map(str, wrong))} of the first axis only"
    return ""


def _checked_loss(network, x, grad_output, state, grad_h_n, grad_c_n):
    """The output, and the first states by name; raise unless all arguments fit the network."""
    _check_network("network", network)
    gated = isinstance(network, LSTM)
    output, _ = network.forward(x, state)  # for its checks, and its shape
    _check_array("grad_output", grad_output, output.shape, output.dtype)
    if grad_c_n is not None and not gated:
        raise ValueError(f"grad_c_n: expected None, as this {type(network).__name__} has no cell, got an array (notebook 08)")
    for name, grad in (("grad_h_n", grad_h_n), ("grad_c_n", grad_c_n)):
        if grad is not None:
            _check_array(name, grad, output[0].shape, output.dtype)
    zeros = np.zeros_like(output[0])
    if gated:
        h0, c0 = (zeros, zeros) if state is None else state
        return output, {"h": zeros if h0 is None else h0, "c": zeros if c0 is None else c0}
    return output, {"h": zeros if state is None else state}


# --- checks of the arguments -------------------------------------------------------------------------


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


def _check_array(name, value, shape, dtype=None):
    """Raise unless `value` is a float array of `shape`; a letter in `shape` stands for any size from 1."""
    if not isinstance(value, np.ndarray):
        got = type(value).__name__ + " (tensor.detach().numpy(): notebook 05)" * hasattr(value, "detach")
        raise TypeError(f"{name}: expected a NumPy array, got {got}")
    if value.dtype.char not in "fd":
        raise TypeError(f"{name}: expected dtype float32 or float64, got {value.dtype}")
    if dtype is not None and value.dtype != dtype:
        raise TypeError(f"{name}: expected dtype {dtype}, as the weights have, got {value.dtype} (notebook 06)")
    if value.shape == shape:
        return
    fits = [isinstance(want, str) or want == got for want, got in zip(shape, value.shape)]
    if value.ndim != len(shape) or not all(fits) or value.size == 0:
        wanted = ", ".join(str(size) for size in shape) + ("," if len(shape) == 1 else "")
        sizes = ", every size at least 1" if value.size == 0 else ""
        raise ValueError(f"{name}: expected shape ({wanted}){sizes}, got {value.shape}{_shape_hint(shape, value.shape)}")


def _shape_hint(shape, got):
    """What a wrong shape looks like, and where to read on; nothing if it looks like nothing known."""
    if got[1:] == shape:
        return " (an axis too many, of steps or of PyTorch's layers: notebook 07)"
    if len(shape) == len(got) == 3 and shape == (got[1], got[0], got[2]):
        return " (the batch first: notebook 07)"
    if shape == got[::-1]:
        return " (transposed: notebook 00 has the shapes)"
    return ""


def _check_kind(name, value, kind):
    """Raise unless `value` is an instance of the class `kind`."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__.startswith(("RNN", "LSTM")) else "a"
        raise TypeError(f"{name}: expected {article} {kind.__name__}, got {type(value).__name__}")


def _check_network(name, value):
    """Raise unless `value` is a network of this module."""
    if not isinstance(value, (RNN, LSTM, GRU, ResidualRNN)):
        got = f"{type(value).__name__} (from_torch makes one: notebook 05)"
        raise TypeError(f"{name}: expected an RNN, LSTM, GRU or ResidualRNN of this module, got {got}")


def _check_positive(name, value):
    """Raise unless `value` is one positive number; NaN is none."""
    if not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{name}: expected a positive number, got {type(value).__name__}")
    if not value > 0:
        raise ValueError(f"{name}: expected a positive number, got {value}")


def _checked_number(name, value):
    """`value` as a float; raise unless it is one finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, got {value!r}")
    return float(value)


def _checked_parameters(weight_ih, weight_hh, bias_ih, bias_hh, gates=1, stack=()):
    """Copies of the parameters, H rows a gate; raise if their shapes or dtypes do not fit each other."""
    _check_array("weight_hh", weight_hh, (*stack, "H" if gates == 1 else f"{gates}H", "H"))
    *_, hidden_size = weight_hh.shape
    rows, dtype = gates * hidden_size, weight_hh.dtype
    _check_array("weight_hh", weight_hh, (*stack, rows, hidden_size))
    _check_array("weight_ih", weight_ih, (*stack, rows, "D"), dtype)
    for name, bias in [("bias_ih", bias_ih), ("bias_hh", bias_hh)]:
        if bias is not None:
            _check_array(name, bias, (*stack, rows), dtype)
    return [None if p is None else p.copy() for p in (weight_ih, weight_hh, bias_ih, bias_hh)]


def _checked_nonlinearity(nonlinearity):
    if not isinstance(nonlinearity, str) or nonlinearity not in NONLINEARITIES:
        raise ValueError(f"nonlinearity: expected one of {list(NONLINEARITIES)}, got {nonlinearity!r}")
    return nonlinearity


def _check_sequence(network, x, **states):
    """Raise unless `x` is (T, B, D) and each state (B, H) or None, in the dtype of the weights."""
    dtype, (*stack, _, input_size) = network.weight_hh.dtype, network.weight_ih.shape
    _check_array("x", x, ("T", *stack, "B", input_size), dtype)
    for name, state in states.items():
        if state is not None:
            _check_array(name, state, (*x.shape[1:-1], network.weight_hh.shape[-1]), dtype)


def _check_backward(network, cache, kind, grad_output, **grads):
    """Raise unless the cache is of this kind and network, and the upstream gradients fit to it."""
    _check_kind("cache", cache, kind)
    if cache.network is not network:
        raise ValueError("cache: expected one made by this network's forward, got another network's (notebook 04)")
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

    read_on = "notebook 05" if kind == "RNN" else "notebook 08"
    if not isinstance(module, getattr(torch.nn, kind)):
        raise TypeError(f"module: expected a torch.nn.{kind}, got {type(module).__name__} ({read_on})")
    for name, wanted in [("num_layers", 1), ("bidirectional", False), ("batch_first", False), ("proj_size", 0)]:
        if getattr(module, name) != wanted:
            got = f"{name}={getattr(module, name)}"
            raise ValueError(f"module: expected {name}={wanted}, got {got} (notebook 07 shows how to go on)")
    names = ["weight_ih_l0", "weight_hh_l0"] + ["bias_ih_l0", "bias_hh_l0"] * module.bias
    found = dict(module.named_parameters(remove_duplicate=False))
    if set(found) != set(names):
        raise ValueError(f"module: expected the parameters {names}, got {sorted(found)} (copy the arrays by hand: notebook 05)")
    if len({id(parameter) for parameter in found.values()}) < len(names):
        raise ValueError("module: expected separate parameters, got two names for one (their gradients add: notebook 07)")
    for name in names:
        if found[name].dtype not in (torch.float32, torch.float64):
            raise TypeError(f"module: expected dtype float32 or float64, got {found[name].dtype} in {name} (notebook 06)")
    return [found[name].detach().cpu().numpy() for name in names]
