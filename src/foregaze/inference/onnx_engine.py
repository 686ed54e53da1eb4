"""Runs a model's ONNX graph on the CPU, two to three times as fast as PyTorch does."""

from collections.abc import Mapping

import onnxruntime
import torch
from jaxtyping import Float
from torch import Tensor

from foregaze.errors import WeightsError
from foregaze.models.onnx_graph import split_graph


class OnnxEngine:
    """A session over a weightless graph and its tensors.

    Uses as many threads as PyTorch is set to when it is made (`torch.set_num_threads`,
    `OMP_NUM_THREADS`).

    Args:
        graph: What `foregaze.models.onnx_graph.export_graph` made.
        tensors: The model's state dict.

    Raises:
        WeightsError: If the graph and the tensors do not fit.
    """

    def __init__(self, graph: bytes, tensors: Mapping[str, Tensor]) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        # Threads that wait actively would slow down whatever else runs between predictions.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # ONNX Runtime reads these arrays in place, so they live as long as the session.
        try:
            names, model = split_graph(graph)
            self._arrays = [tensors[n].detach().cpu().contiguous().numpy() for n in names]
            values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in self._arrays]
            options.add_external_initializers(names, values)
            self._session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # a damaged graph, or ONNX Runtime's, which share no base
            raise WeightsError(f"the checkpoint's ONNX graph cannot be used ({error})") from error

    def __call__(
        self, pixels: Float[Tensor, "1 3 H W"], centerbias: Float[Tensor, "1 h w"]
    ) -> Float[Tensor, "1 h w"]:
        """Log density in nats on the density grid."""
        return self.outputs(pixels, centerbias)[0]

    def outputs(
        self, pixels: Float[Tensor, "1 3 H W"], centerbias: Float[Tensor, "1 h w"]
    ) -> tuple[Tensor, ...]:
        """All that the graph gives: see `foregaze.models.onnx_graph.export_graph`."""
        inputs = {"pixels": pixels.numpy(), "centerbias": centerbias.numpy()}
        return tuple(map(torch.from_numpy, self._session.run(None, inputs)))
