"""Kinds of steps and of functions, and the columns of a chain's table: what the kernel and its callers agree on."""

CONVOLUTION, POINTWISE, LARGEST, CROPPED, SIGN_CODES, PURSUIT, SCALED, KEPT = range(8)
CLIP, LEAKY, SIGMOID, TANH, SILU, GELU = range(6)

# A line of the table: the kind, height, width and channels of the step's input and of its output, where in `state` its
# input and output are kept (-1: they are not), where its weights and its places begin, and its settings.
KIND, IN_H, IN_W, IN_C, OUT_H, OUT_W, OUT_C, INPUT, OUTPUT, WEIGHTS, PLACES, SETTINGS = range(12)
N_SETTINGS = 7
