# SPDX-License-Identifier: Apache-2.0
"""The forward passes of telar-bench's networks, and its matrix products, in ONNX Runtime. Graphs are written here, node by node."""
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import peer

options = None
random = np.random.default_rng(0)


class Graph:
    """A chain of nodes; weights are random."""

    def __init__(self, *shape):
        self.shape, self.nodes, self.weights, self.last = shape, [], [], "x"

    def weight(self, *shape, positive=False):
        values = random.standard_normal(shape, dtype=np.float32)
        values = np.abs(values) + 1 if positive else values * 0.05
        name = "w%d" % len(self.weights)
        self.weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def add(self, op, *weights, **attributes):
        out = "t%d" % len(self.nodes)
        self.nodes.append(helper.make_node(op, [self.last, *weights], [out], **attributes))
        self.last = out
        return self

    def conv(self, c, k, pad=0):
        return self.add("Conv", self.weight(k, c, 3, 3), self.weight(k), kernel_shape=[3, 3], pads=[pad] * 4)

    def batch_norm(self, c):
        w = [self.weight(c), self.weight(c), self.weight(c), self.weight(c, positive=True)]
        return self.add("BatchNormalization", *w)

    def pool(self):
        return self.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])

    def linear(self, n, k):
        return self.add("Gemm", self.weight(k, n), self.weight(k), transB=1)

    def prepare(self):
        graph = helper.make_graph(self.nodes, "bench", [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)],
                                  [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, None)], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        o = onnxruntime.SessionOptions()
        o.intra_op_num_threads, o.inter_op_num_threads = options.threads, 1
        session = onnxruntime.InferenceSession(model.SerializeToString(), o, providers=["CPUExecutionProvider"])
        # Bound once, so that nothing is copied in or out of a call.
        binding = session.io_binding()
        binding.bind_cpu_input("x", random.standard_normal(self.shape, dtype=np.float32))
        binding.bind_output(self.last)
        return lambda: session.run_with_iobinding(binding)


def mnist_cnn():
    return (Graph(64, 1, 28, 28).conv(1, 32).add("Relu").conv(32, 32).add("Relu").pool().conv(32, 2).add("Relu").add("Flatten")
            .linear(200, 50).add("Relu").linear(50, 10).prepare())


def digits_cnn():
    return (Graph(64, 1, 8, 8).conv(1, 32, 1).batch_norm(32).add("Relu").conv(32, 32, 1).batch_norm(32).add("Relu").pool()
            .conv(32, 64, 1).batch_norm(64).add("Relu").pool().add("Flatten").linear(256, 10).prepare())


def mlp():
    return Graph(64, 3072).linear(3072, 512).add("Relu").linear(512, 10).prepare()


def matmul(side):
    def prepare():
        g = Graph(side, side)
        return g.add("MatMul", g.weight(side, side)).prepare()
    return prepare


# A product here has a constant second factor, packed when the session is made: an advantage over an eager call.
CASES = {
    "matmul-128": matmul(128),
    "matmul-512": matmul(512),
    "matmul-1024": matmul(1024),
    "mnist-cnn-infer": mnist_cnn,
    "digits-cnn-infer": digits_cnn,
    "mlp-infer": mlp,
}

if __name__ == "__main__":
    options = peer.arguments(__doc__).parse_args()
    peer.main(CASES, options, "onnxruntime")
