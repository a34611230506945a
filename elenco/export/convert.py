"""Convert SavedModels to TF.js graph models, in a process of its own.

    python -m elenco.export.convert [QUANTIZE SAVED_MODEL OUT]…

The converter's imports take most of its time and change TensorFlow for the whole process
(decision forests, hub, jax): hence one process for all models, and not the caller's.
"""

import sys
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Convert each. QUANTIZE is `none` or `float16`, the type of the stored weights."""
    from tensorflowjs.converters import convert_tf_saved_model

    for quantize, saved_model, out in zip(*(arguments[i::3] for i in range(3)), strict=True):
        types = {"float16": "*"} if quantize == "float16" else None
        Path(out).mkdir(parents=True, exist_ok=True)
        convert_tf_saved_model(
            saved_model,
            out,
            signature_def="serving_default",
            saved_model_tags="serve",
            quantization_dtype_map=types,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
