"""VGG16 (configuration D of Simonyan and Zisserman, 2014), with the layer names of Keras Applications.

13 convolutions of 3x3 in five blocks and three dense layers: 138,357,544 parameters and 15.470 billion
multiply-accumulates per frame.
"""

from harness.models.graph import FRAME, Conv2D, Dense, Flatten, Layer, MaxPool2D, ModelGraph, Rescale

_BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))  # (convolutions, filters) of each block


def vgg16() -> ModelGraph:
    """The graph from a 224x224x3 uint8 frame to 1000 probabilities."""
    layers: list[Layer] = [Rescale("rescale", (FRAME,), scale=1 / 255)]
    for block, (convolutions, filters) in enumerate(_BLOCKS, start=1):
        for index in range(1, convolutions + 1):
            layers.append(Conv2D(f"block{block}_conv{index}", (layers[-1].name,), filters=filters, kernel_size=(3, 3)))
        layers.append(MaxPool2D(f"block{block}_pool", (layers[-1].name,)))
    layers += [
        Flatten("flatten", (layers[-1].name,)),
        Dense("fc1", ("flatten",), units=4096),
        Dense("fc2", ("fc1",), units=4096),
        Dense("predictions", ("fc2",), units=1000, activation="softmax"),
    ]
    return ModelGraph(name="vgg16", title="VGG16", input_shape=(224, 224, 3), layers=tuple(layers))
