"""Published times of layers and of whole models on the devices of the 2018 papers, as numbers.

The authors timed layers on a Raspberry Pi 3 for the papers' profiling phase (github.com/parallel-ml, repositories fc
and conv: means of 50 or 100 runs); whole models stand in the results repository of the ReQuEST artifact
(github.com/ctuning/ck-request-asplos18-results-iot-farm) and in the paper's Figures 5 and 6.
"""

from __future__ import annotations

from typing import Final

VGG16_LAYERS_S: Final = {
    "block1_conv1": 0.247,
    "block1_conv2": 1.249,
    "block1_pool": 0.207,
    "block2_conv1": 0.501,
    "block2_conv2": 0.931,
    "block2_pool": 0.099,
    "block3_conv1": 0.404,
    "block3_conv2": 0.765,
    "block3_conv3": 0.764,
    "block3_pool": 0.060,
    "block4_conv1": 0.373,
    "block4_conv2": 0.701,
    "block4_conv3": 0.699,
    "block4_pool": 0.039,
    "block5_conv1": 0.215,
    "block5_conv2": 0.218,
    "block5_conv3": 0.218,
    "block5_pool": 0.013,
    "flatten": 0.006,
    "fc2": 0.114,
    "predictions": 0.063,
}
"""Raspberry Pi 3, repository fc (models/stats); its dense2 and dense3 are our fc2 and predictions."""
VGG16_FC1_SWAPPING_S: Final = 2.483
"""dense1 there, our fc1: 411 MB of weights, which do not fit beside everything else."""
VGG16_FC1_INPUTS: Final = 25_088
FC_UNITS: Final = 4096

FC_INPUTS: Final = 7680
FC_STEADY_S: Final = {
    256: 0.0175,
    512: 0.029,
    1024: 0.038,
    2048: 0.0645,
    4096: 0.133,
    5120: 0.185,
    6114: 0.445,
    7168: 0.28,
    8192: 0.387,
    10240: 0.453,
    12228: 0.461,
    14336: 0.634,
    16384: 0.758,
}
"""Raspberry Pi 3, fc 7680 -> N with batch normalisation and ReLU, later runs (fc, siamese_clsfy/time_fc)."""
FC_FIRST_100_S: Final = {
    256: 0.020,
    512: 0.031,
    1024: 0.042,
    2048: 0.071,
    4096: 0.159,
    5120: 0.209,
    6114: 0.469,
    7168: 0.302,
    8192: 0.418,
    10240: 0.488,
    12228: 0.554,
    14336: 1.128,
    16384: 1.938,
}
"""The same, mean of the first 100 runs, the cold one included."""
FC_OUTLIER: Final = 6114
"""A size that is no multiple of a vector: twice as slow as its neighbours, with more misses of the cache (.44)."""
FC_LARGEST_IN_MEMORY: Final = 12228
"""The largest that shows no cliff, not even in the mean of the first 100 runs: 376 MB of weights."""

CONV_FILTERS_S: Final = {
    10: 0.208,
    20: 0.270,
    40: 0.478,
    60: 0.690,
    80: 0.872,
    100: 1.067,
    120: 1.266,
    160: 1.658,
    200: 2.039,
    240: 2.410,
    320: 3.189,
    400: 3.883,
    500: 4.909,
}
"""Raspberry Pi 3, convolution 5x5 over 200x200x3, by filters (fc, CNN_*): .11 s, and the rest linear."""
CONV_CHANNELS_S: Final = {
    4: 0.150,
    8: 0.178,
    16: 0.248,
    32: 0.374,
    64: 0.622,
    128: 1.136,
    256: 2.234,
    512: 4.358,
    1024: 8.609,
}
"""Raspberry Pi 3, convolution 5x5 with 64 filters over 100x100, by input channels (fc, CNN_*)."""

VGG16_CONV_WHOLE_S: Final = 7.287
"""Raspberry Pi 3: the 13 convolutions of VGG16, measured again (repository conv)."""
VGG16_CONV_SPLITS_S: Final = {
    "output_channels": (3, 3.620),
    "input_channels": (3, 3.013),
    "rows": (9, 1.113),
}
"""Split -> parts, and the slowest part of each of these convolutions, added up (repository conv).

What stands under rows are nine tiles there, three by three, whose borders are shorter than those of nine stripes.
"""

WHOLE_S: Final = {
    "rpi3": {
        "alexnet": (0.5320994186401368, 0.5255578804016113, 0.5187104988098145),
    },
    "tx1-cpu": {
        "alexnet": (0.184716796875, 0.18436794281005858, 0.18416813373565674),
        "vgg16": (1.952280650138855, 1.9469656229019165, 1.9525356006622314),
    },
    "tx1-gpu": {
        "alexnet": (0.01999041557312012, 0.020314626693725586, 0.02026944637298584),
        "vgg16": (0.27944958686828614, 0.2830798053741455, 0.2786982345581055),
    },
    "tx2-cpu": {
        "alexnet": (0.2007080602645874, 0.20097307682037355, 0.2014646816253662),
        "vgg16": (1.9277981233596801, 1.926373701095581, 1.9280962228775025),
    },
}
"""Device -> model -> seconds of one inference in each repetition of 50 (results repository, *-cpu and *-gpu)."""
TX2_GPU_IPS: Final = {"alexnet": 7.142, "vgg16": 1.282}
"""Figures 5 and 6: bars "TX2 GPU". Slower than the older TX1's GPU in the results repository, where it is missing."""
