"""Makes the tiny streaming transducer in this folder; see README.md."""

import pathlib

import onnx
from onnx import TensorProto, helper, numpy_helper
import numpy as np

HERE = pathlib.Path(__file__).parent
WORDS = ["\u2581one", "\u2581two", "\u2581thr", "ee", "\u2581four", "\u2581five", "\u2581six"]
TOKENS = ["<blk>", "<unk>", *WORDS]
CONTEXT = 2
CHUNK = 16  # new frames of 10 ms in each step
WINDOW = 19  # frames that a step looks at
SUBSAMPLING = 4
FEATURES = 80
# Mean log-mel energy that counts as sound. sherpa-onnx's features of digital silence are at
# about -16, of speech between -8 and 0.
SILENCE = -11.0


def floats(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def constant(name, values):
    return numpy_helper.from_array(np.asarray(values), name)


def save(name, nodes, inputs, outputs, constants, metadata):
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    model.producer_name = "make.py"
    helper.set_model_props(model, {key: str(value) for key, value in metadata.items()})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, HERE / f"{name}.onnx")


# The encoder passes on how loud each 40 ms are, above silence. Its states pass through.
save(
    "encoder",
    [
        helper.make_node("Slice", ["x", "zero", "chunk", "frames"], ["new"]),
        helper.make_node("Reshape", ["new", "groups"], ["grouped"]),
        helper.make_node("ReduceMean", ["grouped"], ["energy"], axes=[2], keepdims=1),
        helper.make_node("Sub", ["energy", "silence"], ["encoder_out"]),
        helper.make_node("Identity", ["h"], ["new_h"]),
        helper.make_node("Identity", ["c"], ["new_c"]),
    ],
    [floats("x", ["N", WINDOW, FEATURES]), floats("h", [1, "N", 1]), floats("c", [1, "N", 1])],
    [
        floats("encoder_out", ["N", CHUNK // SUBSAMPLING, 1]),
        floats("new_h", [1, "N", 1]),
        floats("new_c", [1, "N", 1]),
    ],
    [
        constant("zero", np.array([0], np.int64)),
        constant("frames", np.array([1], np.int64)),
        constant("chunk", np.array([CHUNK], np.int64)),
        constant("groups", np.array([0, CHUNK // SUBSAMPLING, SUBSAMPLING * FEATURES], np.int64)),
        constant("silence", np.array(SILENCE, np.float32)),
    ],
    {
        "model_type": "lstm",
        "version": 1,
        "num_encoder_layers": 1,
        "T": WINDOW,
        "decode_chunk_len": CHUNK,
        "rnn_hidden_size": 1,
        "d_model": 1,
    },
)

# The decoder knows what follows the last token: the next word, in a circle. Blank stays possible.
successors = np.full((len(TOKENS), len(TOKENS)), -1000.0, np.float32)
for token in range(len(TOKENS)):
    following = token + 1 if 2 <= token < len(TOKENS) - 1 else 2
    successors[token, [0, following]] = 0.0
save(
    "decoder",
    [
        helper.make_node("Gather", ["y", "last"], ["previous"], axis=1),
        helper.make_node("Gather", ["successors", "previous"], ["decoder_out"], axis=0),
    ],
    [helper.make_tensor_value_info("y", TensorProto.INT64, ["N", CONTEXT])],
    [floats("decoder_out", ["N", len(TOKENS)])],
    [
        constant("last", np.array(CONTEXT - 1, np.int64)),
        constant("successors", successors),
    ],
    {"vocab_size": len(TOKENS), "context_size": CONTEXT},
)

# The joiner says the next token where there is sound, and blank where there is none.
spoken = np.ones((1, len(TOKENS)), np.float32)
spoken[0, 0] = 0.0
save(
    "joiner",
    [
        helper.make_node("Mul", ["encoder_out", "spoken"], ["pull"]),
        helper.make_node("Add", ["pull", "decoder_out"], ["logit"]),
    ],
    [floats("encoder_out", ["N", 1]), floats("decoder_out", ["N", len(TOKENS)])],
    [floats("logit", ["N", len(TOKENS)])],
    [constant("spoken", spoken)],
    {"joiner_dim": 1},
)

(HERE / "tokens.txt").write_text(
    "".join(f"{token} {number}\n" for number, token in enumerate(TOKENS)), encoding="utf-8"
)
