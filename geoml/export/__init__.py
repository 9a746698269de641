"""From a trained network to files that other machines run: ONNX, TFLite, and a bundle with a program around them."""

FORMATS = {
    "onnx": "model.onnx",
    "onnx_int8": "model.int8.onnx",
    "tflite": "model.tflite",
    "tflite_fp16": "model.fp16.tflite",
    "tflite_int8": "model.int8.tflite",
}
