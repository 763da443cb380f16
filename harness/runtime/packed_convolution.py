"""A convolution of oneDNN whose kernel is packed once, not for every frame.

oneDNN computes on kernels in an order of its own. TensorFlow packs them anew in each call, which is a third of a
convolution of VGG16 here, unless the kernel is a constant of the graph; and a constant is copied five times on its way
through TensorFlow (270 MB for VGG16's 59, and 1.5 s, both measured). The operation that TensorFlow itself puts in place
of such a convolution has an attribute for just that, and takes its kernel from a variable as well. Its name begins with
an underscore: it may go, and then this way of computing is not offered.
"""

from __future__ import annotations

import platform
from typing import Any, Final

from harness.models.graph import Conv2D
from harness.partition.split import Pads
from harness.runtime.device import require_configured

_OPERATION: Final = "_MklNativeFusedConv2D"
_KERNEL_LABEL: Final = b"MklNameChangeOp"
_NEEDED: Final = {"T", "TArgs", "num_args", "num_host_args", "strides", "padding", "is_filter_const", "fused_ops"}
_PROCESSORS: Final = {"x86_64", "AMD64"}


def can_pack() -> bool:
    """Whether this TensorFlow has the operation, in the form that is known here, for this processor."""
    require_configured()
    if platform.machine() not in _PROCESSORS:
        return False
    try:
        from tensorflow.python.framework import op_def_registry  # noqa: PLC0415  late, as all of TensorFlow
    except ImportError:
        return False
    found = op_def_registry.get(_OPERATION)
    return found is not None and {attribute.name for attribute in found.attr} >= _NEEDED


def packed_convolution(
    tensorflow: Any, layer: Conv2D, tensor: Any, kernel: Any, bias: Any, pads: Pads | None = None
) -> Any:
    """The layer with its activation, in the graph that is being traced.

    The kernel is packed in the first call and kept by this operation alone: weights must not change after it.

    Args:
        tensorflow: the module.
        layer: with the activation "relu" or "linear".
        tensor: float32 (1, height, width, channels).
        kernel: float32 (height, width, channels, filters).
        bias: float32 (filters,).
        pads: zeros around the tensor; None leaves them to the padding 'same'.

    Returns:
        float32 (1, height, width, filters), whose shape the graph does not know.
    """
    value, items = tensorflow.compat.v1.AttrValue, tensorflow.compat.v1.AttrValue.ListValue
    floats = tensorflow.float32.as_datatype_enum
    fused = [b"BiasAdd", *([b"Relu"] if layer.activation == "relu" else [])]
    attributes = {
        "T": value(type=floats),
        "TArgs": value(list=items(type=[floats])),
        "num_args": value(i=1),
        "num_host_args": value(i=0),
        "strides": value(list=items(i=[1, *layer.strides, 1])),
        "padding": value(s=b"SAME" if pads is None else b"VALID"),
        "is_filter_const": value(b=True),
        "fused_ops": value(list=items(s=fused)),
        "_kernel": value(s=_KERNEL_LABEL),
    }
    assert layer.activation in {"relu", "linear"}, "no model has another one behind a convolution"
    if pads is not None:
        tensor = tensorflow.pad(tensor, ((0, 0), *pads, (0, 0)))
    graph = tensorflow.compat.v1.get_default_graph()
    made = graph.create_op(
        _OPERATION, [tensor, kernel, bias], [tensorflow.float32], name=f"packed_{layer.name}", attrs=attributes
    )
    return made.outputs[0]
