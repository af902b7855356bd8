"""Conversion to ONNX: formulas as nodes of a graph, registered with skl2onnx."""

import warnings

import numpy as np
from scipy import sparse
from skl2onnx import to_onnx as convert
from skl2onnx import update_registered_converter
from skl2onnx._parse import parse_sklearn
from skl2onnx.common.data_types import guess_data_type, guess_numpy_type, guess_proto_type
from sklearn.utils import get_tags

import sklearn_ebm
from sklearn_ebm.export._formulas import output_of
from sklearn_ebm.export._modules import exported_modules

USUAL = 0.4375  # a value that is neither missing nor out of the range of binary data


class Value:
    """An output of a node. Its first axis is the samples, of which the number is unknown.

    Parameters
    ----------
    graph : Graph
        Receives the nodes of arithmetic.
    name : str
        Name in the graph.
    shape : tuple of int or None
        Shape, with None for the number of samples.
    """

    def __init__(self, graph, name, shape):
        self.graph = graph
        self._name = name
        self.shape = tuple(shape)

    @property
    def name(self):
        """Name in the graph."""
        return self._name

    @property
    def ndim(self):
        """Number of axes."""
        return len(self.shape)

    def _with(self, kind, other):
        other = self.graph.constant(other)
        return self.graph.node(kind, [self, other], _broadcast(self.shape, other.shape))

    def __add__(self, other):
        return self._with("Add", other)

    def __sub__(self, other):
        return self._with("Sub", other)

    def __mul__(self, other):
        return self._with("Mul", other)

    def __truediv__(self, other):
        return self._with("Div", other)

    def __gt__(self, other):
        return self._with("Greater", other)

    def __matmul__(self, other):
        return self.graph.node("MatMul", [self, other], (*self.shape[:-1], other.shape[-1]))

    def __neg__(self):
        return self.graph.node("Neg", [self], self.shape)


class Constant(Value):
    """An array. It becomes part of the graph when a node uses it."""

    def __init__(self, graph, array):
        super().__init__(graph, None, array.shape)
        self.array = array

    @property
    def name(self):
        """Name in the graph."""
        if self._name is None:
            self._name = self.graph.scope.get_unique_variable_name("constant")
            kind = guess_proto_type(guess_data_type(self.array.reshape(-1)[:1])[0][1])
            values = self.array.shape, self.array.ravel()
            self.graph.container.add_initializer(self._name, kind, *values)
        return self._name

    def __getitem__(self, places):
        return self.graph.constant(self.array[places])


def _elementwise(kind):
    """Return a method that adds a node with the shape of its input."""

    def add(self, x):
        return self.node(kind, [x], x.shape)

    return add


class Graph:
    """Operations on values, which add nodes to a graph; see `sklearn_ebm.export._formulas`.

    Parameters
    ----------
    scope, container : object
        Names and nodes of skl2onnx.
    dtype : dtype
        Floating-point type of all values.
    """

    def __init__(self, scope, container, dtype):
        self.scope = scope
        self.container = container
        self.dtype = np.dtype(dtype)

    def node(self, kind, inputs, shape, **attributes):
        """Add a node and return its output."""
        name = self.scope.get_unique_variable_name(kind.lower())
        self.container.add_node(
            kind, [each.name for each in inputs], name,
            name=self.scope.get_unique_operator_name(kind), **attributes,
        )  # fmt: skip
        return Value(self, name, shape)

    def constant(self, value, like=None):
        """Return an array or a number in the type of the graph. Values are returned unchanged."""
        if isinstance(value, Value):
            return value
        return Constant(self, np.asarray(value, self.dtype))

    def _integers(self, *numbers):
        return Constant(self, np.asarray(numbers, np.int64))

    abs, exp, log = (_elementwise(kind) for kind in ("Abs", "Exp", "Log"))
    relu, sigmoid, sign = (_elementwise(kind) for kind in ("Relu", "Sigmoid", "Sign"))
    sqrt, tanh = (_elementwise(kind) for kind in ("Sqrt", "Tanh"))

    def epsilon(self, x):
        """Return the distance of one to the next larger number."""
        return float(np.finfo(self.dtype).eps)

    def maximum(self, first, second):
        """Return the larger values."""
        return self.node("Max", [first, second], _broadcast(first.shape, second.shape))

    def where(self, condition, first, second):
        """Return the first values if a condition holds, and the second values otherwise."""
        first, second = self.constant(first), self.constant(second)
        shape = _broadcast(condition.shape, _broadcast(first.shape, second.shape))
        return self.node("Where", [condition, first, second], shape)

    def equals(self, x, number):
        """Return where x equals a number, which may be NaN."""
        if np.isnan(number):
            return self.node("IsNaN", [x], x.shape)
        return self.node("Equal", [x, self.constant(number)], x.shape)

    def mark_largest(self, x):
        """Return 1 for the first of the largest entries of each row, and 0 for the others."""
        index = self.node("ArgMax", [x], x.shape[:1], axis=1, keepdims=0)
        ends = self.constant([0, 1])
        return self.node("OneHot", [index, self._integers(x.shape[1]), ends], x.shape)

    def reshape(self, x, shape):
        """Return x with samples of another shape."""
        shape = tuple(int(length) for length in shape)
        return self.node("Reshape", [x, self._integers(0, *shape)], (x.shape[0], *shape))

    def concat(self, values, axis):
        """Return values side by side along an axis."""
        shape = list(values[0].shape)
        shape[axis] = sum(each.shape[axis] for each in values)
        return self.node("Concat", values, shape, axis=axis)

    def cut(self, x, axis, places):
        """Return a slice along an axis."""
        start, stop, step = places.indices(x.shape[axis])
        shape = list(x.shape)
        shape[axis] = len(range(start, stop, step))
        where = [self._integers(number) for number in (start, stop, axis, step)]
        return self.node("Slice", [x, *where], shape)

    def pad(self, images, before, after):
        """Return images with zeros beyond their edges."""
        ends = self._integers(0, *before, 0, 0, *after, 0)
        sizes = zip(images.shape[1:3], before, after, strict=True)
        shape = images.shape[0], *(sum(each) for each in sizes), images.shape[3]
        return self.node("Pad", [images, ends, self.constant(0.0)], shape)

    def correlate(self, images, filters):
        """Return the products of filters with all windows that lie inside the images."""
        n, height, width, _ = images.shape
        n_filters, rows, columns, _ = filters.shape
        last = self._transposed(images, (0, 3, 1, 2))
        kernel = self.constant(np.transpose(filters.array, (0, 3, 1, 2)))
        shape = n, n_filters, height - rows + 1, width - columns + 1
        return self._transposed(self.node("Conv", [last, kernel], shape), (0, 2, 3, 1))

    def _transposed(self, x, axes):
        return self.node("Transpose", [x], [x.shape[axis] for axis in axes], perm=list(axes))


def _broadcast(first, second):
    """Return the shape of a result; None is the number of samples."""
    n = max(len(first), len(second))
    first, second = ((1,) * (n - len(shape)) + tuple(shape) for shape in (first, second))
    return tuple(b if a == 1 else a for a, b in zip(first, second, strict=True))


# -------------------------------------------------------------------------------------- converters
def _set_shape(operator):
    """Set the type of the output of an estimator."""
    variable, estimator = operator.inputs[0], operator.raw_operator
    kind = _float_type(variable.type)
    exported_modules(estimator, kind)  # refuses estimators that have no formula
    shape = variable.type.shape[1:]
    if not all(isinstance(length, int) and length > 0 for length in shape):
        raise ValueError(
            f"{type(estimator).__name__} requires samples of a fixed shape, got the shape "
            f"{variable.type.shape}. Pass a sample to to_onnx, or a type with the shape."
        )
    sample = np.full((1, *shape), _usual_value(estimator), kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of names of features
        found = estimator.transform(sample)
    tensor = guess_data_type(np.zeros(1, kind))[0][1]
    operator.outputs[0].type = type(tensor)([None, *found.shape[1:]])


def _usual_value(estimator):
    """Return a value of features that every estimator of this kind accepts."""
    if not get_tags(estimator).input_tags.categorical:
        return USUAL
    return 1.0 if getattr(estimator, "missing_values", None) == 0 else 0.0


def _convert(scope, operator, container):
    """Add the nodes of an estimator to a graph."""
    variable, output = operator.inputs[0], operator.outputs[0]
    dtype = _float_type(variable.type)
    graph = Graph(scope, container, dtype)
    modules = exported_modules(operator.raw_operator, dtype)
    parameters = [
        {name: graph.constant(value) for name, value in module.parameters.items()}
        for module in modules
    ]
    x = Value(graph, variable.full_name, (None, *variable.type.shape[1:]))
    if guess_numpy_type(variable.type) != dtype:
        x = graph.node("Cast", [x], x.shape, to=guess_proto_type(output.type))
    y = output_of(graph, modules, parameters, x)
    container.add_node(
        "Identity", y.name, output.full_name, name=scope.get_unique_operator_name("Identity")
    )


def _float_type(tensor):
    """Return the floating-point type in which an estimator computes, given its input."""
    return np.dtype("float64" if guess_numpy_type(tensor) == np.float64 else "float32")


def _parse_pipeline(scope, tuned, inputs, custom_parsers=None):
    """Convert a `FineTunedClassifier` or `FineTunedRegressor` as its pipeline."""
    tuned._ready()
    options, last = scope.options, tuned.pipeline_.steps[-1][1]
    if options and id(tuned) in options:  # such as zipmap, which belongs to the last step
        options[id(last)] = options[id(tuned)]
    return parse_sklearn(scope, tuned.pipeline_, inputs, custom_parsers=custom_parsers)


def register():
    """Register the converters of all public estimators with skl2onnx."""
    for name in sklearn_ebm.__all__:
        kind = getattr(sklearn_ebm, name)
        if hasattr(kind, "transform") or hasattr(kind, "score_samples"):  # some only to refuse them
            update_registered_converter(kind, f"SklearnEbm{name}", _set_shape, _convert)
    update_registered_converter(
        sklearn_ebm.FineTunedClassifier, "SklearnEbmFineTunedClassifier", _set_shape, _convert,
        parser=_parse_pipeline, options={"zipmap": [True, False, "columns"], "nocl": [True, False],
        "output_class_labels": [False, True], "raw_scores": [True, False]},
    )  # fmt: skip
    update_registered_converter(
        sklearn_ebm.FineTunedRegressor, "SklearnEbmFineTunedRegressor", _set_shape, _convert,
        parser=_parse_pipeline,
    )  # fmt: skip


def to_onnx(estimator, X, **options):
    """Register the converters, and convert an estimator with skl2onnx."""
    register()
    X = X[:1].toarray() if sparse.issparse(X) else X
    return convert(estimator, X, **options)
