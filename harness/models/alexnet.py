"""AlexNet as the authors of the ASPLOS 2018 artifact define it: half the width of the original, one tower.

Convolutions are padded 'same' (224 / 4 = 56), there is no local response normalisation, no dropout and no
grouping. 47,518,376 parameters and 373.4 million multiply-accumulates per frame.
"""

from harness.models.graph import FRAME, Conv2D, Dense, Flatten, MaxPool2D, ModelGraph, Rescale


def alexnet() -> ModelGraph:
    """The graph from a 224x224x3 uint8 frame to 1000 probabilities."""
    return ModelGraph(
        name="alexnet",
        title="AlexNet (half width)",
        input_shape=(224, 224, 3),
        layers=(
            Rescale("rescale", (FRAME,), scale=1 / 255),
            Conv2D("conv1", ("rescale",), filters=48, kernel_size=(11, 11), strides=(4, 4)),
            MaxPool2D("pool1", ("conv1",)),
            Conv2D("conv2", ("pool1",), filters=128, kernel_size=(5, 5)),
            MaxPool2D("pool2", ("conv2",)),
            Conv2D("conv3", ("pool2",), filters=192, kernel_size=(3, 3)),
            Conv2D("conv4", ("conv3",), filters=192, kernel_size=(3, 3)),
            Conv2D("conv5", ("conv4",), filters=128, kernel_size=(3, 3)),
            MaxPool2D("pool5", ("conv5",)),
            Flatten("flatten", ("pool5",)),
            Dense("fc1", ("flatten",), units=4096),
            Dense("fc2", ("fc1",), units=4096),
            Dense("predictions", ("fc2",), units=1000, activation="softmax"),
        ),
    )
